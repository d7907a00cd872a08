"""Log densities by formula, with the names and parameters of Distributions.jl."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from tests.differential.values import Array, Unsupported, elements, fail, is_number

Density = Callable[..., float]


@dataclass(frozen=True)
class Distribution:
    """A distribution: `logpdf` of one draw; `shape` is () for a number."""

    name: str
    logpdf: Callable[[Any], float]
    shape: tuple[int, ...] = ()
    cdf: Callable[[float], float] | None = None
    above: Callable[[float], float] | None = None
    """P(X > x), exact where the cdf is nearly 1."""


def _guarded(inside: Callable[[float], bool], density: Density) -> Density:
    """The density where x is in the support, −∞ elsewhere."""
    return lambda x, *args: density(x, *args) if inside(x) else -math.inf


def _positive(density: Density) -> Density:
    return _guarded(lambda x: x > 0, density)


def _count(density: Density) -> Density:
    return _guarded(lambda k: k >= 0 and k == int(k), density)


def _normal(x: float, m: float, s: float) -> float:
    return -0.5 * ((x - m) / s) ** 2 - math.log(s) - 0.5 * math.log(2 * math.pi)


def _student(x: float, n: float) -> float:
    start = math.lgamma((n + 1) / 2) - math.lgamma(n / 2) - 0.5 * math.log(n * math.pi)
    return start - (n + 1) / 2 * math.log1p(x * x / n)


def _gamma(x: float, a: float, t: float) -> float:
    return (a - 1) * math.log(x) - x / t - math.lgamma(a) - a * math.log(t)


def _beta(x: float, a: float, b: float) -> float:
    return (a - 1) * math.log(x) + (b - 1) * math.log1p(-x) - float(special.betaln(a, b))


def _poisson(k: float, rate: float) -> float:
    return float(special.xlogy(k, rate)) - rate - math.lgamma(k + 1)


def _choose(n: float, k: float) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _binomial(k: float, n: float, p: float) -> float:
    if k > n:
        return -math.inf
    return _choose(n, k) + float(special.xlogy(k, p)) + float(special.xlog1py(n - k, -p))


def _negative_binomial(k: float, r: float, p: float) -> float:
    return math.lgamma(k + r) - math.lgamma(r) - math.lgamma(k + 1) + r * math.log(p) + float(special.xlog1py(k, -p))


def _softplus(x: float) -> float:
    return float(np.logaddexp(0.0, x))


def _weibull(x: float, a: float, t: float) -> float:
    return math.log(a / t) + (a - 1) * math.log(x / t) - (x / t) ** a


def _logistic(x: float, m: float, s: float) -> float:
    z = (x - m) / s
    return -z - math.log(s) - 2 * _softplus(-z)


def _gumbel(x: float, m: float, s: float) -> float:
    z = (x - m) / s
    return -z - math.exp(-z) - math.log(s)


UNIVARIATE: dict[str, tuple[Density, tuple[float | None, ...]]] = {
    "Normal": (_normal, (0.0, 1.0)),
    "Cauchy": (lambda x, m, s: -math.log(math.pi * s) - math.log1p(((x - m) / s) ** 2), (0.0, 1.0)),
    "TDist": (_student, (None,)),
    "Laplace": (lambda x, m, s: -abs(x - m) / s - math.log(2 * s), (0.0, 1.0)),
    "Logistic": (_logistic, (0.0, 1.0)),
    "Gumbel": (_gumbel, (0.0, 1.0)),
    "Uniform": (lambda x, a, b: -math.log(b - a) if a <= x <= b else -math.inf, (0.0, 1.0)),
    "Flat": (lambda x: 0.0, ()),
    "Exponential": (_guarded(lambda x: x >= 0, lambda x, t: -x / t - math.log(t)), (1.0,)),
    "Gamma": (_positive(_gamma), (1.0, 1.0)),
    "InverseGamma": (_positive(lambda x, a, t: _gamma(1 / x, a, 1 / t) - 2 * math.log(x)), (1.0, 1.0)),
    "LogNormal": (_positive(lambda x, m, s: _normal(math.log(x), m, s) - math.log(x)), (0.0, 1.0)),
    "Weibull": (_positive(_weibull), (1.0, 1.0)),
    "Beta": (_guarded(lambda x: 0 < x < 1, _beta), (1.0, 1.0)),
    "Poisson": (_count(_poisson), (1.0,)),
    "LogPoisson": (_count(lambda k, eta: k * eta - math.exp(eta) - math.lgamma(k + 1)), (None,)),
    "Binomial": (_count(_binomial), (1.0, 0.5)),
    "BinomialLogit": (
        _count(lambda k, n, e: _choose(n, k) + k * e - n * _softplus(e) if k <= n else -math.inf),
        (None, None),
    ),
    "NegativeBinomial": (_count(_negative_binomial), (1.0, 0.5)),
    "Geometric": (_count(lambda k, p: math.log(p) + k * math.log1p(-p)), (0.5,)),
    "Bernoulli": (_guarded(lambda k: k in (0, 1), lambda k, p: math.log(p if k else 1 - p)), (0.5,)),
    "BernoulliLogit": (_guarded(lambda k: k in (0, 1), lambda k, e: -_softplus(-e if k else e)), (None,)),
}
"""Each univariate family: its log density of a value and its parameters, and the defaults of these."""

SCALES = {
    "Normal": (1,), "Cauchy": (1,), "TDist": (0,), "Laplace": (1,), "Logistic": (1,), "Gumbel": (1,), "Exponential": (0,),
    "Gamma": (0, 1), "InverseGamma": (0, 1), "LogNormal": (1,), "Weibull": (0, 1), "Beta": (0, 1), "NegativeBinomial": (0,),
}  # fmt: skip
"""Which parameters of a family are positive."""

UNITS = {"Binomial": (1,), "Bernoulli": (0,), "Geometric": (0,), "NegativeBinomial": (1,)}
"""Which parameters of a family are between 0 and 1."""

CDFS: dict[str, Callable[..., float]] = {
    "Normal": lambda x, m, s: float(special.ndtr((x - m) / s)),
    "Cauchy": lambda x, m, s: 0.5 + math.atan((x - m) / s) / math.pi,
    "TDist": lambda x, n: float(special.stdtr(n, x)),
    "Exponential": lambda x, t: -math.expm1(-max(x, 0.0) / t),
    "Logistic": lambda x, m, s: float(special.expit((x - m) / s)),
    "Laplace": lambda x, m, s: 0.5 * math.exp((x - m) / s) if x < m else 1 - 0.5 * math.exp(-(x - m) / s),
    "Uniform": lambda x, a, b: min(1.0, max(0.0, (x - a) / (b - a))),
    "Gamma": lambda x, a, t: float(special.gammainc(a, max(x, 0.0) / t)),
}


ABOVE: dict[str, Callable[..., float]] = {
    "Normal": lambda x, m, s: CDFS["Normal"](-x, -m, s),
    "Cauchy": lambda x, m, s: math.atan2(s, x - m) / math.pi,
    "TDist": lambda x, n: CDFS["TDist"](-x, n),
    "Exponential": lambda x, t: math.exp(-max(x, 0.0) / t),
    "Logistic": lambda x, m, s: CDFS["Logistic"](-x, -m, s),
    "Laplace": lambda x, m, s: CDFS["Laplace"](-x, -m, s),
    "Uniform": lambda x, a, b: CDFS["Uniform"](-x, -b, -a),
    "Gamma": lambda x, a, t: float(special.gammaincc(a, max(x, 0.0) / t)),
}
"""P(X > x), computed apart: 1 − P(X ≤ x) has lost its digits where that is nearly 1."""


def univariate(name: str, given: list[Any]) -> Distribution:
    """A family with its parameters checked."""
    density, defaults = UNIVARIATE[name]
    if len(given) > len(defaults) or any(default is None for default in defaults[len(given) :]):
        fail("type", f"no method matching {name}({len(given)} arguments)")
    if not all(is_number(value) for value in given):
        fail("type", f"no method matching {name}({[type(value).__name__ for value in given]})")
    args = [float(value) for value in [*given, *defaults[len(given) :]]]
    if any(not args[place] > 0 for place in SCALES.get(name, ())):
        fail("domain", f"{name} of {args}")
    if any(not 0 <= args[place] <= 1 for place in UNITS.get(name, ())):
        fail("domain", f"{name} of {args}")
    cdf = CDFS.get(name)
    return Distribution(
        name,
        lambda x: density(number(x), *args),
        cdf=None if cdf is None else lambda x: cdf(x, *args),
        above=None if cdf is None else lambda x: ABOVE[name](x, *args),
    )


def number(x: Any) -> float:
    """A draw of a univariate distribution."""
    return float(x) if is_number(x) else fail("type", f"no method matching logpdf(…, {type(x).__name__})")


def _log_mass(base: Distribution, low: float | None, high: float | None) -> float:
    """log P(low ≤ X ≤ high), as the difference of the smaller tails."""
    if base.cdf is None or base.above is None:
        raise Unsupported(f"the cdf of {base.name}")
    below = 0.0 if low is None else base.cdf(low)
    if below > 0.5 and low is not None:
        mass = base.above(low) - (0.0 if high is None else base.above(high))
    else:
        mass = (1.0 if high is None else base.cdf(high)) - below
    return math.log(mass) if mass > 0 else -math.inf


def truncated(base: Distribution, low: float | None, high: float | None) -> Distribution:
    """The distribution between bounds."""
    mass = _log_mass(base, low, high)

    def logpdf(x: Any) -> float:
        inside = (low is None or number(x) >= low) and (high is None or number(x) <= high)
        return base.logpdf(x) - mass if inside else -math.inf

    return Distribution(f"truncated {base.name}", logpdf)


def product(parts: Array) -> Distribution:
    """Independent draws, one for each element of an array of distributions."""
    if any(not isinstance(part, Distribution) for part in elements(parts)):
        fail("type", "a product is of distributions")
    inner = next((part.shape for part in elements(parts)), ())

    def logpdf(x: Any) -> float:
        if np.shape(x) != (*inner, *parts.shape):
            fail("dimension", f"a draw of {np.shape(x)} of a product of {parts.shape}")
        flat = np.asarray(x).reshape((*inner, -1), order="F")
        draws = [flat[..., k] if inner else flat[k].item() for k in range(flat.shape[-1])]
        return math.fsum(part.logpdf(draw) for part, draw in zip(elements(parts), draws, strict=True))

    return Distribution("product", logpdf, (*inner, *parts.shape))


def mv_normal(mean: Array, covariance: Array) -> Distribution:
    """`MvNormal(μ, Σ)`."""
    if covariance.shape != (mean.size, mean.size):
        fail("dimension", f"MvNormal of {mean.shape} and {covariance.shape}")

    def logpdf(x: Any) -> float:
        if np.shape(x) != mean.shape:
            fail("dimension", f"a draw of {np.shape(x)} of MvNormal of {mean.shape}")
        scaled = np.linalg.solve(np.linalg.cholesky(covariance), np.asarray(x, dtype=float) - mean)
        determinant = np.linalg.slogdet(covariance)[1]
        return float(-0.5 * (scaled @ scaled + determinant + mean.size * math.log(2 * math.pi)))

    return Distribution("MvNormal", logpdf, mean.shape)


def dirichlet(alpha: Array) -> Distribution:
    """`Dirichlet(α)`."""

    def logpdf(x: Any) -> float:
        if np.shape(x) != alpha.shape:
            fail("dimension", f"a draw of {np.shape(x)} of Dirichlet of {alpha.shape}")
        start = special.gammaln(alpha.sum()) - special.gammaln(alpha).sum()
        return float(start + ((alpha - 1) * np.log(x)).sum())

    return Distribution("Dirichlet", logpdf, alpha.shape)


def categorical(p: Array) -> Distribution:
    """`Categorical(p)`."""
    return Distribution("Categorical", lambda k: math.log(p[int(k) - 1]) if 1 <= k <= p.size else -math.inf)


def mixture(parts: list[Distribution], weights: Array) -> Distribution:
    """`MixtureModel(parts, weights)`."""
    if len(parts) != weights.size:
        fail("dimension", f"{len(parts)} components and {weights.size} weights")

    def logpdf(x: Any) -> float:
        terms = [part.logpdf(x) + math.log(w) for part, w in zip(parts, weights.tolist(), strict=True) if w > 0]
        return float(special.logsumexp(terms))

    return Distribution("mixture", logpdf)
