"""Every distribution of the language, in every place it can stand, against SciPy.

A row is the spec's text with `{0}`, `{1}` for the parameters, three settings of these, and SciPy's distribution for one
setting. Each row is tested at three quantiles as prior of a number, under filldist, in arraydist, broadcast, and in loops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit, logit

from tests.compiler.density import bound, log_density

Floats = NDArray[np.float64]

ROUNDING = 1e-10
"""Both sides are float64; SciPy's own error is the larger one."""


@dataclass(frozen=True)
class Own:
    """A distribution that SciPy lacks."""

    logpdf: Callable[[Any], Any]
    ppf: Callable[[Any], Any]


@dataclass(frozen=True)
class Row:
    """One distribution."""

    text: str
    settings: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
    scipy: Callable[..., Any]

    @property
    def name(self) -> str:
        return self.text.partition("(")[0]


def kumaraswamy(a: float, b: float) -> Own:
    return Own(
        lambda x: np.log(a * b) + (a - 1) * np.log(x) + (b - 1) * np.log1p(-(x**a)),
        lambda q: (1 - (1 - np.asarray(q)) ** (1 / b)) ** (1 / a),
    )


def logit_normal(mu: float, sigma: float) -> Own:
    return Own(
        lambda x: stats.norm(mu, sigma).logpdf(logit(x)) - np.log(x * (1 - x)),
        lambda q: expit(stats.norm(mu, sigma).ppf(q)),
    )


def flat(*_: float) -> Own:
    return Own(lambda x: np.zeros_like(x, dtype=float), lambda q: 3 + np.asarray(q))


ROWS = [
    Row("Normal({0}, {1})", ((0.5, 1.2), (-1.0, 0.7), (2.0, 3.0)), stats.norm),
    Row("Cauchy({0}, {1})", ((0.5, 1.2), (-1.0, 0.7), (2.0, 3.0)), stats.cauchy),
    Row("TDist({0})", ((3.0,), (1.5,), (20.0,)), stats.t),
    Row("Laplace({0}, {1})", ((0.5, 1.2), (-1.0, 0.7), (2.0, 3.0)), stats.laplace),
    Row("Logistic({0}, {1})", ((0.5, 1.2), (-1.0, 0.7), (2.0, 3.0)), stats.logistic),
    Row("Gumbel({0}, {1})", ((0.5, 1.2), (-1.0, 0.7), (2.0, 3.0)), stats.gumbel_r),
    Row("SkewNormal({0}, {1}, {2})", ((0.5, 1.2, 2.0), (-1.0, 0.7, -3.0), (2.0, 3.0, 0.0)),
        lambda m, s, a: stats.skewnorm(a, m, s)),
    Row("Uniform({0}, {1})", ((0.5, 1.2), (-1.0, 0.7), (2.0, 3.0)), lambda a, b: stats.uniform(a, b - a)),
    Row("Flat()", ((), (), ()), flat),
    Row("Exponential({0})", ((0.5,), (2.0,), (7.0,)), lambda s: stats.expon(scale=s)),
    Row("Gamma({0}, {1})", ((2.0, 1.5), (0.7, 0.3), (9.0, 2.0)), lambda a, s: stats.gamma(a, scale=s)),
    Row("InverseGamma({0}, {1})", ((2.0, 1.5), (0.7, 0.3), (9.0, 2.0)), lambda a, s: stats.invgamma(a, scale=s)),
    Row("Chisq({0})", ((3.0,), (1.5,), (20.0,)), stats.chi2),
    Row("LogNormal({0}, {1})", ((0.5, 1.2), (-1.0, 0.7), (2.0, 3.0)), lambda m, s: stats.lognorm(s, scale=np.exp(m))),
    Row("Weibull({0}, {1})", ((2.0, 1.5), (0.7, 0.3), (9.0, 2.0)), lambda a, s: stats.weibull_min(a, scale=s)),
    Row("Pareto({0}, {1})", ((2.0, 1.5), (0.7, 0.3), (9.0, 2.0)), lambda a, s: stats.pareto(a, scale=s)),
    Row("FlatPos({0})", ((0.5,), (0.0,), (1.5,)), flat),
    Row("Beta({0}, {1})", ((2.0, 1.5), (0.7, 0.3), (9.0, 2.0)), stats.beta),
    Row("Kumaraswamy({0}, {1})", ((2.0, 1.5), (0.7, 0.3), (9.0, 2.0)), kumaraswamy),
    Row("LogitNormal({0}, {1})", ((0.5, 1.2), (-1.0, 0.7), (2.0, 3.0)), logit_normal),
    Row("Poisson({0})", ((0.5,), (2.0,), (30.0,)), stats.poisson),
    Row("LogPoisson({0})", ((0.5,), (-0.5,), (3.0,)), lambda x: stats.poisson(np.exp(x))),
    Row("Binomial({0}, {1})", ((5, 0.3), (9, 0.5), (20, 0.9)), stats.binom),
    Row("BinomialLogit({0}, {1})", ((5, 0.3), (9, -0.5), (20, 2.0)), lambda n, x: stats.binom(n, expit(x))),
    Row("BetaBinomial({0}, {1}, {2})", ((5, 0.3, 2.0), (9, 4.0, 1.5), (20, 1.0, 1.0)), stats.betabinom),
    Row("NegativeBinomial({0}, {1})", ((2.5, 0.3), (9.0, 0.5), (0.5, 0.1)), stats.nbinom),
    Row("Geometric({0})", ((0.3,), (0.5,), (0.05,)), lambda p: stats.nbinom(1, p)),
    Row("Bernoulli({0})", ((0.3,), (0.5,), (0.9,)), stats.bernoulli),
    Row("BernoulliLogit({0})", ((0.3,), (-0.5,), (2.0,)), lambda x: stats.bernoulli(expit(x))),
    Row("DiscreteUniform({0}, {1})", ((1, 6), (-2, 5), (0, 1)), lambda a, b: stats.randint(a, b + 1)),
]  # fmt: skip
IDS = [row.name for row in ROWS]
QUANTILES = (0.25, 0.6, 0.9)


def density(distribution: Any, value: Any) -> float:
    """The sum of SciPy's log densities."""
    return float(
        np.sum(
            getattr(
                distribution,
                "logpmf" if hasattr(distribution, "pmf") and hasattr(distribution.dist, "pmf") else "logpdf",
            )(value)
        )
    )


def points(row: Row) -> tuple[list[Any], Floats, float]:
    """SciPy's distributions of the three settings, a value of each, and the sum of the log densities there."""
    each = [row.scipy(*setting) for setting in row.settings]
    values = np.array([float(one.ppf(q)) for one, q in zip(each, QUANTILES, strict=True)])
    return each, values, sum(density(one, value) for one, value in zip(each, values, strict=True))


def literal(row: Row, setting: Sequence[float]) -> str:
    return row.text.format(*setting)


def indexed(row: Row) -> str:
    """With the i-th of each parameter."""
    return row.text.format(*(f"p{k}[i]" for k in range(len(row.settings[0]))))


def broadcast(row: Row) -> str:
    """With vectors, dotted."""
    return row.text.format(*(f"p{k}" for k in range(len(row.settings[0])))).replace("(", ".(", 1)


def parameters(row: Row) -> dict[str, Floats]:
    return {f"p{k}": np.array(column) for k, column in enumerate(zip(*row.settings, strict=True))}


def model(row: Row, body: str, **data: Any) -> Any:
    """A bound model whose arguments are the row's parameters and `data`."""
    given = {**parameters(row), **data} or {"unused": 1.0}
    return bound(f"@model function m({', '.join(given)})\n{body}\nend", **given)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_prior_of_a_number(row: Row) -> None:
    each, values, _ = points(row)
    for setting, one, value in zip(row.settings, each, values, strict=True):
        assert log_density(model(row, f"x ~ {literal(row, setting)}"), {"x": value}) == pytest.approx(
            density(one, value), rel=ROUNDING
        )


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_filldist(row: Row) -> None:
    first = points(row)[0][0]
    values = first.ppf(np.array([QUANTILES, (0.1, 0.5, 0.7)]))
    vector = model(row, f"x ~ filldist({literal(row, row.settings[0])}, 3)")
    assert log_density(vector, {"x": values[0]}) == pytest.approx(density(first, values[0]), rel=ROUNDING)
    matrix = model(row, f"x ~ filldist({literal(row, row.settings[0])}, 2, 3)")
    assert log_density(matrix, {"x": values}) == pytest.approx(density(first, values), rel=ROUNDING)


LATENT = {
    "comprehension": "x ~ arraydist([{indexed} for i in 1:3])",
    "written out": "x ~ arraydist([{first}, {second}, {third}])",
    "vararg": "x ~ product_distribution({first}, {second}, {third})",
    "loop": "x = Vector{{Float64}}(undef, 3)\nfor i in 1:3\nx[i] ~ {indexed}\nend",
    "elements": "x = zeros(3)\nx[1] ~ {first}\nx[2] ~ {second}\nx[3] ~ {third}",
}
DOTTED = {
    "arraydist": "x ~ arraydist({broadcast})",
    "product_distribution": "x ~ product_distribution({broadcast})",
    "Product": "x ~ Product({broadcast})",
    "dotted tilde": "x .~ {broadcast}",
}
OBSERVED = {
    "comprehension": "y ~ arraydist([{indexed} for i in eachindex(y)])",
    "loop": "for i in eachindex(y)\ny[i] ~ {indexed}\nend",
    "length loop": "for i in 1:length(y)\ny[i] ~ {indexed}\nend",
}
OBSERVED_DOTTED = {"arraydist": "y ~ arraydist({broadcast})", "dotted tilde": "y .~ {broadcast}"}


def body(row: Row, template: str) -> str:
    first, second, third = (literal(row, setting) for setting in row.settings)
    return template.format(indexed=indexed(row), broadcast=broadcast(row), first=first, second=second, third=third)


def latent_values(row: Row, template: str, values: Floats) -> dict[str, Any]:
    sites = {f"x[{k + 1}]": value for k, value in enumerate(values)}
    return sites if template == LATENT["elements"] else {"x": values}


@pytest.mark.parametrize("place", [*LATENT, *DOTTED])
@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_latent_arrays(row: Row, place: str) -> None:
    _, values, expected = points(row)
    template = {**LATENT, **DOTTED}[place]
    if place in DOTTED and not row.settings[0]:
        template = "x ~ arraydist(fill({first}, 3))"
    drawn = model(row, body(row, template))
    assert log_density(drawn, latent_values(row, template, values)) == pytest.approx(expected, rel=ROUNDING)


@pytest.mark.parametrize("place", [*OBSERVED, *OBSERVED_DOTTED])
@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_observed_arrays(row: Row, place: str) -> None:
    _, values, expected = points(row)
    template = {**OBSERVED, **OBSERVED_DOTTED}[place]
    if place in OBSERVED_DOTTED and not row.settings[0]:
        template = "y .~ {first}"
    observed = model(row, body(row, template), y=values)
    assert log_density(observed, {}) == pytest.approx(expected, rel=ROUNDING)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_one_distribution_for_all_observations(row: Row) -> None:
    first = points(row)[0][0]
    values = first.ppf(np.array([0.3, 0.5, 0.8, 0.6]))
    text = f"y .~ {literal(row, row.settings[0])}"
    assert log_density(model(row, text, y=values), {}) == pytest.approx(density(first, values), rel=ROUNDING)
    text = f"y ~ filldist({literal(row, row.settings[0])}, length(y))"
    assert log_density(model(row, text, y=values), {}) == pytest.approx(density(first, values), rel=ROUNDING)


# ── defaults ─────────────────────────────────────────────────────────────────────────────────────────────────────────

DEFAULTS = {
    "Normal()": stats.norm(),
    "Normal(2)": stats.norm(2),
    "Cauchy()": stats.cauchy(),
    "Cauchy(1)": stats.cauchy(1),
    "Laplace()": stats.laplace(),
    "Logistic()": stats.logistic(),
    "Gumbel()": stats.gumbel_r(),
    "SkewNormal()": stats.norm(),
    "SkewNormal(2)": stats.skewnorm(2),
    "Uniform()": stats.uniform(),
    "Exponential()": stats.expon(),
    "Gamma()": stats.gamma(1),
    "Gamma(2)": stats.gamma(2),
    "InverseGamma()": stats.invgamma(1),
    "InverseGamma(2)": stats.invgamma(2),
    "LogNormal()": stats.lognorm(1),
    "LogNormal(1)": stats.lognorm(1, scale=np.e),
    "Weibull()": stats.weibull_min(1),
    "Weibull(2)": stats.weibull_min(2),
    "Pareto()": stats.pareto(1),
    "Pareto(2)": stats.pareto(2),
    "Beta()": stats.beta(1, 1),
    "Beta(2)": stats.beta(2, 2),
    "Kumaraswamy()": stats.uniform(),
    "LogitNormal()": logit_normal(0, 1),
    "LogitNormal(1)": logit_normal(1, 1),
    "Poisson()": stats.poisson(1),
    "Binomial()": stats.binom(1, 0.5),
    "Binomial(5)": stats.binom(5, 0.5),
    "NegativeBinomial()": stats.nbinom(1, 0.5),
    "NegativeBinomial(3)": stats.nbinom(3, 0.5),
    "Geometric()": stats.nbinom(1, 0.5),
    "Bernoulli()": stats.bernoulli(0.5),
    "DiscreteUniform()": stats.randint(0, 2),
    "DiscreteUniform(4)": stats.randint(0, 5),
    "Categorical(4)": stats.randint(1, 5),
}


@pytest.mark.parametrize("text", DEFAULTS)
def test_defaults(text: str) -> None:
    value = DEFAULTS[text].ppf(0.7)
    drawn = bound(f"@model function m(unused)\nx ~ {text}\nend", unused=1.0)
    assert log_density(drawn, {"x": value}) == pytest.approx(density(DEFAULTS[text], value), rel=ROUNDING)


# ── distributions with vectors ───────────────────────────────────────────────────────────────────────────────────────

P = (0.2, 0.5, 0.3)
CUTS = (-0.5, 1.5)


def ordered_logistic(k: int, eta: float, cuts: Sequence[float]) -> float:
    """log P(k) with P(y ≤ k) = logistic(cₖ − η)."""
    below = [0.0, *expit(np.array(cuts) - eta), 1.0]
    return float(np.log(below[k] - below[k - 1]))


def softmax(x: Any) -> Floats:
    return np.asarray(np.exp(x) / np.exp(x).sum(-1, keepdims=True))


K = np.array([3, 1, 2])
ETA = np.array([0.3, -1.0, 2.0])
SCORES = np.array([[0.1, 2.0, -1.0], [0.0, 0.5, 1.0], [-2.0, 0.3, 0.4]])
ORDERED = sum(ordered_logistic(k, eta, CUTS) for k, eta in zip(K, ETA, strict=True))
SOFTMAX = float(np.log(softmax(SCORES)[np.arange(3), K - 1]).sum())
NORMAL_CUTS = float(stats.norm(0, 2).logpdf(CUTS).sum())

VECTORS: dict[str, tuple[str, dict[str, Any], float]] = {
    "Categorical": ("x ~ Categorical([0.2, 0.5, 0.3])", {"x": 2}, np.log(0.5)),
    "Categorical under filldist": ("x ~ filldist(Categorical([0.2, 0.5, 0.3]), 3)", {"x": K}, np.log(np.prod(P))),
    "Categorical, all rows": ("y .~ Categorical([0.2, 0.5, 0.3])", {}, np.log(np.prod(P))),
    "Categorical of softmax": ("for i in 1:3\ny[i] ~ Categorical(softmax(S[i, :]))\nend", {}, SOFTMAX),
    "Categorical of rows": ("y ~ arraydist([Categorical(softmax(S[i, :])) for i in 1:3])", {}, SOFTMAX),
    "Categorical of columns": ("T = S'\nfor i in 1:3\ny[i] ~ Categorical(softmax(T[:, i]))\nend", {}, SOFTMAX),
    "OrderedLogistic": ("x ~ OrderedLogistic(0.3, [-0.5, 1.5])", {"x": 3}, ordered_logistic(3, 0.3, CUTS)),
    "OrderedLogistic in a loop": (
        "c ~ Bijectors.ordered(filldist(Normal(0, 2), 2))\nfor i in eachindex(y)\ny[i] ~ OrderedLogistic(η[i], c)\nend",
        {"c": CUTS},
        NORMAL_CUTS + ORDERED,
    ),
    "OrderedLogistic in arraydist": (
        "c ~ ordered(filldist(Normal(0, 2), 2))\ny ~ arraydist([OrderedLogistic(η[i], c) for i in 1:3])",
        {"c": CUTS},
        NORMAL_CUTS + ORDERED,
    ),
    "Dirichlet": ("x ~ Dirichlet([1.0, 2.0, 3.0])", {"x": P}, stats.dirichlet([1, 2, 3]).logpdf(P)),
    "Dirichlet of a size": ("x ~ Dirichlet(3, 1.5)", {"x": P}, stats.dirichlet([1.5] * 3).logpdf(P)),
    "Multinomial": ("x ~ Multinomial(5, [0.2, 0.5, 0.3])", {"x": [1, 3, 1]}, stats.multinomial(5, P).logpmf([1, 3, 1])),
    "Multinomial of a size": ("x ~ Multinomial(5, 3)", {"x": [1, 3, 1]}, stats.multinomial(5, [1 / 3] * 3).logpmf([1, 3, 1])),
    "Dirac": ("x ~ Dirac(2)", {"x": 2}, 0.0),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_vector_parameters(name: str) -> None:
    text, values, expected = VECTORS[name]
    drawn = bound(f"@model function m(y, η, S)\n{text}\nend", y=K, η=ETA, S=SCORES)
    assert log_density(drawn, values) == pytest.approx(expected, rel=ROUNDING)
