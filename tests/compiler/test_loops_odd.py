"""Loops and indices as people write them at their oddest: each density against one by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special, stats

import mlmdsl
from tests.compiler.density import bound, log_density

Y = np.array([0.4, -1.2, 2.5, 0.9])
X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])


def n(x: Any, m: Any = 0.0, s: Any = 1.0) -> float:
    """The summed normal log density."""
    return float(np.sum(stats.norm.logpdf(x, m, s)))


def covariance() -> float:
    """The first variance after four steps of a linear filter."""
    move, state = np.array([[0.5, 0.3], [0.0, 0.3]]), np.eye(2)
    for _ in range(4):
        state = move @ state @ move.T + np.eye(2)
    return float(state[0, 0])


def case(name: str, lines: list[str], values: dict[str, Any], wanted: float) -> Any:
    """A model of y and X, values of what it draws, its log density there."""
    return pytest.param("\n".join(["@model function m(y, X)", *lines, "end"]), values, float(wanted), id=name)


CASES = [
    case(
        "seq inside vec",
        [
            "a ~ Normal()",
            "for i in 1:4",
            "h = 0.0",
            "for k in 1:2",
            "h = 0.5h + X[i,k]*a",
            "end",
            "y[i] ~ Normal(h,1)",
            "end",
        ],
        {"a": 0.3},
        n(0.3) + n(Y, 0.3 * (0.5 * X[:, 0] + X[:, 1])),
    ),
    case(
        "ragged",
        ["a ~ Normal()", "for i in 1:4", "for k in 1:i", "@addlogprob! -a*y[k]", "end", "end"],
        {"a": 0.3},
        n(0.3) - 0.3 * sum(Y[:i].sum() for i in range(1, 5)),
    ),
    case(
        "filter gen",
        ["a ~ Normal()", "s = sum(y[i]*a for i in 1:4 if y[i] > 0)", "y ~ filldist(Normal(s,1),4)"],
        {"a": 0.3},
        n(0.3) + n(Y, 0.3 * 3.8),
    ),
    case(
        "while-like",
        ["a ~ Normal()", "s = a", "for _ in 1:3", "s = s^2 + 0.1", "end", "y ~ filldist(Normal(s,1),4)"],
        {"a": 0.3},
        n(0.3) + n(Y, ((0.09 + 0.1) ** 2 + 0.1) ** 2 + 0.1),
    ),
    case(
        "underscore names",
        ["a ~ Normal()", "for (_, v) in enumerate(y)", "@addlogprob! -a*v", "end"],
        {"a": 0.3},
        n(0.3) - 0.3 * Y.sum(),
    ),
    case(
        "loop over tuple of ranges",
        ["β ~ filldist(Normal(),4)", "for r in (1:2, 3:4)", "y[r] ~ MvNormal(β[r], I)", "end"],
        {"β": Y * 0.5},
        n(Y * 0.5) + n(Y, Y * 0.5),
    ),
    case(
        "push", ["a ~ Normal()", "μ = [a * v for v in y]", "y .~ Normal.(μ, 1.0)"], {"a": 0.3}, n(0.3) + n(Y, 0.3 * Y)
    ),
    case(
        "nested comp vec",
        [
            "B ~ filldist(Normal(),2,3)",
            "μ = [sum(X[i,k]*B[k,j] for k in 1:2) for i in 1:4, j in 1:3]",
            "y ~ MvNormal(vec(sum(μ; dims=2)), I)",
        ],
        {"B": np.arange(6.0).reshape(2, 3) / 10},
        n(np.arange(6) / 10) + n(Y, (X @ (np.arange(6.0).reshape(2, 3) / 10)).sum(1)),
    ),
    case(
        "matrix of groups",
        ["α ~ filldist(Normal(),2,2)", "for i in 1:4", "y[i] ~ Normal(α[Int(X[i,1] > 2) + 1, 1], 1)", "end"],
        {"α": np.array([[0.1, 0.2], [0.3, 0.4]])},
        n([0.1, 0.2, 0.3, 0.4]) + n(Y, [0.1, 0.3, 0.3, 0.3]),
    ),
    case(
        "scan matrices",
        [
            "a ~ Normal()",
            "P = [1.0 0.0; 0.0 1.0]",
            "A = [0.5 a; 0.0 0.3]",
            "for t in 1:4",
            "P = A * P * A' + I",
            "end",
            "y ~ filldist(Normal(P[1,1],1),4)",
        ],
        {"a": 0.3},
        n(0.3) + n(Y, covariance()),
    ),
    case(
        "kalman",
        [
            "q ~ Exponential(1)",
            "m = 0.0",
            "P = 1.0",
            "for t in eachindex(y)",
            "P = P + q",
            "S = P + 1",
            "y[t] ~ Normal(m, sqrt(S))",
            "K = P / S",
            "m = m + K*(y[t]-m)",
            "P = (1-K)*P",
            "end",
        ],
        {"q": 0.5},
        float(stats.expon.logpdf(0.5))
        + stats.multivariate_normal.logpdf(
            Y,
            np.zeros(4),
            np.ones((4, 4)) + 0.5 * np.array([[min(i, j) + 1 for i in range(4)] for j in range(4)]) + np.eye(4),
        ),
    ),
    case(
        "vec of vec",
        ["a ~ filldist(Normal(),2)", "v = [a .* i for i in 1:4]", "for i in 1:4", "y[i] ~ Normal(sum(v[i]),1)", "end"],
        {"a": np.array([0.1, 0.2])},
        n([0.1, 0.2]) + n(Y, 0.3 * np.arange(1, 5)),
    ),
    case(
        "carry vector",
        [
            "a ~ Normal()",
            "s = zeros(2)",
            "for i in 1:4",
            "s = 0.5 * s + a * X[i, :]",
            "end",
            "y ~ filldist(Normal(s[1],1),4)",
        ],
        {"a": 0.3},
        n(0.3) + n(Y, 0.3 * (1 * 0.125 + 3 * 0.25 + 5 * 0.5 + 7)),
    ),
    case(
        "latent vec in seq",
        [
            "σ ~ Exponential(1)",
            "h = Vector{Float64}(undef,4)",
            "h[1] ~ Normal(0,σ)",
            "for t in 2:4",
            "v = 0.9 * h[t-1]",
            "h[t] ~ Normal(v, σ)",
            "end",
            "for t in 1:4",
            "y[t] ~ Normal(h[t],1)",
            "end",
        ],
        {"σ": 0.5, "h[1]": 0.1, "h[2]": 0.2, "h[3]": 0.3, "h[4]": 0.4},
        float(stats.expon.logpdf(0.5))
        + n([0.1, 0.2, 0.3, 0.4], [0, 0.09, 0.18, 0.27], 0.5)
        + n(Y, [0.1, 0.2, 0.3, 0.4]),
    ),
    case(
        "arr latent groups",
        [
            "σ ~ Exponential(1)",
            "z = Matrix{Float64}(undef,4,2)",
            "for k in 1:2",
            "for i in 1:4",
            "z[i,k] ~ Normal(k,σ)",
            "end",
            "end",
            "y ~ MvNormal(z[:,1].+z[:,2],I)",
        ],
        {"σ": 0.5, "z": X / 5},
        float(stats.expon.logpdf(0.5)) + n(X / 5, np.array([[1, 2]]), 0.5) + n(Y, (X / 5).sum(1)),
    ),
    case(
        "min in loop",
        ["a ~ Normal()", "for i in 1:4", "k = min(i, 3)", "y[i] ~ Normal(a*y[k],1)", "end"],
        {"a": 0.3},
        n(0.3) + n(Y, 0.3 * Y[[0, 1, 2, 2]]),
    ),
    case(
        "1:length÷2",
        ["a ~ Normal()", "for i in 1:length(y)÷2", "y[2i] ~ Normal(a,1)", "end"],
        {"a": 0.3},
        n(0.3) + n(Y[1::2], 0.3),
    ),
    case("for =", ["a ~ Normal()", "for i = 1:4", "y[i] ~ Normal(a,1)", "end"], {"a": 0.3}, n(0.3) + n(Y, 0.3)),
    case("for ∈", ["a ~ Normal()", "for i ∈ 1:4", "y[i] ~ Normal(a,1)", "end"], {"a": 0.3}, n(0.3) + n(Y, 0.3)),
    case(
        "accum vec",
        ["a ~ Normal()", "s = zeros(2)", "for i in 1:4", "s += a * X[i,:]", "end", "y ~ filldist(Normal(s[2],1),4)"],
        {"a": 0.3},
        n(0.3) + n(Y, 0.3 * 20),
    ),
    case(
        "accum vec .+=",
        ["a ~ Normal()", "s = zeros(2)", "for i in 1:4", "s .+= a .* X[i,:]", "end", "y ~ filldist(Normal(s[2],1),4)"],
        {"a": 0.3},
        n(0.3) + n(Y, 0.3 * 20),
    ),
    case(
        "scatter",
        [
            "a ~ Normal()",
            "idx = [1,2,1,2]",
            "s = zeros(2)",
            "for i in 1:4",
            "s[idx[i]] += a * y[i]",
            "end",
            "y ~ filldist(Normal(s[1],1),4)",
        ],
        {"a": 0.3},
        n(0.3) + n(Y, 0.3 * 2.9),
    ),
    case(
        "prodacc",
        ["a ~ Normal()", "p = 1.0", "for i in 1:4", "p *= a", "end", "y ~ filldist(Normal(p,1),4)"],
        {"a": 0.3},
        n(0.3) + n(Y, 0.3**4),
    ),
    case(
        "stick breaking",
        [
            "v ~ filldist(Beta(1,2),3)",
            "w = zeros(4)",
            "r = 1.0",
            "for k in 1:3",
            "w[k] = v[k]*r",
            "r *= 1 - v[k]",
            "end",
            "w[4] = r",
            "for i in 1:4",
            "y[i] ~ MixtureModel([Normal(k,1) for k in 1:4], w)",
            "end",
        ],
        {"v": np.array([0.2, 0.3, 0.4])},
        stats.beta.logpdf([0.2, 0.3, 0.4], 1, 2).sum()
        + special.logsumexp(
            stats.norm.logpdf(Y[:, None], np.arange(1, 5)) + np.log([0.2, 0.24, 0.224, 0.336]), axis=1
        ).sum(),
    ),
    case("masked obs", ["a ~ Normal()", "y[y .> 0] .~ Normal(a,1)"], {"a": 0.3}, n(0.3) + n(Y[Y > 0], 0.3)),
    case(
        "if param index var",
        ["a ~ Normal()", "for i in 1:4", "w = i > 2 ? a : 2a", "y[i] ~ Normal(w,1)", "end"],
        {"a": 0.3},
        n(0.3) + n(Y, [0.6, 0.6, 0.3, 0.3]),
    ),
    case(
        "if only assign",
        ["a ~ Normal()", "for i in 1:4", "w = a", "if y[i] > 0", "w = 2a", "end", "y[i] ~ Normal(w,1)", "end"],
        {"a": 0.3},
        n(0.3) + n(Y, np.where(Y > 0, 0.6, 0.3)),
    ),
    case(
        "if elseif loop",
        [
            "a ~ Normal()",
            "for i in 1:4",
            "if y[i] > 1",
            "w = 2a",
            "elseif y[i] > 0",
            "w = a",
            "else",
            "w = 0.0",
            "end",
            "y[i] ~ Normal(w,1)",
            "end",
        ],
        {"a": 0.3},
        n(0.3) + n(Y, [0.3, 0, 0.6, 0.3]),
    ),
    case(
        "if elem",
        [
            "a ~ Normal()",
            "μ = zeros(4)",
            "for i in 1:4",
            "if y[i] > 0",
            "μ[i] = a",
            "else",
            "μ[i] = -a",
            "end",
            "end",
            "y ~ MvNormal(μ, I)",
        ],
        {"a": 0.3},
        n(0.3) + n(Y, np.where(Y > 0, 0.3, -0.3)),
    ),
    case(
        "if elem one side",
        ["a ~ Normal()", "μ = zeros(4)", "for i in 1:4", "if y[i] > 0", "μ[i] = a", "end", "end", "y ~ MvNormal(μ, I)"],
        {"a": 0.3},
        n(0.3) + n(Y, np.where(Y > 0, 0.3, 0)),
    ),
    case(
        "if += ",
        [
            "a ~ Normal()",
            "s = 0.0",
            "for i in 1:4",
            "if y[i] > 0",
            "s += a",
            "end",
            "end",
            "y ~ filldist(Normal(s,1),4)",
        ],
        {"a": 0.3},
        n(0.3) + n(Y, 0.9),
    ),
    case("slice obs", ["a ~ Normal()", "y[2:end] .~ Normal(a,1)"], {"a": 0.3}, n(0.3) + n(Y[1:], 0.3)),
    case(
        "slice obs2",
        ["a ~ Normal()", "y[1] ~ Normal(0,1)", "y[2:end] .~ Normal.(a .* y[1:end-1],1)"],
        {"a": 0.3},
        n(0.3) + n(Y[0]) + n(Y[1:], 0.3 * Y[:-1]),
    ),
    case(
        "cols", ["a ~ Normal()", "X[:, 1] ~ MvNormal(a .* X[:,2], I)"], {"a": 0.3}, n(0.3) + n(X[:, 0], 0.3 * X[:, 1])
    ),
    case("rows", ["a ~ Normal()", "X[2:3, :] .~ Normal(a, 1)"], {"a": 0.3}, n(0.3) + n(X[1:3], 0.3)),
    case(
        "mask param",
        ["β ~ filldist(Normal(),4)", "m = y .> 0", "y[m] ~ MvNormal(β[m], I)"],
        {"β": Y * 0.5},
        n(Y * 0.5) + n(Y[Y > 0], Y[Y > 0] * 0.5),
    ),
    case(
        "train test",
        ["a ~ Normal()", "tr = 1:3", "y[tr] ~ MvNormal(a .* X[tr, 1], I)"],
        {"a": 0.3},
        n(0.3) + n(Y[:3], 0.3 * X[:3, 0]),
    ),
    case(
        "view obs",
        ["a ~ Normal()", "for t in 2:4", "y[t] ~ Normal(a*mean(y[1:t-1]),1)", "end"],
        {"a": 0.3},
        n(0.3) + sum(n(Y[t], 0.3 * Y[:t].mean()) for t in range(1, 4)),
    ),
]


@pytest.mark.parametrize(("text", "values", "wanted"), CASES)
def test_density(text: str, values: dict[str, Any], wanted: float) -> None:
    """The density is Julia's; the model checks without data too."""
    mlmdsl.parse(text).check()
    np.testing.assert_allclose(log_density(bound(text, y=Y, X=X), values), wanted, rtol=1e-10)
