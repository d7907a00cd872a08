"""Emitted programs draw, have gradients and map over chains; data with missing entries keep their exact density."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from mlmdsl.inference.native import NativeGradient
from mlmdsl.inference.potential import build_potential, record_gradient
from mlmdsl.inference.sites import read_sites
from tests.compiler.density import bound, log_density
from tests.compiler.test_combinators import AFFINE, ARRAYS, BOUNDS, COVARIANCES, HEAD, MIXTURES, ORDERED, POSITIVE, A, M
from tests.compiler.test_distributions import ROUNDING, ROWS, literal

COUNTS = ("Multinomial", "of counts", "zero-inflated")
PRIORS = {
    **{row.name: literal(row, row.settings[0]) for row in ROWS if not hasattr(row.scipy(*row.settings[0]), "pmf")},
    **{row.name: literal(row, row.settings[0]) for row in ROWS if row.name in ("Normal", "Gamma", "Beta", "Uniform")},
    **{
        name: text
        for table in (AFFINE, ARRAYS, BOUNDS, MIXTURES, ORDERED)
        for name, (text, *_) in table.items()
        if not name.startswith(COUNTS)
    },
    **{f"MvNormal of {text}": f"MvNormal(m, {text})" for text in COVARIANCES},
    **{f"columns of {text}": f"filldist(MvNormal(m, {text}), 3)" for text in COVARIANCES},
    "unlike": "arraydist([Normal(0, s), Exponential(2), Beta(1, 2), Uniform(0, s)])",
    "unlike columns": "filldist(arraydist([Normal(0, s), Exponential(2)]), 2)",
    "factors of correlations": "filldist(LKJCholesky(3, 2.0), 2)",
    "simplexes": "filldist(Dirichlet(3, s), 2)",
}


@pytest.mark.parametrize("name", PRIORS)
def test_latent(name: str) -> None:
    """A draw of the program is finite; density and gradient at three points, mapped over, are those one by one."""
    text = f"@model function f(m, A, p)\n{HEAD}\nx ~ {PRIORS[name]}\nend"
    model = bound(text, m=M, A=A, p=POSITIVE)
    sites = read_sites(model.program)
    q = torch.randn(3, sites.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(4)) / 2
    gradient = torch.func.grad_and_value(sites.log_density)
    mapped = torch.vmap(gradient)(q)
    singly = [gradient(row) for row in q]
    for together, alone in zip(mapped, zip(*singly, strict=True), strict=True):
        torch.testing.assert_close(together, torch.stack(alone))
        assert torch.isfinite(together).all()
    for value in sites.constrained(q[0]).values():
        assert torch.isfinite(value).all()


# ── missing entries ──────────────────────────────────────────────────────────────────────────────────────────────────

GAPS = np.ma.masked_invalid([[1.0, np.nan, 0.5], [2.0, 1.0, np.nan]])
ENTRIES = np.array([0.3, -1.2])
WHOLE = np.array([[1.0, 0.3, 0.5], [2.0, 1.0, -1.2]])
SIGMA = np.array([[2.0, 0.5], [0.5, 1.0]])
BY_COLUMN = float(stats.multivariate_normal([0.7, 0.7], SIGMA).logpdf(WHOLE.T).sum())
VECTOR = np.ma.masked_invalid([1.0, np.nan, 2.0, np.nan])
FILLED = np.array([1.0, 0.3, 2.0, -1.2])
PRIOR = float(stats.norm(0, 1).logpdf(0.7))
NORMAL = float(stats.norm(0.7, 2).logpdf(FILLED).sum())

MISSING: dict[str, tuple[str, Any, float]] = {
    "whole": ("y ~ MvNormal(fill(μ, 4), 4 * I)", VECTOR, NORMAL),
    "filldist": ("y ~ filldist(Normal(μ, 2), 4)", VECTOR, NORMAL),
    "dotted": ("y .~ Normal(μ, 2)", VECTOR, NORMAL),
    "loop": ("for i in eachindex(y)\ny[i] ~ Normal(μ, 2)\nend", VECTOR, NORMAL),
    "arraydist": ("y ~ arraydist([Normal(μ * i, i) for i in 1:4])", VECTOR,
        float(stats.norm(0.7 * np.arange(1, 5), np.arange(1, 5)).logpdf(FILLED).sum())),
    "dense": ("y ~ MvNormal(fill(μ, 4), Symmetric(ones(4, 4) + I))", VECTOR,
        float(stats.multivariate_normal([0.7] * 4, np.ones((4, 4)) + np.eye(4)).logpdf(FILLED))),
    "columns": ("y ~ filldist(MvNormal(fill(μ, 2), Σ), 3)", GAPS, BY_COLUMN),
    "columns in a loop": ("for j in 1:3\ny[:, j] ~ MvNormal(fill(μ, 2), Σ)\nend", GAPS, BY_COLUMN),
    "entries in loops": ("for j in 1:3, i in 1:2\ny[i, j] ~ Normal(μ * j, i)\nend", GAPS,
        float(stats.norm(0.7 * np.array([1, 2, 3]), np.array([[1], [2]])).logpdf(WHOLE).sum())),
    "rows of normals": ("for i in 1:2\ny[i, :] ~ MvNormal(fill(μ * i, 3), i^2 * I)\nend", GAPS,
        float(stats.norm(0.7 * np.array([[1], [2]]), np.array([[1], [2]])).logpdf(WHOLE).sum())),
    "columns of normals": ("for j in 1:3\ny[:, j] ~ MvNormal(fill(μ * j, 2), j^2 * I)\nend", GAPS,
        float(stats.norm(0.7 * np.array([1, 2, 3]), np.array([1, 2, 3])).logpdf(WHOLE).sum())),
}  # fmt: skip


@pytest.mark.parametrize("name", MISSING)
def test_missing(name: str) -> None:
    text, y, expected = MISSING[name]
    model = bound(f"@model function f(y)\nΣ = [2.0 0.5; 0.5 1.0]\nμ ~ Normal(0, 1)\n{text}\nz := y\nend", y=y)
    assert log_density(model, {"μ": 0.7, "y": ENTRIES}) == pytest.approx(PRIOR + expected, rel=ROUNDING)
    sites = read_sites(model.program)
    assert sites.dim == 3
    q = torch.tensor([0.7, *ENTRIES], dtype=torch.float64)
    assert sites.log_density(q).item() == pytest.approx(PRIOR + expected, rel=ROUNDING)
    whole = WHOLE if y.ndim == 2 else FILLED
    assert sites.constrained(q)["z"].numpy() == pytest.approx(whole)
    potential = build_potential(sites, 2)
    assert potential.note is None  # which entries are missing decides the course, and is data: it can be recorded
    assert potential.evaluate(torch.stack([q, q]))[1].tolist() == pytest.approx([-PRIOR - expected] * 2, rel=ROUNDING)


def test_missing_entries_become_machine_code() -> None:
    text, y, expected = MISSING["dotted"]
    sites = read_sites(bound(f"@model function f(y)\nμ ~ Normal(0, 1)\n{text}\nend", y=y).program)
    gradient = NativeGradient(*record_gradient(sites), chains=1)
    q = torch.tensor([[0.7, *ENTRIES]], dtype=torch.float64)
    assert gradient(q)[1].item() == pytest.approx(-PRIOR - expected, rel=ROUNDING)


def test_missing_in_a_recursion() -> None:
    """A value that the next depends on: each missing one is a site of its own."""
    body = "φ ~ Normal(0, 1)\ny[1] ~ Normal(0, 1)\nfor t in 2:4\ny[t] ~ Normal(φ * y[t - 1], 2)\nend"
    text = f"@model function f(y)\n{body}\nend"
    means, scales = 0.7 * np.array([0.0, *FILLED[:3]]), np.array([1, 2, 2, 2])
    expected = PRIOR + float(stats.norm(means, scales).logpdf(FILLED).sum())
    values = {"φ": 0.7, "y[2]": ENTRIES[0], "y[4]": ENTRIES[1]}
    assert log_density(bound(text, y=VECTOR), values) == pytest.approx(expected, rel=ROUNDING)


def test_missing_entries_that_others_depend_on() -> None:
    body = "μ ~ Normal(0, 1)\nfor i in eachindex(x)\nx[i] ~ Normal(μ, 2)\ny[i] ~ Normal(2 * x[i], 1)\nend"
    text = f"@model function f(x, y)\n{body}\nend"
    y = np.arange(4.0)
    expected = PRIOR + NORMAL + float(stats.norm(2 * FILLED, 1).logpdf(y).sum())
    model = bound(text, x=VECTOR, y=y)
    assert log_density(model, {"μ": 0.7, "x": ENTRIES}) == pytest.approx(expected, rel=ROUNDING)


def test_missing_positive_entries() -> None:
    """Each entry in its own support, whose bound may differ from row to row."""
    y, whole = np.ma.masked_invalid([1.5, np.nan, np.nan]), np.array([1.5, 2.2, 4.0])
    text = "@model function f(y)\nμ ~ Normal(0, 1)\nfor i in 1:3\ny[i] ~ truncated(Normal(μ, 2); lower=i)\nend\nend"
    lower = np.array([1.0, 2.0, 3.0])
    each = stats.norm(0.7, 2)
    model = bound(text, y=y)
    expected = PRIOR + float((each.logpdf(whole) - each.logsf(lower)).sum())
    assert log_density(model, {"μ": 0.7, "y": whole[1:]}) == pytest.approx(expected, rel=ROUNDING)
    q = torch.zeros(3, dtype=torch.float64)
    assert (read_sites(model.program).constrained(q)["y"].numpy() > lower[1:]).all()


@pytest.mark.parametrize(
    "body",
    [
        "for j in 1:3\ny[:, j] ~ MvNormal(fill(μ, 2), Σ)\nend",
        "x = zeros(3)\nx[1] ~ Normal(μ, 1)\ny[:, 1] ~ MvNormal(fill(x[1], 2), Σ)\n"
        "for j in 2:3\nx[j] ~ Normal(x[j - 1], 1)\ny[:, j] ~ MvNormal(fill(x[j], 2), Σ)\nend",
    ],
    ids=["one site", "a site a column"],
)
def test_missing_entries_are_named_by_their_place(body: str) -> None:
    model = bound(f"@model function f(y)\nΣ = [2.0 0.5; 0.5 1.0]\nμ ~ Normal(0, 1)\n{body}\nend", y=GAPS)
    fit = model.sample(chains=1, draws=3, tune=5, seed=1)
    assert [variable.name for variable in fit.variables][-2:] == ["y[1,2]", "y[2,3]"]
