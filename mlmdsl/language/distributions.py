"""The distributions a spec may use, with Distributions.jl's names and parameters: one row each.

A row holds the parameters with their supports and ranks (0 a number, 1 a vector, 2 a matrix), the support and element of
a draw, the rank of one draw, and the Pyro form: a Python expression with `{0}`, `{1}` for the arguments.
`dist` is `pyro.distributions`; `runtime` is this project's own small library. Sources: the docs of Distributions.jl and
Turing.jl for names, parameters and defaults; densities are tested against SciPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

Support = Literal["real", "positive", "nonnegative", "unit", "count", "index", "simplex", "vector", "ordered", "matrix"]


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name in the docs, its support, its rank, and its default where it has one."""

    name: str
    support: Support = "real"
    rank: int = 0
    default: float | None = None


@dataclass(frozen=True)
class Family:
    """One distribution. `event` is the rank of one draw; `low`, `high` bound it; `upper_parameter` is the position of a
    parameter that bounds it; `no_method` are numbers of arguments that Distributions.jl has no constructor for."""

    name: str
    parameters: tuple[Parameter, ...]
    pyro: str
    element: Literal["real", "int"] = "real"
    event: int = 0
    low: float = -inf
    high: float = inf
    upper_parameter: int | None = None
    no_method: tuple[int, ...] = ()


def _p(name: str, support: Support = "real", default: float | None = None, rank: int = 0) -> Parameter:
    return Parameter(name, support, rank, default)


_LOCATION = _p("μ", "real", 0.0)
_SCALE = _p("σ", "positive", 1.0)


def _real() -> list[Family]:
    return [
        Family("Normal", (_LOCATION, _SCALE), "dist.Normal({0}, {1})"),
        Family("Cauchy", (_LOCATION, _SCALE), "dist.Cauchy({0}, {1})"),
        Family("TDist", (_p("ν", "positive"),), "dist.StudentT({0})"),
        Family("Laplace", (_LOCATION, _SCALE), "dist.Laplace({0}, {1})"),
        Family("Logistic", (_LOCATION, _SCALE), "dist.Logistic({0}, {1})"),
        Family("Gumbel", (_LOCATION, _SCALE), "dist.Gumbel({0}, {1})"),
        Family(
            "SkewNormal", (_LOCATION, _SCALE, _p("α", "real", 0.0)), "runtime.SkewNormal({0}, {1}, {2})", no_method=(2,)
        ),
        Family("Uniform", (_p("a", "real", 0.0), _p("b", "real", 1.0)), "dist.Uniform({0}, {1})", no_method=(1,)),
        Family("Flat", (), "runtime.Flat()"),
    ]


def _positive() -> list[Family]:
    shape, theta = _p("α", "positive", 1.0), _p("θ", "positive", 1.0)
    return [
        Family("Exponential", (theta,), "dist.Exponential(1 / {0})", low=0),
        Family("Gamma", (shape, theta), "dist.Gamma({0}, 1 / {1})", low=0),
        Family("InverseGamma", (shape, theta), "dist.InverseGamma({0}, {1})", low=0),
        Family("Chisq", (_p("ν", "positive"),), "dist.Chi2({0})", low=0),
        Family("LogNormal", (_LOCATION, _SCALE), "dist.LogNormal({0}, {1})", low=0),
        Family("Weibull", (shape, theta), "dist.Weibull({1}, {0})", low=0),
        Family("Pareto", (shape, theta), "dist.Pareto({1}, {0})", low=0),
        Family("FlatPos", (_p("l", "real", 0.0),), "runtime.FlatPos({0})"),
    ]


def _unit() -> list[Family]:
    a, b = _p("α", "positive", 1.0), _p("β", "positive", 1.0)
    return [
        Family("Beta", (a, b), "dist.Beta({0}, {1})", low=0, high=1),
        Family("Kumaraswamy", (_p("a", "positive", 1.0), _p("b", "positive", 1.0)), "dist.Kumaraswamy({0}, {1})", low=0, high=1),
        Family("LogitNormal", (_LOCATION, _SCALE), "runtime.LogitNormal({0}, {1})", low=0, high=1),
    ]  # fmt: skip


def _discrete() -> list[Family]:
    p = _p("p", "unit", 0.5)
    n = _p("n", "count", 1)
    return [
        Family("Poisson", (_p("λ", "nonnegative", 1.0),), "dist.Poisson({0})", "int", low=0),
        Family("LogPoisson", (_p("logλ"),), "runtime.LogPoisson({0})", "int", low=0),
        Family("Binomial", (n, p), "dist.Binomial({0}, {1})", "int", low=0, upper_parameter=0),
        Family("BinomialLogit", (n, _p("logitp")), "runtime.BinomialLogit({0}, {1})", "int", low=0, upper_parameter=0),
        Family("BetaBinomial", (_p("n", "count"), _p("α", "positive"), _p("β", "positive")),
               "runtime.BetaBinomial({0}, {1}, {2})", "int", low=0, upper_parameter=0),
        Family("NegativeBinomial", (_p("r", "positive", 1.0), p), "dist.NegativeBinomial({0}, 1 - {1})", "int", low=0),
        Family("Geometric", (p,), "dist.Geometric({0})", "int", low=0),
        Family("Bernoulli", (p,), "dist.Bernoulli({0})", "int", low=0, high=1),
        Family("BernoulliLogit", (_p("logitp"),), "dist.Bernoulli(logits={0})", "int", low=0, high=1),
        Family("Categorical", (_p("p", "simplex", rank=1),), "runtime.Categorical({0})", "int", low=1),
        Family("OrderedLogistic", (_p("η"), _p("cutpoints", "ordered", rank=1)), "runtime.OrderedLogistic({0}, {1})", "int", low=1),
        Family("DiscreteUniform", (_p("a", "real", 0), _p("b", "real", 1)), "runtime.DiscreteUniform({0}, {1})", "int"),
        Family("Dirac", (_p("x"),), "runtime.Dirac({0})", "int"),
    ]  # fmt: skip


def _arrays() -> list[Family]:
    mu = _p("μ", rank=1)
    sigma = _p("Σ", "matrix", rank=2)
    return [
        Family("MvNormal", (mu, sigma), "dist.MultivariateNormal({0}, covariance_matrix={1})", event=1),
        Family("MvNormalCanon", (_p("h", rank=1), _p("J", "matrix", rank=2)), "runtime.mv_normal_canonical({0}, {1})", event=1),
        Family("MvTDist", (_p("ν", "positive"), mu, sigma), "dist.MultivariateStudentT({0}, {1}, torch.linalg.cholesky({2}))", event=1),
        Family("Dirichlet", (_p("α", "positive", rank=1),), "dist.Dirichlet({0})", event=1, low=0, high=1),
        Family("LKJ", (_p("d", "count"), _p("η", "positive", 1.0)), "runtime.LKJ({0}, {1})", event=2, low=-1, high=1),
        Family("LKJCholesky", (_p("d", "count"), _p("η", "positive", 1.0)), "dist.LKJCholesky({0}, {1})", event=2, low=-1, high=1),
        Family("Wishart", (_p("ν", "positive"), sigma), "runtime.Wishart({0}, {1})", event=2),
        Family("InverseWishart", (_p("ν", "positive"), _p("Ψ", "matrix", rank=2)), "runtime.InverseWishart({0}, {1})", event=2),
        Family("Multinomial", (_p("n", "count"), _p("p", "simplex", rank=1)), "runtime.Multinomial({0}, {1})", "int", event=1, low=0),
    ]  # fmt: skip


DISTRIBUTIONS: dict[str, Family] = {
    row.name: row for rows in (_real(), _positive(), _unit(), _discrete(), _arrays()) for row in rows
}
"""Every distribution, by its name in Distributions.jl or Turing."""

COMBINATORS = frozenset({
    "truncated", "Truncated", "censored", "filldist", "arraydist", "product_distribution", "Product", "MixtureModel",
    "ordered", "transformed", "OrderedBijector", "LocationScale", "UnivariateMixture",
})  # fmt: skip
"""Names that make a distribution of distributions; their rules are in compiler/combinators.py."""

PARAMETER_BOUNDS: dict[str, tuple[float, float]] = {
    "real": (-inf, inf), "positive": (0, inf), "nonnegative": (0, inf), "unit": (0, 1), "count": (0, inf),
    "index": (1, inf), "simplex": (0, 1), "vector": (-inf, inf), "ordered": (-inf, inf), "matrix": (-inf, inf),
}  # fmt: skip
"""The bounds that a support sets to a parameter."""
