"""Distributions of vectors and matrices, and distributions made of others, against SciPy and arithmetic by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import betaln

from tests.compiler.density import bound, log_density
from tests.compiler.test_distributions import ROUNDING, ROWS, Row, density, literal, points

S = np.array([[2.0, 0.5], [0.5, 1.0]])
M = np.array([1.0, 2.0])
V = np.array([0.3, 1.4])
COLUMNS = np.array([[0.3, -1.0, 2.0], [1.4, 0.2, 0.7]])
A = np.array([0.5, 1.5, 4.0])
POSITIVE = np.array([0.4, 1.1, 2.3])
SCALE = 1.3
WEIGHTS = np.array([0.2, 0.5, 0.3])
HEAD = "Σ = [2.0 0.5; 0.5 1.0]\ns ~ Exponential(1)\nw ~ Dirichlet(3, 1.0)"
GIVEN = {"s": SCALE, "w": WEIGHTS}
START = float(stats.expon().logpdf(SCALE) + stats.dirichlet([1.0] * 3).logpdf(WEIGHTS))
"""Each model begins with a scale s and weights w that are parameters, and with data m, A, p, y."""


def normal(x: Any, mean: Any, scale: Any) -> float:
    return float(stats.norm(mean, scale).logpdf(x).sum())


def mv(x: Any, mean: Any, covariance: Any) -> float:
    return float(stats.multivariate_normal(mean, covariance).logpdf(x).sum())


def by_column(values: Any, mean: Any = M, covariance: Any = S) -> float:
    return sum(mv(column, mean, covariance) for column in values.T)


def log_mixture(weights: Any, parts: Any) -> float:
    """Σ log Σₖ wₖ exp(partₖ), a row of parts an observation."""
    return float(np.log((np.asarray(weights) * np.exp(np.asarray(parts))).sum(-1)).sum())


def cut(distribution: Any, x: Any, lower: Any = -np.inf, upper: Any = np.inf) -> float:
    """Log density between bounds, a lower bound of counts included."""
    discrete = hasattr(distribution.dist, "pmf")
    mass = distribution.cdf(upper) - distribution.cdf(np.ceil(lower) - 1 if discrete else lower)
    return density(distribution, x) - float(np.sum(np.log(mass) * np.ones(np.shape(x))))


def check(body: str, expected: float, values: dict[str, Any], **data: Any) -> None:
    """The model's log density at `values`, s and w, is `expected` beside that of s and w."""
    given = {"m": M, "A": A, "p": POSITIVE, **data}
    model = bound(f"@model function f({', '.join(given)})\n{HEAD}\n{body}\nend", **given)
    assert log_density(model, {**GIVEN, **values}) == pytest.approx(START + expected, rel=ROUNDING)


# ── covariances ──────────────────────────────────────────────────────────────────────────────────────────────────────

ROOT = "cholesky(Σ).L"
COVARIANCES: dict[str, Any] = {
    "s^2 * I": SCALE**2 * np.eye(2),
    "4 * I": 4 * np.eye(2),
    "I": np.eye(2),
    "s * I": SCALE * np.eye(2),
    "Diagonal([1.0, s])": np.diag([1.0, SCALE]),
    "Diagonal([1.0, s] .^ 2)": np.diag([1.0, SCALE**2]),
    "diagm([1.0, s])": np.diag([1.0, SCALE]),
    "Σ": S,
    "s * Σ": SCALE * S,
    "Σ + 0.1 * I": S + 0.1 * np.eye(2),
    "Diagonal([1.0, s]) + Σ": S + np.diag([1.0, SCALE]),
    "Diagonal([1.0, s]) * Σ * Diagonal([1.0, s])": np.diag([1.0, SCALE]) @ S @ np.diag([1.0, SCALE]),
    f"PDMat(Cholesky({ROOT}))": S,
    "PDMat(cholesky(Σ))": S,
    "PDMat(Σ)": S,
    "Symmetric(Σ)": S,
    "Symmetric([2.0 0.5; 9.0 1.0])": S,
    "Symmetric(s * Σ)": SCALE * S,
    f"PDMat(Cholesky(Diagonal([1.0, s]) * {ROOT}))": np.diag([1.0, SCALE]) @ S @ np.diag([1.0, SCALE]),
    "s": SCALE**2 * np.eye(2),
    "[1.0, s]": np.diag([1.0, SCALE**2]),
}
"""Numbers and vectors in the covariance's place are standard deviations, as in Distributions.jl."""


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_covariance(covariance: str) -> None:
    matrix = COVARIANCES[covariance]
    check(f"x ~ MvNormal(m, {covariance})", mv(V, M, matrix), {"x": V})
    check(f"y ~ MvNormal(m, {covariance})", mv(V, M, matrix), {}, y=V)


@pytest.mark.parametrize("covariance", [text for text in COVARIANCES if "I" not in text and text != "s"])
def test_covariance_without_mean(covariance: str) -> None:
    check(f"x ~ MvNormal({covariance})", mv(V, [0, 0], COVARIANCES[covariance]), {"x": V})


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_vectors_as_columns_and_rows(covariance: str) -> None:
    matrix = COVARIANCES[covariance]
    each = f"MvNormal(m, {covariance})"
    expected = by_column(COLUMNS, M, matrix)
    rows = {"x": COLUMNS.T}
    check(f"x ~ filldist({each}, 3)", expected, {"x": COLUMNS})
    check(f"x ~ arraydist([{each} for j in 1:3])", expected, {"x": COLUMNS})
    check(f"x = zeros(2, 3)\nfor j in 1:3\nx[:, j] ~ {each}\nend", expected, {"x": COLUMNS})
    check(f"x = Matrix{{Float64}}(undef, 3, 2)\nfor j in 1:3\nx[j, :] ~ {each}\nend", expected, rows)
    check(f"y ~ filldist({each}, 3)", expected, {}, y=COLUMNS)
    check(f"for j in 1:3\ny[:, j] ~ {each}\nend", expected, {}, y=COLUMNS)
    check(f"for j in axes(y, 1)\ny[j, :] ~ {each}\nend", expected, {}, y=COLUMNS.T)


def test_vectors_with_means_and_covariances_of_their_own() -> None:
    means = np.stack([M * a for a in A], 1)
    expected = sum(mv(COLUMNS[:, j], means[:, j], S) for j in range(3))
    scaled = sum(mv(COLUMNS[:, j], means[:, j], A[j] * S) for j in range(3))
    loop = "for j in 1:3\n{} ~ MvNormal(m * A[j], {})\nend"
    check("y ~ arraydist([MvNormal(m * A[j], Σ) for j in 1:3])", expected, {}, y=COLUMNS)
    check("x ~ arraydist([MvNormal(m * A[j], A[j] * Σ) for j in 1:3])", scaled, {"x": COLUMNS})
    check(loop.format("y[:, j]", "A[j] * Σ"), scaled, {}, y=COLUMNS)
    check(loop.format("y[j, :]", "A[j] * Σ"), scaled, {}, y=COLUMNS.T)
    check(loop.format("x[:, j]", "Σ"), expected, {"x": COLUMNS})
    check(loop.format("x[j, :]", "Σ"), expected, {"x": COLUMNS.T})
    check("x ~ arraydist([MvNormal(m, Σ), MvNormal(m, s * I), MvNormal(2 * m, Σ)])",
          mv(COLUMNS[:, 0], M, S) + mv(COLUMNS[:, 1], M, SCALE * np.eye(2)) + mv(COLUMNS[:, 2], 2 * M, S),
          {"x": COLUMNS})  # fmt: skip


def lkj(correlation: Any, eta: float) -> float:
    """(η − 1)·log det R less the log of its integral, which for 2 × 2 is 2^{2η − 1} B(η, η)."""
    return float((eta - 1) * np.log(np.linalg.det(correlation)) - (2 * eta - 1) * np.log(2) - betaln(eta, eta))


R = np.array([[1.0, 0.4], [0.4, 1.0]])
L = np.linalg.cholesky(R)
# of L: the density of R times |∂R₂₁/∂L₂₁| = 1, the measure being that of the free entries below the diagonal
ARRAYS: dict[str, tuple[str, Any, float]] = {
    "MvNormal of a size": ("MvNormal(2, s)", V, mv(V, [0, 0], SCALE**2 * np.eye(2))),
    "MvNormalCanon": ("MvNormalCanon(m, Σ)", V, mv(V, np.linalg.solve(S, M), np.linalg.inv(S))),
    "MvNormalCanon without potential": ("MvNormalCanon(Σ)", V, mv(V, [0, 0], np.linalg.inv(S))),
    "MvTDist": ("MvTDist(4, m, Σ)", V, stats.multivariate_t(M, S, 4).logpdf(V)),
    "MvTDist of a factor": ("MvTDist(4, m, PDMat(cholesky(Σ)))", V, stats.multivariate_t(M, S, 4).logpdf(V)),
    "MvTDist of a scale": ("MvTDist(s, m, s * I)", V, stats.multivariate_t(M, SCALE * np.eye(2), SCALE).logpdf(V)),
    "MvTDist without mean": ("MvTDist(4, Σ)", V, stats.multivariate_t([0, 0], S, 4).logpdf(V)),
    "Wishart": ("Wishart(4, Σ)", 2 * R, stats.wishart(4, S).logpdf(2 * R)),
    "InverseWishart": ("InverseWishart(4, Σ)", 2 * R, stats.invwishart(4, S).logpdf(2 * R)),
    "LKJ": ("LKJ(2, 2.5)", R, lkj(R, 2.5)),
    "LKJ of a parameter": ("LKJ(2, s)", R, lkj(R, SCALE)),
    "LKJ of a size": ("LKJ(2)", R, -np.log(2)),
    "LKJCholesky": ("LKJCholesky(2, 2.5)", L, lkj(R, 2.5)),
    "LKJCholesky of a size": ("LKJCholesky(2)", L, -np.log(2)),
    "Dirichlet": ("Dirichlet([1.0, s, 2.0])", WEIGHTS, stats.dirichlet([1, SCALE, 2]).logpdf(WEIGHTS)),
    "Multinomial": ("Multinomial(6, w)", [1, 3, 2], stats.multinomial(6, WEIGHTS).logpmf([1, 3, 2])),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays(name: str) -> None:
    text, value, expected = ARRAYS[name]
    check(f"x ~ {text}", expected, {"x": value})


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_under_filldist(name: str) -> None:
    """Copies of an array are drawn along a new last axis."""
    text, value, expected = ARRAYS[name]
    check(f"x ~ filldist({text}, 3)", 3 * expected, {"x": np.stack([value] * 3, -1)})
    check(f"x ~ arraydist([{text} for i in 1:3])", 3 * expected, {"x": np.stack([value] * 3, -1)})


def test_multinomial_rows_and_columns() -> None:
    counts = np.array([[2, 3, 0], [1, 1, 3]])
    expected = sum(stats.multinomial(5, WEIGHTS).logpmf(row) for row in counts)
    check("for i in 1:2\ny[i, :] ~ Multinomial(5, w)\nend", expected, {}, y=counts)
    check("for i in 1:2\ny[:, i] ~ Multinomial(sum(y[:, i]), w)\nend", expected, {}, y=counts.T)


def test_correlations_in_a_covariance() -> None:
    scales = np.array([0.7, 1.9])
    covariance = np.diag(scales) @ R @ np.diag(scales)
    head = "τ ~ filldist(Exponential(1), 2)\n"
    expected = float(stats.expon().logpdf(scales).sum()) + lkj(R, 2.0) + by_column(COLUMNS, M, covariance)
    check(head + "Ω ~ LKJ(2, 2.0)\nx ~ filldist(MvNormal(m, Diagonal(τ) * Ω * Diagonal(τ)), 3)", expected,
          {"τ": scales, "Ω": R, "x": COLUMNS})  # fmt: skip
    check(head + "Ω ~ LKJCholesky(2, 2.0)\nx ~ filldist(MvNormal(m, PDMat(Cholesky(Diagonal(τ) * Ω.L))), 3)", expected,
          {"τ": scales, "Ω": L, "x": COLUMNS})  # fmt: skip


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────

BOUNDED = [row for row in ROWS if row.name not in ("Flat", "FlatPos", "Kumaraswamy", "LogitNormal")]


def inner_bounds(row: Row) -> tuple[float, float, float]:
    """A lower bound, an upper bound and a value between, for the row's first setting."""
    first = points(row)[0][0]
    lower, value, upper = (float(first.ppf(q)) for q in (0.2, 0.5, 0.95))
    return (lower, upper, value) if lower < upper else (lower, lower + 1, lower)


@pytest.mark.parametrize("row", BOUNDED, ids=[row.name for row in BOUNDED])
def test_truncated(row: Row) -> None:
    base, text = points(row)[0][0], literal(row, row.settings[0])
    lower, upper, value = inner_bounds(row)
    check(f"x ~ truncated({text}, {lower}, {upper})", cut(base, value, lower, upper), {"x": value})
    check(f"x ~ truncated({text}; lower={lower})", cut(base, value, lower), {"x": value})
    check(f"x ~ truncated({text}; upper={upper})", cut(base, value, upper=upper), {"x": value})
    check(f"x ~ truncated({text}, -Inf, {upper})", cut(base, value, upper=upper), {"x": value})
    check(f"x ~ filldist(truncated({text}; lower=b), 2)", 2 * cut(base, value, lower), {"x": [value] * 2}, b=lower)


@pytest.mark.parametrize("row", BOUNDED, ids=[row.name for row in BOUNDED])
def test_censored(row: Row) -> None:
    base, text = points(row)[0][0], literal(row, row.settings[0])
    lower, upper, value = inner_bounds(row)
    before = np.ceil(upper) - 1 if hasattr(base.dist, "pmf") else upper
    at_upper, at_lower = float(base.logsf(before)), float(base.logcdf(lower))
    inside = at_lower if value <= lower else at_upper if value >= upper else density(base, value)
    y = np.array([value, upper, lower])
    check(f"y .~ censored({text}, {lower}, {upper})", inside + at_upper + at_lower, {}, y=y)
    check(f"for i in 1:3\ny[i] ~ censored({text}; lower={lower}, upper=b)\nend", inside + at_upper + at_lower, {},
          y=y, b=upper)  # fmt: skip


BOUNDS: dict[str, tuple[str, Any, float]] = {
    "half normal": ("truncated(Normal(0, s); lower=0)", 0.7, float(stats.halfnorm(scale=SCALE).logpdf(0.7))),
    "half Cauchy": ("truncated(Cauchy(0, 2), 0, Inf)", 0.7, float(stats.halfcauchy(scale=2).logpdf(0.7))),
    "half t": ("truncated(TDist(3); lower=0)", 0.7, np.log(2) + float(stats.t(3).logpdf(0.7))),
    "no lower": ("truncated(Normal(0, 1), nothing, 2)", 0.7, cut(stats.norm(), 0.7, upper=2)),
    "parameter as bound": ("truncated(Normal(0, 1); lower=s)", 1.7, cut(stats.norm(), 1.7, SCALE)),
    "both ends parameters": ("truncated(Normal(0, 1), -s, s)", 0.2, cut(stats.norm(), 0.2, -SCALE, SCALE)),
    "of an affine form": ("truncated(1.0 + s * TDist(3); lower=0)", 0.7, cut(stats.t(3, 1, SCALE), 0.7, 0)),
    "of a truncated": ("truncated(truncated(Normal(0, 1); lower=0); upper=2)", 0.7, cut(stats.norm(), 0.7, 0, 2)),
    "of a mixture": (
        "truncated(MixtureModel([Normal(0, 1), Normal(3, 1)], [0.4, 0.6]); lower=0)",
        0.7,
        log_mixture([0.4, 0.6], [normal(0.7, 0, 1), normal(0.7, 3, 1)])
        - np.log(0.4 * stats.norm(0, 1).sf(0) + 0.6 * stats.norm(3, 1).sf(0)),
    ),
    "broadcast": ("arraydist(truncated.(Normal.(A, s), 0, 10))", POSITIVE, cut(stats.norm(A, SCALE), POSITIVE, 0, 10)),
    "broadcast keyword": (
        "arraydist(truncated.(Normal.(A, s); lower=0))", POSITIVE, cut(stats.norm(A, SCALE), POSITIVE, 0)
    ),
    "bounds a vector": ("arraydist(truncated.(Normal(0, 1), p, 9))", p9 := POSITIVE + 1, cut(stats.norm(), p9, POSITIVE, 9)),
    "bounds in a comprehension": (
        "arraydist([truncated(Normal(0, s), i, 9) for i in 1:3])", A + 3, cut(stats.norm(0, SCALE), A + 3, [1, 2, 3], 9)
    ),
    "matrix": ("filldist(truncated(Normal(0, 1), 0, s), 2, 3)", np.abs(COLUMNS) / 2, 
        cut(stats.norm(), np.abs(COLUMNS) / 2, 0, SCALE)),
}  # fmt: skip


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds(name: str) -> None:
    text, value, expected = BOUNDS[name]
    check(f"x ~ {text}", expected, {"x": value})


def test_bounds_of_observations() -> None:
    above = POSITIVE + 1
    check("for i in eachindex(y)\ny[i] ~ truncated(Normal(s, 1.0); lower=p[i])\nend",
          cut(stats.norm(SCALE, 1), above, POSITIVE), {}, y=above)  # fmt: skip
    check("y .~ truncated.(Normal.(s, A); lower=0)", cut(stats.norm(SCALE, A), above, 0), {}, y=above)
    tail = float(stats.norm(SCALE, 1).logsf(POSITIVE[1]))
    censored = np.array([0.1, POSITIVE[1], 2.0])
    check("for i in eachindex(y)\ny[i] ~ censored(Normal(s, 1.0); upper=p[i])\nend",
          normal(censored[[0, 2]], SCALE, 1) + tail, {}, y=censored)  # fmt: skip
    check("y ~ arraydist(censored.(Normal.(A, s); upper=2.0))",
          normal([0.1, 1.1], A[:2], SCALE) + float(stats.norm(A[2], SCALE).logsf(2)), {},
          y=np.array([0.1, 1.1, 2.0]))  # fmt: skip


# ── mixtures ─────────────────────────────────────────────────────────────────────────────────────────────────────────

PARTS = [[normal(x, mean, SCALE) for mean in A] for x in POSITIVE]
ONE = PARTS[0]
MIXTURES: dict[str, tuple[str, Any, float]] = {
    "a list": (
        "MixtureModel([Normal(0, 1), Normal(3, s)], [0.3, 0.7])",
        0.4,
        log_mixture([0.3, 0.7], [normal(0.4, 0, 1), normal(0.4, 3, SCALE)]),
    ),
    "different families": (
        "MixtureModel([Normal(0, 1), TDist(3), Exponential(s)], w)",
        0.4,
        log_mixture(WEIGHTS, [normal(0.4, 0, 1), stats.t(3).logpdf(0.4), stats.expon(scale=SCALE).logpdf(0.4)]),
    ),
    "outside a part's support": (
        "MixtureModel([Normal(0, 1), Exponential(s)], [0.3, 0.7])", -0.4, np.log(0.3) + normal(-0.4, 0, 1)
    ),
    "a vector": ("MixtureModel(Normal.(A, s), w)", POSITIVE[0], log_mixture(WEIGHTS, ONE)),
    "a comprehension": ("MixtureModel([Normal(A[k], s) for k in 1:3], w)", POSITIVE[0], log_mixture(WEIGHTS, ONE)),
    "without weights": ("MixtureModel(Normal.(A, s))", POSITIVE[0], log_mixture([1 / 3] * 3, ONE)),
    "a list without weights": ("MixtureModel([Normal(0, 1), Normal(0, 1)])", 0.4, normal(0.4, 0, 1)),
    "a family": (
        "MixtureModel(Normal, [(0.0, 1.0), (3.0, s)], [0.3, 0.7])",
        0.4,
        log_mixture([0.3, 0.7], [normal(0.4, 0, 1), normal(0.4, 3, SCALE)]),
    ),
    "a family of one parameter": (
        "MixtureModel(Exponential, [s, 2.0], [0.3, 0.7])",
        0.4,
        log_mixture([0.3, 0.7], [stats.expon(scale=SCALE).logpdf(0.4), stats.expon(scale=2).logpdf(0.4)]),
    ),
    "zero-inflated at zero": (
        "MixtureModel([Dirac(0), Poisson(s)], [0.3, 0.7])", 0, np.log(0.3 + 0.7 * np.exp(-SCALE))
    ),
    "zero-inflated above": (
        "MixtureModel([Dirac(0), Poisson(s)], [0.3, 0.7])", 2, np.log(0.7) + stats.poisson(SCALE).logpmf(2)
    ),
    "of vectors": (
        "MixtureModel([MvNormal(m, s * I), MvNormal(2 * m, Σ)], [0.3, 0.7])",
        V,
        log_mixture([0.3, 0.7], [mv(V, M, SCALE * np.eye(2)), mv(V, 2 * M, S)]),
    ),
    "of vectors in a comprehension": (
        "MixtureModel([MvNormal(k * m, s * I) for k in 1:2], [0.3, 0.7])",
        V,
        log_mixture([0.3, 0.7], [mv(V, M, SCALE * np.eye(2)), mv(V, 2 * M, SCALE * np.eye(2))]),
    ),
    "of dense vectors in a comprehension": (
        "MixtureModel([MvNormal(k * m, Σ) for k in 1:2], [0.3, 0.7])",
        V,
        log_mixture([0.3, 0.7], [mv(V, M, S), mv(V, 2 * M, S)]),
    ),
    "of truncated": (
        "MixtureModel([truncated(Normal(0, 1); lower=0), Exponential(s)], [0.3, 0.7])",
        0.4,
        log_mixture([0.3, 0.7], [stats.halfnorm().logpdf(0.4), stats.expon(scale=SCALE).logpdf(0.4)]),
    ),
    "filldist": ("filldist(MixtureModel(Normal.(A, s), w), 3)", POSITIVE, log_mixture(WEIGHTS, PARTS)),
    "filldist of a list": (
        "filldist(MixtureModel([Normal(A[1], s), Normal(A[2], s), Normal(A[3], s)], w), 3)",
        POSITIVE,
        log_mixture(WEIGHTS, PARTS),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXTURES)
def test_mixtures(name: str) -> None:
    text, value, expected = MIXTURES[name]
    check(f"x ~ {text}", expected, {"x": value})


def test_mixtures_of_observations() -> None:
    shifted = [[normal(x, mean + shift, SCALE) for mean in A] for x, shift in zip(POSITIVE, A, strict=True)]
    own = "[Normal(A[k] + A[i], s) for k in 1:3]"
    check(
        "for i in eachindex(y)\ny[i] ~ MixtureModel(Normal.(A, s), w)\nend", log_mixture(WEIGHTS, PARTS), {}, y=POSITIVE
    )
    check("y .~ MixtureModel(Normal.(A, s), w)", log_mixture(WEIGHTS, PARTS), {}, y=POSITIVE)
    check("for i in eachindex(y)\ny[i] ~ MixtureModel(Normal.(A .+ A[i], s), w)\nend", log_mixture(WEIGHTS, shifted), {},
          y=POSITIVE)  # fmt: skip
    check(
        f"y ~ arraydist([MixtureModel({own}, w) for i in eachindex(y)])", log_mixture(WEIGHTS, shifted), {}, y=POSITIVE
    )
    rows = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.1, 0.1, 0.8]])
    check("for i in eachindex(y)\ny[i] ~ MixtureModel(Normal.(A, s), W[i, :])\nend", log_mixture(rows, PARTS), {},
          y=POSITIVE, W=rows)  # fmt: skip


def test_zero_inflated_counts() -> None:
    counts, share = np.array([0, 2, 1]), 0.35
    log_p = stats.poisson(SCALE * POSITIVE).logpmf(counts)
    expected = float(np.log(share * (counts == 0) + (1 - share) * np.exp(log_p)).sum() + stats.beta(2, 2).logpdf(share))
    check("π ~ Beta(2, 2)\nfor i in eachindex(y)\ny[i] ~ MixtureModel([Dirac(0), Poisson(s * p[i])], [π, 1 - π])\nend",
          expected, {"π": share}, y=counts)  # fmt: skip
    check("π ~ Beta(2, 2)\ny ~ arraydist([MixtureModel([Dirac(0), Poisson(s * p[i])], [π, 1 - π]) for i in 1:3])",
          expected, {"π": share}, y=counts)  # fmt: skip


# ── affine forms ─────────────────────────────────────────────────────────────────────────────────────────────────────

AFFINE: dict[str, tuple[str, Any, float]] = {
    "LocationScale": ("LocationScale(1.0, s, TDist(3))", 0.4, stats.t(3, 1, SCALE).logpdf(0.4)),
    "of a location and a scale": ("1.0 + s * TDist(3)", 0.4, stats.t(3, 1, SCALE).logpdf(0.4)),
    "product on the left": ("2 * Gamma(2, 1)", 0.4, stats.gamma(2, scale=2).logpdf(0.4)),
    "product on the right": ("Gamma(2, 1) * s", 0.4, stats.gamma(2, scale=SCALE).logpdf(0.4)),
    "quotient": ("Gamma(2, 1) / 3", 0.4, stats.gamma(2, scale=1 / 3).logpdf(0.4)),
    "difference": ("Normal(0, s) - 1", 0.4, normal(0.4, -1, SCALE)),
    "reflected": ("1 - Beta(1, 2)", 0.4, stats.beta(2, 1).logpdf(0.4)),
    "minus": ("-Gumbel(1, s)", 0.4, stats.gumbel_l(-1, SCALE).logpdf(0.4)),
    "negative scale": ("-2 * Gumbel(1, s)", 0.4, stats.gumbel_l(-2, 2 * SCALE).logpdf(0.4)),
    "nested": ("3 + 2 * (1.0 + s * TDist(3))", 0.4, stats.t(3, 5, 2 * SCALE).logpdf(0.4)),
    "nested scale": ("2 * (s * TDist(3))", 0.4, stats.t(3, 0, 2 * SCALE).logpdf(0.4)),
    "of bounded": ("1.0 + 2.0 * Beta(2, 3)", 1.4, stats.beta(2, 3, 1, 2).logpdf(1.4)),
    "of truncated": ("s * truncated(Normal(0, 1); lower=0)", 0.4, stats.halfnorm(0, SCALE).logpdf(0.4)),
    "of counts": ("1 + Poisson(s)", 3, stats.poisson(SCALE).logpmf(2)),
    "filldist": ("filldist(1.0 + s * TDist(3), 3)", POSITIVE, stats.t(3, 1, SCALE).logpdf(POSITIVE).sum()),
    "dotted": ("arraydist(LocationScale.(A, s, TDist.(3)))", POSITIVE, stats.t(3, A, SCALE).logpdf(POSITIVE).sum()),
    "dotted, one base": (
        "arraydist(LocationScale.(A, s, TDist(3)))", POSITIVE, stats.t(3, A, SCALE).logpdf(POSITIVE).sum()
    ),
    "dotted operators": ("arraydist(A .+ s .* TDist(3))", POSITIVE, stats.t(3, A, SCALE).logpdf(POSITIVE).sum()),
    "bases of their own": (
        "arraydist(A .+ s .* TDist.([3, 4, 5]))", POSITIVE, stats.t([3, 4, 5], A, SCALE).logpdf(POSITIVE).sum()
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AFFINE)
def test_affine(name: str) -> None:
    text, value, expected = AFFINE[name]
    check(f"x ~ {text}", float(expected), {"x": value})


def test_affine_observations() -> None:
    expected = float(stats.t(3, SCALE, A).logpdf(POSITIVE).sum())
    check("for i in eachindex(y)\ny[i] ~ s + A[i] * TDist(3)\nend", expected, {}, y=POSITIVE)
    check("for i in eachindex(y)\ny[i] ~ LocationScale(s, A[i], TDist(3))\nend", expected, {}, y=POSITIVE)
    check("y ~ arraydist(s .+ A .* TDist(3))", expected, {}, y=POSITIVE)
    check("y .~ s .+ A .* TDist.(3)", expected, {}, y=POSITIVE)
    check("y ~ arraydist([s + A[i] * TDist(3) for i in 1:3])", expected, {}, y=POSITIVE)


# ── ordered vectors ──────────────────────────────────────────────────────────────────────────────────────────────────

STEPS = np.log(np.diff(A))
PUSHED = float(-STEPS.sum() + normal([A[0], *STEPS], 0, SCALE))
ORDERED: dict[str, tuple[str, Any, float]] = {
    "ordered": ("Bijectors.ordered(filldist(Normal(0, s), 3))", A, normal(A, 0, SCALE)),
    "ordered, bare": ("ordered(MvNormal(zeros(3), s^2 * I))", A, normal(A, 0, SCALE)),
    "ordered, dense": ("ordered(MvNormal(m, Σ))", V, mv(V, M, S)),
    "ordered, unlike": (
        "ordered(arraydist([Normal(0, s), Cauchy(0, 2), TDist(3)]))",
        A,
        normal(A[0], 0, SCALE) + float(stats.cauchy(0, 2).logpdf(A[1]) + stats.t(3).logpdf(A[2])),
    ),
    "pushed": ("transformed(filldist(Normal(0, s), 3), OrderedBijector())", A, PUSHED),
    "pushed, named": ("transformed(MvNormal(zeros(3), s^2 * I), Bijectors.OrderedBijector())", A, PUSHED),
    "columns of ordered": ("filldist(ordered(filldist(Normal(0, s), 3)), 2)", np.stack([A, A], 1), 2 * normal(A, 0, SCALE)),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDERED)
def test_ordered(name: str) -> None:
    text, value, expected = ORDERED[name]
    check(f"x ~ {text}", expected, {"x": value})


# ── arrays of unlike distributions ───────────────────────────────────────────────────────────────────────────────────

UNLIKE = np.array([-0.4, 1.2, 0.3])


def unlike(x: Any, location: float = 0.0) -> float:
    return normal(x[0], location, SCALE) + float(stats.expon(scale=2).logpdf(x[1]) + stats.beta(1, 2).logpdf(x[2]))


@pytest.mark.parametrize(
    "maker", ["arraydist([{}])", "product_distribution([{}])", "Product([{}])", "product_distribution({})"]
)
def test_unlike_distributions(maker: str) -> None:
    text = maker.format("Normal(0, s), Exponential(2), Beta(1, 2)")
    check(f"x ~ {text}", unlike(UNLIKE), {"x": UNLIKE})
    check(f"y ~ {text}", unlike(UNLIKE), {}, y=UNLIKE)
    check(f"x ~ filldist({text}, 2)", 2 * unlike(UNLIKE), {"x": np.stack([UNLIKE] * 2, 1)})


def test_unlike_distributions_in_loops() -> None:
    parts = "arraydist([Normal(A[i], s), Exponential(2), Beta(1, 2)])"
    expected = unlike(UNLIKE, A[0]) + unlike(UNLIKE, A[1])
    both = np.stack([UNLIKE] * 2, 1)
    check(f"for i in 1:2\ny[:, i] ~ {parts}\nend", expected, {}, y=both)
    check(f"for i in 1:2\ny[i, :] ~ {parts}\nend", expected, {}, y=both.T)
    check(f"for i in 1:2\nx[:, i] ~ {parts}\nend", expected, {"x": both})
    check(f"for i in 1:2\nx[i, :] ~ {parts}\nend", expected, {"x": both.T})


def test_flat_priors_in_combinators() -> None:
    check("x ~ filldist(Flat(), 3)\nz ~ filldist(FlatPos(s), 2)", 0.0, {"x": A, "z": [2.0, 3.0]})


def test_copies_of_copies() -> None:
    check("x ~ filldist(filldist(Normal(0, s), 2), 3)", normal(COLUMNS, 0, SCALE), {"x": COLUMNS})
    check("x ~ arraydist([filldist(Normal(A[i], s), 2) for i in 1:3])", normal(COLUMNS, A, SCALE), {"x": COLUMNS})
    check("x ~ arraydist([filldist(Normal(0, 1), 2), filldist(Normal(0, s), 2)])",
          normal(COLUMNS[:, :2], 0, [1, SCALE]), {"x": COLUMNS[:, :2]})  # fmt: skip
    check("x ~ arraydist(fill(Normal(0, s), 3))", normal(A, 0, SCALE), {"x": A})
    check("x ~ filldist(MvNormal(m, Σ), 3, 2)", 2 * by_column(COLUMNS), {"x": np.stack([COLUMNS] * 2, -1)})
