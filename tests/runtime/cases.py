"""One row for each distribution of one number, ours and those taken from Pyro as they are, beside scipy's.

`build` takes tensors in the order of `parameters`, as an emitted program would write it with Julia's parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, inf
from typing import Any

import numpy as np
import pyro.distributions as dist
import scipy.stats as st
import torch
from torch import Tensor
from torch.distributions import Distribution

from mlmdsl import runtime

from .reference import Reference, affine, censored, mixture, plain, table, truncated

Build = Callable[..., Distribution]


@dataclass(frozen=True)
class Case:
    """A distribution, parameter values to build it with, what scipy says, and which parameters are whole numbers."""

    name: str
    build: Build
    parameters: tuple[float, ...]
    reference: Reference
    discrete: bool = False
    fixed: tuple[int, ...] = ()  # positions of parameters without derivative: counts, bounds


def _continuous(name: str, build: Build, parameters: tuple[float, ...], frozen: Any) -> Case:
    return Case(name, build, parameters, plain(frozen))


def _count(name: str, build: Any, parameters: tuple[float, ...], frozen: Any, *fixed: int) -> Case:
    return Case(name, build, parameters, plain(frozen), discrete=True, fixed=fixed)


PYRO = [
    _continuous("Normal", dist.Normal, (0.3, 1.7), st.norm(0.3, 1.7)),
    _continuous("Cauchy", dist.Cauchy, (0.3, 1.7), st.cauchy(0.3, 1.7)),
    _continuous("TDist", dist.StudentT, (3.5,), st.t(3.5)),
    _continuous("Laplace", dist.Laplace, (0.3, 1.7), st.laplace(0.3, 1.7)),
    _continuous("Logistic", dist.Logistic, (0.3, 1.7), st.logistic(0.3, 1.7)),
    _continuous("Gumbel", dist.Gumbel, (0.3, 1.7), st.gumbel_r(0.3, 1.7)),
    _continuous("Uniform", dist.Uniform, (-0.3, 1.7), st.uniform(-0.3, 2.0)),
    _continuous("Exponential(θ)", lambda θ: dist.Exponential(1 / θ), (2.5,), st.expon(scale=2.5)),
    _continuous("Gamma(α, θ)", lambda α, θ: dist.Gamma(α, 1 / θ), (2.5, 0.7), st.gamma(2.5, scale=0.7)),
    _continuous("InverseGamma(α, θ)", dist.InverseGamma, (2.5, 0.7), st.invgamma(2.5, scale=0.7)),
    _continuous("Chisq", dist.Chi2, (3.5,), st.chi2(3.5)),
    _continuous("LogNormal", dist.LogNormal, (0.3, 0.7), st.lognorm(0.7, scale=exp(0.3))),
    _continuous("Weibull(α, θ)", lambda α, θ: dist.Weibull(θ, α), (1.5, 2.7), st.weibull_min(1.5, scale=2.7)),
    _continuous("Pareto(α, θ)", lambda α, θ: dist.Pareto(θ, α), (2.5, 0.7), st.pareto(2.5, scale=0.7)),
    _continuous("Beta", dist.Beta, (2.5, 0.7), st.beta(2.5, 0.7)),
    Case(
        "Kumaraswamy(a, b)",
        dist.Kumaraswamy,
        (2.5, 1.7),
        Reference(
            lambda x: np.log(2.5 * 1.7) + 1.5 * np.log(x) + 0.7 * np.log1p(-(x**2.5)),
            lambda x: 1 - (1 - x**2.5) ** 1.7,
            lambda n, rng: rng.uniform(size=n),
        ),
    ),
    _continuous("HalfNormal", dist.HalfNormal, (1.7,), st.halfnorm(scale=1.7)),
    _continuous("HalfCauchy", dist.HalfCauchy, (1.7,), st.halfcauchy(scale=1.7)),
    _count("Poisson", dist.Poisson, (2.5,), st.poisson(2.5)),
    _count("Binomial", lambda n, p: dist.Binomial(n, p), (7, 0.3), st.binom(7, 0.3), 0),
    _count("NegativeBinomial(r, p)", lambda r, p: dist.NegativeBinomial(r, 1 - p), (2.5, 0.3), st.nbinom(2.5, 0.3)),
    _count("Geometric", dist.Geometric, (0.3,), st.geom(0.3, loc=-1)),
    _count("Bernoulli", dist.Bernoulli, (0.3,), st.bernoulli(0.3)),
    _count("BernoulliLogit", lambda x: dist.Bernoulli(logits=x), (-0.4,), st.bernoulli(1 / (1 + exp(0.4)))),
]


def _logit_normal(loc: float, scale: float) -> Reference:
    inner = st.norm(loc, scale)

    def log_density(x: Any) -> Any:
        return inner.logpdf(np.log(x) - np.log1p(-x)) - np.log(x) - np.log1p(-x)

    return Reference(
        log_density,
        lambda x: inner.cdf(np.log(x) - np.log1p(-x)),
        lambda n, rng: 1 / (1 + np.exp(-rng.normal(loc, scale, n))),
    )


def _ordered_logistic(eta: float, cutpoints: list[float]) -> list[float]:
    below = [1 / (1 + exp(eta - c)) for c in cutpoints]
    return [high - low for low, high in zip([0.0, *below], [*below, 1.0], strict=True)]


def _vector(*values: Tensor) -> Tensor:
    return torch.stack(values, -1)


OURS = [
    _continuous("SkewNormal", runtime.SkewNormal, (0.3, 1.7, 2.2), st.skewnorm(2.2, 0.3, 1.7)),
    _continuous("SkewNormal, left", runtime.SkewNormal, (0.3, 1.7, -0.6), st.skewnorm(-0.6, 0.3, 1.7)),
    Case("LogitNormal", runtime.LogitNormal, (0.3, 1.4), _logit_normal(0.3, 1.4)),
    _count("LogPoisson", runtime.LogPoisson, (1.1,), st.poisson(exp(1.1))),
    _count("BinomialLogit", runtime.BinomialLogit, (7, -0.4), st.binom(7, 1 / (1 + exp(0.4))), 0),
    _count("BetaBinomial", runtime.BetaBinomial, (7, 1.3, 0.6), st.betabinom(7, 1.3, 0.6), 0),
    _count("DiscreteUniform", runtime.DiscreteUniform, (-2, 3), st.randint(-2, 4), 0, 1),
    _count("negative_binomial", runtime.negative_binomial, (2.5, 0.3), st.nbinom(2.5, 0.3)),
    Case(
        "Categorical",
        lambda *p: runtime.Categorical(_vector(*p)),
        (0.2, 0.5, 0.3),
        table([0.2, 0.5, 0.3]),
        discrete=True,
    ),
    Case(
        "OrderedLogistic",
        lambda η, *c: runtime.OrderedLogistic(η, _vector(*c)),
        (0.4, -1.0, 0.2, 1.5),
        table(_ordered_logistic(0.4, [-1.0, 0.2, 1.5])),
        discrete=True,
    ),
    Case(
        "LocationScale",
        lambda μ, σ, ν: runtime.LocationScale(μ, σ, dist.StudentT(ν)),
        (0.3, 1.7, 4.0),
        affine(st.t(4.0), 0.3, 1.7),
    ),
    Case(
        "LocationScale, reversed",
        lambda μ, σ, α: runtime.LocationScale(μ, σ, dist.Gamma(α, 1.0)),
        (0.3, -1.7, 2.5),
        affine(st.gamma(2.5), 0.3, -1.7),
    ),
    Case(
        "LocationScale, counts",
        lambda λ: runtime.LocationScale(3.0, -2.0, dist.Poisson(λ)),
        (2.5,),
        affine(st.poisson(2.5), 3.0, -2.0),
        discrete=True,
    ),
    Case(
        "Mixture",
        lambda w, μ, λ: runtime.Mixture([dist.Normal(μ, 1.0), dist.Exponential(λ)], _vector(w, 1 - w)),
        (0.4, -1.0, 0.7),
        mixture([st.norm(-1.0, 1.0), st.expon(scale=1 / 0.7)], [0.4, 0.6]),
    ),
    Case(
        "Mixture, one family",
        lambda w, a, b: runtime.Mixture.same_family(dist.Normal(_vector(a, b), 1.0), _vector(w, 1 - w)),
        (0.4, -1.0, 2.0),
        mixture([st.norm(-1.0, 1.0), st.norm(2.0, 1.0)], [0.4, 0.6]),
    ),
    Case(
        "Mixture, zero-inflated",
        lambda p, λ: runtime.Mixture([runtime.Dirac(0), dist.Poisson(λ)], _vector(p, 1 - p)),
        (0.4, 2.5),
        mixture([st.binom(1, 0.0), st.poisson(2.5)], [0.4, 0.6]),
        discrete=True,
    ),
]


def _cut(name: str, build: Build, p: tuple[float, ...], frozen: Any, low: float, high: float) -> Case:
    """The distribution between two bounds."""
    return Case(
        f"truncated {name} [{low}, {high}]",
        lambda *q: runtime.Truncated(build(*q), low, high),
        p,
        truncated(frozen, low, high),
        discrete=hasattr(frozen.dist, "pmf"),
        fixed=(0,) if name == "Binomial" else (),
    )


TRUNCATED = [
    _cut("Normal", dist.Normal, (0.3, 1.7), st.norm(0.3, 1.7), -0.5, 2.0),
    _cut("Normal", dist.Normal, (0.3, 1.7), st.norm(0.3, 1.7), 9.0, inf),
    _cut("Normal", dist.Normal, (0.3, 1.7), st.norm(0.3, 1.7), -inf, -8.0),
    _cut("Cauchy", dist.Cauchy, (0.0, 2.0), st.cauchy(0.0, 2.0), 0.0, inf),
    _cut("TDist", dist.StudentT, (3.5,), st.t(3.5), 0.0, inf),
    _cut("TDist", dist.StudentT, (3.5, 0.3, 1.7), st.t(3.5, 0.3, 1.7), -1.0, 4.0),
    _cut("Laplace", dist.Laplace, (0.3, 1.7), st.laplace(0.3, 1.7), -1.0, 4.0),
    _cut("Logistic", dist.Logistic, (0.3, 1.7), st.logistic(0.3, 1.7), 1.0, inf),
    _cut("Gumbel", dist.Gumbel, (0.3, 1.7), st.gumbel_r(0.3, 1.7), -1.0, 4.0),
    _cut("Uniform", dist.Uniform, (-0.3, 1.7), st.uniform(-0.3, 2.0), 0.0, 1.0),
    _cut("Exponential", dist.Exponential, (0.4,), st.expon(scale=2.5), 1.0, 6.0),
    _cut("Gamma", dist.Gamma, (2.5, 1.4), st.gamma(2.5, scale=1 / 1.4), 0.5, 3.0),
    _cut("Gamma", dist.Gamma, (2.5, 1.4), st.gamma(2.5, scale=1 / 1.4), -1.0, 3.0),
    _cut("InverseGamma", dist.InverseGamma, (2.5, 0.7), st.invgamma(2.5, scale=0.7), 0.1, 1.0),
    _cut("Chisq", dist.Chi2, (3.5,), st.chi2(3.5), 2.0, inf),
    _cut("LogNormal", dist.LogNormal, (0.3, 0.7), st.lognorm(0.7, scale=exp(0.3)), 0.5, 3.0),
    _cut("Weibull", dist.Weibull, (2.7, 1.5), st.weibull_min(1.5, scale=2.7), 1.0, 5.0),
    _cut("Pareto", dist.Pareto, (0.7, 2.5), st.pareto(2.5, scale=0.7), 1.0, 5.0),
    _cut("Beta", dist.Beta, (2.5, 0.7), st.beta(2.5, 0.7), 0.2, 0.8),
    _cut("HalfNormal", dist.HalfNormal, (1.7,), st.halfnorm(scale=1.7), 1.0, inf),
    _cut("HalfCauchy", dist.HalfCauchy, (1.7,), st.halfcauchy(scale=1.7), -inf, 5.0),
    _cut("SkewNormal", runtime.SkewNormal, (0.3, 1.7, 2.2), st.skewnorm(2.2, 0.3, 1.7), -0.5, 2.0),
    _cut("Poisson", dist.Poisson, (2.5,), st.poisson(2.5), 1, inf),
    _cut("Poisson", dist.Poisson, (2.5,), st.poisson(2.5), -inf, 4),
    _cut("LogPoisson", runtime.LogPoisson, (1.1,), st.poisson(exp(1.1)), 1, 5),
    _cut("Binomial", dist.Binomial, (7, 0.3), st.binom(7, 0.3), 1, 5),
    _cut("NegativeBinomial", runtime.negative_binomial, (2.5, 0.3), st.nbinom(2.5, 0.3), 1, 9),
    _cut("Geometric", dist.Geometric, (0.3,), st.geom(0.3, loc=-1), 2, 7),
    Case(
        "truncated LocationScale",
        lambda μ, σ: runtime.Truncated(runtime.LocationScale(μ, σ, dist.StudentT(torch.tensor(4.0).to(μ))), 0.0, 3.0),
        (0.3, 1.7),
        truncated(st.t(4.0, 0.3, 1.7), 0.0, 3.0),
    ),
    Case(
        "truncated twice",
        lambda μ, σ: runtime.Truncated(runtime.Truncated(dist.Normal(μ, σ), lower=0.0), upper=2.0),
        (0.3, 1.7),
        truncated(st.norm(0.3, 1.7), 0.0, 2.0),
    ),
]


def _clamped(name: str, build: Build, p: tuple[float, ...], frozen: Any, low: float, high: float) -> Case:
    """The distribution recorded at its bounds beyond them."""
    return Case(
        f"censored {name} [{low}, {high}]",
        lambda *q: runtime.Censored(build(*q), low, high),
        p,
        censored(frozen, low, high),
        discrete=True,  # atoms at the bounds
    )


CENSORED = [
    _clamped("Normal", dist.Normal, (0.3, 1.7), st.norm(0.3, 1.7), -0.5, 2.0),
    _clamped("Normal", dist.Normal, (0.3, 1.7), st.norm(0.3, 1.7), -inf, 0.0),
    _clamped("Weibull", dist.Weibull, (2.7, 1.5), st.weibull_min(1.5, scale=2.7), 1.0, 4.0),
    _clamped("Gamma", dist.Gamma, (2.5, 1.4), st.gamma(2.5, scale=1 / 1.4), 0.5, inf),
    _clamped("Poisson", dist.Poisson, (2.5,), st.poisson(2.5), 1, 4),
]

CASES = [*PYRO, *OURS, *TRUNCATED, *CENSORED]
