"""scipy's answer for the distributions that scipy has only in parts: cut, clamped, mixed and shifted ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Reference:
    """log density, distribution function and how to draw points where the density is compared."""

    log_density: Callable[[Array], Array]
    cdf: Callable[[Array], Array]
    points: Callable[[int, np.random.Generator], Array]


def plain(frozen: Any) -> Reference:
    """A scipy distribution."""
    return Reference(_log_density(frozen), frozen.cdf, lambda n, rng: _draws(frozen, n, rng))


def truncated(frozen: Any, lower: float, upper: float) -> Reference:
    """A scipy distribution between two bounds; for counts the lower one is included."""
    start = np.ceil(lower) - 1 if is_discrete(frozen) else lower
    mass = _mass(frozen, start, upper)

    def log_density(x: Array) -> Array:
        return np.where((x >= lower) & (x <= upper), _log_density(frozen)(x) - np.log(mass), -np.inf)

    def cdf(x: Array) -> Array:
        return np.where(x < lower, 0.0, np.where(x >= upper, 1.0, _mass(frozen, start, np.minimum(x, upper)) / mass))

    def points(n: int, rng: np.random.Generator) -> Array:
        low, high = frozen.sf(upper), frozen.sf(start)
        return np.asarray(frozen.isf(rng.uniform(low, high, n)), dtype=float)

    return Reference(log_density, cdf, points)


def censored(frozen: Any, lower: float, upper: float) -> Reference:
    """A scipy distribution clamped to two bounds."""
    discrete = is_discrete(frozen)

    def log_density(x: Array) -> Array:
        at_upper = frozen.logsf(np.ceil(upper) - 1 if discrete else upper)
        inner = np.where(x == upper, at_upper, _log_density(frozen)(x))
        return np.where(x == lower, frozen.logcdf(lower), inner)

    def cdf(x: Array) -> Array:
        return np.where(x < lower, 0.0, np.where(x >= upper, 1.0, frozen.cdf(x)))

    return Reference(log_density, cdf, lambda n, rng: np.clip(_draws(frozen, n, rng), lower, upper))


def affine(frozen: Any, loc: float, scale: float) -> Reference:
    """loc + scale·X."""
    discrete = is_discrete(frozen)

    def log_density(x: Array) -> Array:
        z = (x - loc) / scale
        return _log_density(frozen)(z) - (0 if discrete else np.log(abs(scale)))

    def cdf(x: Array) -> Array:
        z = (x - loc) / scale
        if scale > 0:
            return np.asarray(frozen.cdf(z))
        return np.asarray(frozen.sf(np.ceil(z) - 1 if discrete else z))

    return Reference(log_density, cdf, lambda n, rng: loc + scale * _draws(frozen, n, rng))


def mixture(parts: Sequence[Any], weights: Sequence[float]) -> Reference:
    """Σ wₖ pₖ."""

    def log_density(x: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(sum(w * np.exp(_log_density(part)(x)) for w, part in zip(weights, parts, strict=True)))

    def cdf(x: Array) -> Array:
        return np.asarray(sum(w * part.cdf(x) for w, part in zip(weights, parts, strict=True)))

    def points(n: int, rng: np.random.Generator) -> Array:
        return np.concatenate([_draws(part, n // len(parts), rng) for part in parts])

    return Reference(log_density, cdf, points)


def table(probabilities: Sequence[float]) -> Reference:
    """P(k) on 1…K."""
    p = np.asarray(probabilities)

    def cdf(x: Array) -> Array:
        return np.concatenate([[0.0], np.cumsum(p)])[np.clip(np.floor(x).astype(int), 0, len(p))]

    def points(n: int, rng: np.random.Generator) -> Array:
        return rng.integers(1, len(p) + 1, n).astype(float)

    return Reference(lambda x: np.log(p[x.astype(int) - 1]), cdf, points)


def is_discrete(frozen: Any) -> bool:
    """Whether scipy gives it a mass function."""
    return hasattr(frozen.dist, "pmf")


def _log_density(frozen: Any) -> Callable[[Array], Array]:
    return frozen.logpmf if is_discrete(frozen) else frozen.logpdf  # type: ignore[no-any-return]


def _draws(frozen: Any, n: int, rng: np.random.Generator) -> Array:
    return np.asarray(frozen.rvs(n, random_state=rng), dtype=float)


def _mass(frozen: Any, lower: float, upper: Any) -> Array:
    """P(lower < X ≤ upper) from the side where it does not cancel."""
    if frozen.sf(lower) < 0.5:
        return np.asarray(frozen.sf(lower) - frozen.sf(upper))
    return np.asarray(frozen.cdf(upper) - frozen.cdf(lower))
