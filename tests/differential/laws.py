"""The constructors of distributions, as the language spells them, and what is asked of distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.differential import densities
from tests.differential.densities import Distribution
from tests.differential.operators import Scaling
from tests.differential.values import Array, collected, elements, fail, is_array


def as_covariance(value: Any, dimension: int) -> Array:
    """A covariance given as `σ² * I`, a diagonal or a matrix."""
    if isinstance(value, Scaling):
        return value.factor * np.eye(dimension)
    return value if is_array(value) and value.ndim == 2 else fail("type", "no method matching MvNormal")


def mv_normal(*args: Any) -> Distribution:
    """`MvNormal(μ, Σ)`, `MvNormal(Σ)`."""
    mu, sigma = args if len(args) == 2 else (np.zeros(len(args[0])), args[0])
    if not is_array(mu) or mu.ndim != 1:
        fail("type", "no method matching MvNormal")
    return densities.mv_normal(mu.astype(float), as_covariance(sigma, mu.size))


def filldist(base: Distribution, *shape: int) -> Distribution:
    """`filldist(d, n…)`."""
    return densities.product(repeated_law(base, shape))


def dirichlet(*args: Any) -> Distribution:
    """`Dirichlet(α)`, `Dirichlet(n, α)`."""
    return densities.dirichlet(np.full(args[0], float(args[1])) if len(args) == 2 else args[0].astype(float))


def truncated(
    base: Distribution, low: Any = None, high: Any = None, *, lower: Any = None, upper: Any = None
) -> Distribution:
    """`truncated(d; lower, upper)`, `truncated(d, l, u)`."""
    return densities.truncated(base, lower if low is None else low, upper if high is None else high)


def mixture(parts: Any, weights: Any = None) -> Distribution:
    """`MixtureModel(parts, weights)`."""
    items = list(elements(parts))
    return densities.mixture(items, np.full(len(items), 1 / len(items)) if weights is None else np.asarray(weights))


def density(law: Any, x: Any) -> float:
    """`logpdf(d, x)`."""
    return law.logpdf(x) if isinstance(law, Distribution) else fail("type", "logpdf of no distribution")


def families() -> dict[str, Callable[..., Any]]:
    """The constructors of the univariate distributions."""

    def maker(name: str) -> Callable[..., Any]:
        return lambda *args: densities.univariate(name, list(args))

    return {name: maker(name) for name in densities.UNIVARIATE}


def repeated_law(base: Distribution, shape: tuple[int, ...]) -> Array:
    """An array of one distribution."""
    return collected([base] * math.prod(shape), shape)


LAWS: dict[str, Callable[..., Any]] = {
    **families(),
    "MvNormal": mv_normal, "Dirichlet": dirichlet, "Categorical": lambda p: densities.categorical(p),
    "filldist": filldist, "arraydist": lambda parts: densities.product(parts),
    "product_distribution": lambda parts: densities.product(parts), "truncated": truncated, "MixtureModel": mixture,
    "logpdf": density, "loglikelihood": lambda law, xs: math.fsum(law.logpdf(x) for x in elements(xs)),
}  # fmt: skip
"""Every name that makes or takes a distribution."""
