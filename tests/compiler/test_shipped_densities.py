"""Every shipped spec and the tutorial's four listings mean what they say: their log density equals one written by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln, multigammaln

import mlmdsl
from tests.compiler.density import log_density
from tests.language.listings import DATA, LISTINGS

Floats = NDArray[np.float64]
Point = Mapping[str, Any]
Hand = Callable[[Point], float]

POINTS = 20
CHEESE = pd.read_csv(mlmdsl.load("cheese/varying_intercept").base / "cheese.csv")  # type: ignore[operator]
X = np.stack([(CHEESE.cheese == level).to_numpy(float) for level in "ABCD"], 1)
X1 = np.column_stack([np.ones(len(X)), X])
IDX = CHEESE.background.map({"rural": 0, "urban": 1}).to_numpy()
Y = CHEESE.y.to_numpy(float)
MEAN, SD = Y.mean(), Y.std(ddof=1)


def normal(x: Any, mean: Any, scale: Any) -> float:
    return float(stats.norm(mean, scale).logpdf(x).sum())


def half_cauchy(x: Any) -> float:
    return float(stats.halfcauchy(scale=2).logpdf(x).sum())


def exponential(x: Any) -> float:
    return float(stats.expon(scale=SD).logpdf(x).sum())


def lkj_factor(lower: Floats, eta: float) -> float:
    """log p(L) = Σᵢ (d − i + 2η − 2)·log Lᵢᵢ − log c, with c of Lewandowski, Kurowicka & Joe (2009), equation 16."""
    d = len(lower)
    i = np.arange(2, d + 1)
    top = eta + (d - 1) / 2
    log_c = (d - 1) / 2 * np.log(np.pi) + multigammaln(top - 0.5, d - 1) - (d - 1) * gammaln(top)
    return float(((d - i + 2 * eta - 2) * np.log(np.diag(lower)[1:])).sum() - log_c)


# ── densities by hand ────────────────────────────────────────────────────────────────────────────────────────────────


def varying_intercept(p: Point) -> float:
    mean = p["α"] + X @ p["β"] + p["αⱼ"][IDX]
    priors = normal(p["α"], MEAN, 2.5 * SD) + normal(p["β"], 0, 2) + exponential(p["σ"]) + half_cauchy(p["τ"])
    return priors + normal(p["αⱼ"], 0, p["τ"]) + normal(Y, mean, p["σ"])


def varying_slope(p: Point) -> float:
    mean = p["α"] + X @ p["βⱼ"] @ p["τ"]
    priors = normal(p["α"], MEAN, 2.5 * SD) + exponential(p["σ"]) + half_cauchy(p["τ"]) + normal(p["βⱼ"], 0, 1)
    return priors + normal(Y, mean, p["σ"])


def varying_intercept_slope(p: Point) -> float:
    mean = p["α"] + p["αⱼ"][IDX] + X @ p["βⱼ"] @ p["τᵦ"]
    scales = exponential(p["σ"]) + half_cauchy(p["τₐ"]) + half_cauchy(p["τᵦ"])
    priors = normal(p["α"], MEAN, 2.5 * SD) + normal(p["αⱼ"], 0, p["τₐ"]) + normal(p["βⱼ"], 0, 1)
    return scales + priors + normal(Y, mean, p["σ"])


def correlated_varying_intercept_slope(p: Point) -> float:
    factor = np.diag(p["τ"]) @ p["Ω"] + 1e-6 * np.eye(5)
    beta = factor @ factor.T @ p["γ"]
    mean = (X1 * beta[:, IDX].T).sum(1)
    priors = lkj_factor(p["Ω"], 2.0) + exponential(p["σ"]) + half_cauchy(p["τ"]) + normal(p["γ"], 0, 5)
    return priors + normal(Y, mean, p["σ"])


def slopes_by_group(p: Point) -> float:
    slopes = p["z"] * p["τ"][None, :]
    mean = p["α"] + (X * slopes[:, IDX].T).sum(1)
    priors = normal(p["α"], MEAN, 2.5 * SD) + exponential(p["σ"]) + half_cauchy(p["τ"]) + normal(p["z"], 0, 1)
    return priors + normal(Y, mean, p["σ"])


def intercepts_and_slopes_by_group(p: Point) -> float:
    slopes = p["μᵦ"][:, None] + p["τᵦ"][:, None] * p["zᵦ"]
    mean = p["α"] + (p["τₐ"] * p["zₐ"])[IDX] + (X * slopes[:, IDX].T).sum(1)
    scales = exponential(p["σ"]) + half_cauchy(p["τₐ"]) + half_cauchy(p["τᵦ"])
    priors = normal(p["α"], MEAN, 2.5 * SD) + normal(p["μᵦ"], 0, 2) + normal(p["zₐ"], 0, 1) + normal(p["zᵦ"], 0, 1)
    return scales + priors + normal(Y, mean, p["σ"])


def correlated_intercepts_and_slopes(p: Point) -> float:
    design = np.column_stack([np.ones(len(X)), X[:, 1:]])
    factor = np.diag(p["τ"]) @ p["Ω"]
    beta = np.concatenate([[p["μ₁"]], p["μ₂"]])[:, None] + factor @ p["z"]
    mean = (design * beta[:, IDX].T).sum(1)
    scales = exponential(p["σ"]) + half_cauchy(p["τ"]) + lkj_factor(p["Ω"], 2.0)
    priors = normal(p["μ₁"], MEAN, 2.5 * SD) + normal(p["μ₂"], 0, 10) + normal(p["z"], 0, 1)
    return scales + priors + normal(Y, mean, p["σ"])


# ── points ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def real(*shape: int) -> Callable[[np.random.Generator], Any]:
    return lambda rng: rng.normal(0, 2, shape)


def positive(*shape: int) -> Callable[[np.random.Generator], Any]:
    return lambda rng: np.exp(rng.normal(0.5, 0.7, shape))


def factor(d: int) -> Callable[[np.random.Generator], Floats]:
    """A lower Cholesky factor of a correlation matrix."""

    def draw(rng: np.random.Generator) -> Floats:
        lower = np.tril(rng.normal(size=(d, d)), -1) + np.diag(np.exp(rng.normal(size=d)))
        return np.asarray(lower / np.linalg.norm(lower, axis=1, keepdims=True))

    return draw


SITES: dict[str, tuple[Hand, dict[str, Callable[[np.random.Generator], Any]]]] = {
    "varying_intercept": (
        varying_intercept,
        {"α": real(), "β": real(4), "σ": positive(), "τ": positive(), "αⱼ": real(2)},
    ),
    "varying_slope": (varying_slope, {"α": real(), "σ": positive(), "τ": positive(2), "βⱼ": real(4, 2)}),
    "varying_intercept_slope": (
        varying_intercept_slope,
        {"α": real(), "σ": positive(), "τₐ": positive(), "τᵦ": positive(2), "αⱼ": real(2), "βⱼ": real(4, 2)},
    ),
    "correlated_varying_intercept_slope": (
        correlated_varying_intercept_slope,
        {"Ω": factor(5), "σ": positive(), "τ": positive(5), "γ": real(5, 2)},
    ),
    "slopes_by_group": (slopes_by_group, {"α": real(), "σ": positive(), "τ": positive(2), "z": real(4, 2)}),
    "intercepts_and_slopes_by_group": (
        intercepts_and_slopes_by_group,
        {
            "α": real(), "μᵦ": real(4), "σ": positive(), "τₐ": positive(), "τᵦ": positive(4), "zₐ": real(2),
            "zᵦ": real(4, 2),
        },
    ),
    "correlated_intercepts_and_slopes": (
        correlated_intercepts_and_slopes,
        {"σ": positive(), "μ₁": real(), "μ₂": real(3), "τ": positive(4), "Ω": factor(4), "z": real(4, 2)},
    ),
}  # fmt: skip


def agrees(bound: mlmdsl.Bound, name: str) -> None:
    """The program's log density equals the one by hand at every point, to rounding: sums of 160 terms, 1e-10 relative."""
    hand, sites = SITES[name]
    rng = np.random.default_rng(20)
    for _ in range(POINTS):
        point = {site: draw(rng) for site, draw in sites.items()}
        assert log_density(bound, point) == pytest.approx(hand(point), rel=1e-10)


@pytest.mark.parametrize("spec", [spec.name for spec in mlmdsl.shipped()])
def test_shipped_spec(spec: str) -> None:
    agrees(mlmdsl.load(spec).bind(), Path(spec).name)


@pytest.mark.parametrize("name", list(LISTINGS))
def test_pasted_listing(name: str) -> None:
    """The tutorial's text as it stands, with only the data block put above it."""
    block = DATA.replace("dummies(cheese)", "hcat(1, dummies(cheese))") if name.startswith("correlated") else DATA
    agrees(mlmdsl.parse(block + LISTINGS[name]).bind(data=CHEESE), name)
