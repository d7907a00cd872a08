"""Spellings of Julia and its packages that mean what another spelling means: each by the density written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy import log
from scipy import stats

import mlmdsl
from tests.compiler.density import bound, log_density

norm = stats.norm.logpdf
y = np.array([0.3, -1.2, 0.8, 2.1])
g = np.array([1, 3, 1, 3])
X = np.array([[0.2, 1.0], [1.5, -0.4], [-0.3, 0.8], [0.9, 0.1]])


@dataclass(frozen=True)
class Case:
    """A model's body with data y, g, X; values of its parameters; the log density at these."""

    body: str
    values: dict[str, Any]
    density: float


μ, σ = 0.4, 1.3
b = np.array([[0.5, -0.2], [0.1, 0.9], [-0.7, 0.3]])
Σ = np.array([[1.0, 0.3], [0.3, 0.5]])
multinormal = stats.multivariate_normal([0.0, 0.0], Σ)
rows_density = float(sum(multinormal.logpdf(row) for row in b) + norm(y, b[g - 1, 0] + b[g - 1, 1] * y, 0.3).sum())
ROWS = """
    {made}
    for j in 1:3
        b[j] ~ MvNormal(zeros(2), [1.0 0.3; 0.3 0.5])
    end
    for i in eachindex(y)
        y[i] ~ Normal(b[g[i]][1] + b[g[i]][2] * y[i], 0.3)
    end"""

CASES = {
    "levels": Case("b ~ filldist(Normal(0, 1), length(levels(g)))\ny ~ Normal.(b[1], 1)", {}, 0.0),
    "Fill": Case("μ ~ Normal(0, 3)\ny ~ MvNormal(Fill(μ, length(y)), 0.04 * I)", {"μ": μ},
                 float(norm(μ, 0, 3) + norm(y, μ, 0.2).sum())),
    "Zeros and Ones": Case("μ ~ Normal(0, 3)\ny ~ MvNormal(Zeros(4) .+ μ .* Ones(4), Eye(4))", {"μ": μ},
                           float(norm(μ, 0, 3) + norm(y, μ, 1).sum())),
    "LazyArray of distributions": Case("μ ~ Normal(0, 3)\ny ~ arraydist(LazyArray(@~ Normal.(μ .+ y, 2)))",
                                       {"μ": μ}, float(norm(μ, 0, 3) + norm(y, μ + y, 2).sum())),
    "dotted operator": Case("b ~ Normal(0, 1)\nZ = hcat(map(.^, eachcol(repeat(y, 1, 3)), 1:3)...)\n"
                            "y ~ MvNormal(Z * [b, 1, 2], I)", {"b": 0.6},
                            float(norm(0.6) + norm(y, 0.6 * y + y**2 + 2 * y**3, 1).sum())),
    "operators by name": Case("b ~ Normal(0, 1)\nn = sum(map(≥, y, [0, 0, 1, 3])) + reduce(+, map(÷, [7, 9], [2, 4]))\n"
                              "y .~ Normal(b * n, 1)", {"b": 0.6}, float(norm(0.6) + norm(y, 0.6 * (1 + 5), 1).sum())),
    "vector of vectors": Case(ROWS.format(made="b = Vector{Vector{Real}}(undef, 3)"), {"b": b}, rows_density),
    "vector of vectors, bare": Case(ROWS.format(made="b = Vector{Vector}(undef, 3)"), {"b": b}, rows_density),
    "vector of vectors, made": Case(ROWS.format(made="b = [zeros(2) for j in 1:3]"), {"b": b}, rows_density),
    "vector of vectors, stored": Case(
        "μ ~ Normal(0, 3)\nb = Vector{Vector{Float64}}(undef, 4)\nfor i in 1:4\nb[i] = [μ, y[i]]\nend\n"
        "for i in 1:4\ny[i] ~ Normal(b[i][1] + b[i][2], 1)\nend", {"μ": μ},
        float(norm(μ, 0, 3) + norm(y, μ + y, 1).sum())),
    "vector of vectors, carried": Case(
        "μ ~ Normal(0, 3)\nb = Vector{Vector{Float64}}(undef, 4)\nb[1] = [μ, 1.0]\nfor i in 2:4\n"
        "b[i] = b[i-1] .+ [1.0, y[i]]\nend\nfor i in 1:4\ny[i] ~ Normal(b[i][1] * b[i][2], 1)\nend", {"μ": μ},
        float(norm(μ, 0, 3) + norm(y, (μ + np.arange(4)) * (1 + np.cumsum([0, *y[1:]])), 1).sum())),
    "Array undef": Case("μ ~ Normal(0, 3)\nm = Array{Float64}(undef, 4)\nfor i in 1:4\nm[i] = μ * i\nend\n"
                        "y ~ MvNormal(m, I)", {"μ": μ}, float(norm(μ, 0, 3) + norm(y, μ * np.arange(1, 5), 1).sum())),
    "similar": Case("μ ~ Normal(0, 3)\nm = similar(y)\nfor i in 1:4\nm[i] = μ * i\nend\ny ~ MvNormal(m, I)",
                    {"μ": μ}, float(norm(μ, 0, 3) + norm(y, μ * np.arange(1, 5), 1).sum())),
    "unique in order": Case("μ ~ Normal(0, 3)\nu = unique([3, 1, 2, 3])\nv = unique(g)\n"
                            "y .~ Normal(μ * u[1] + v[2], 1)", {"μ": μ},
                            float(norm(μ, 0, 3) + norm(y, 3 * μ + 3, 1).sum())),
    "cdf": Case("μ ~ Normal(0, 3)\nfor i in 1:4\n@addlogprob! log(cdf(Normal(μ, 1), y[i] + 1) - cdf(Normal(μ, 1), y[i]))\n"
                "end", {"μ": μ}, float(norm(μ, 0, 3) + log(stats.norm.cdf(y + 1, μ) - stats.norm.cdf(y, μ)).sum())),
    "logccdf": Case("μ ~ Normal(0, 3)\n@addlogprob! sum(logccdf.(Weibull(2, 3), exp.(y))) + sum(logcdf.(Normal.(μ .* y, 1), y))",
                    {"μ": μ}, float(norm(μ, 0, 3) + stats.weibull_min.logsf(np.exp(y), 2, scale=3).sum()
                                    + stats.norm.logcdf(y, μ * y, 1).sum())),
    "pdf and quantile": Case("μ ~ Normal(0, 3)\n@addlogprob! pdf(Cauchy(μ, 1), 2.0) + ccdf(Normal(μ, 2), 1) + quantile(Gumbel(μ, 2), 0.7)\n"
                             "y ~ MvNormal(quantile.(Normal.(μ .+ y, 2), 0.3), I)", {"μ": μ},
                             float(norm(μ, 0, 3) + stats.cauchy.pdf(2, μ) + stats.norm.sf(1, μ, 2) + stats.gumbel_r.ppf(0.7, μ, 2)
                                   + norm(y, stats.norm.ppf(0.3, μ + y, 2), 1).sum())),
}  # fmt: skip
CASES["levels"] = Case(
    "b ~ filldist(Normal(0, 1), length(levels(g)))\ny .~ Normal(b[2], 1)",
    {"b": b[0, :]},
    float(norm(b[0]).sum() + norm(y, b[0, 1], 1).sum()),
)


@pytest.mark.parametrize("name", CASES)
def test_spelling_has_the_density_written_by_hand(name: str) -> None:
    case = CASES[name]
    text = f"@model function m(y, g, X)\n{case.body}\nend"
    mlmdsl.parse(text).check()
    assert log_density(bound(text, y=y, g=g, X=X), case.values) == pytest.approx(case.density, rel=1e-10)


QUANTILES = [
    ("Normal(0.3, 1.2)", stats.norm(0.3, 1.2)),
    ("Cauchy(0.3, 1.2)", stats.cauchy(0.3, 1.2)),
    ("Laplace(0.3, 1.2)", stats.laplace(0.3, 1.2)),
    ("Logistic(0.3, 1.2)", stats.logistic(0.3, 1.2)),
    ("Gumbel(0.3, 1.2)", stats.gumbel_r(0.3, 1.2)),
    ("Uniform(0.3, 1.2)", stats.uniform(0.3, 0.9)),
    ("Exponential(1.2)", stats.expon(scale=1.2)),
    ("LogNormal(0.3, 1.2)", stats.lognorm(1.2, scale=np.exp(0.3))),
    ("Weibull(1.7, 1.2)", stats.weibull_min(1.7, scale=1.2)),
    ("Pareto(1.7, 1.2)", stats.pareto(1.7, scale=1.2)),
]


@pytest.mark.parametrize(("written", "reference"), QUANTILES, ids=[row[0] for row in QUANTILES])
def test_quantile_of_a_distribution(written: str, reference: Any) -> None:
    text = f"@model function m(p)\na ~ Normal(0, 1)\n@addlogprob! sum(quantile.({written}, p))\nend"
    p = np.array([0.05, 0.4, 0.9])
    expected = float(norm(0.0) + reference.ppf(p).sum())
    assert log_density(bound(text, p=p), {"a": 0.0}) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("u ~ to_submodel(priors(3))", "`to_submodel`: a model inside a model is not supported"),
        ("q ~ truncated(FlatPos(0); lower=1)", "`FlatPos` has no distribution function: it cannot be cut"),
        ("@addlogprob! cdf(Flat(), 1.0)", "`Flat` has no distribution function"),
        ("@addlogprob! cdf(MvNormal(zeros(2), I), 1.0)", "cdf is of a distribution of one number"),
        ("@addlogprob! cdf(Normal(0, 1), y)", "write `cdf.(d, x)`"),
        ("@addlogprob! quantile(Gamma(2, 1), 0.5)", "found `Gamma`"),
        ("@addlogprob! cdf(y, 1.0)", "cdf takes a distribution first, found a vector"),
        ("z = map(^, [1.0], [2.0], [3.0])", "`^` takes two values, found 3"),
        ("b = Vector{Vector{Real}}(undef, 3)\nb[1, 2] = 0.5", "it takes one index, found 2"),
        ("b = Vector{Vector{Real}}(undef, 3)\nb[1] = 0.5", "what is stored is no vector"),
        ("b = Vector{Vector{Real}}(3)", "write `Vector{Vector{Float64}}(undef, n)`"),
        ("b = Vector{Vector{Real}}(undef, 2)\nb[1] = [1.0]\nb[2] = [1.0, 2.0]", "length"),
    ],
)
def test_what_is_refused_is_refused_at_its_place(statement: str, words: str) -> None:
    text = f"@model function m(y)\n{statement}\ny .~ Normal(0, 1)\nend"
    with pytest.raises(mlmdsl.SpecError) as caught:
        mlmdsl.parse(text).bind(y=y)
    assert words in str(caught.value)
    assert all(found.span is not None for found in caught.value.diagnostics)
