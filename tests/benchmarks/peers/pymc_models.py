"""PyMC programs: the tutorial's four listings, variable for variable those of tests/inference/models.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pymc as pm
from pytensor import tensor as pt

from tests.benchmarks.peers.cheese import GROUP, MEAN, SD, X1, X, Y


def varying_intercept() -> None:
    α = pm.Normal("α", MEAN, 2.5 * SD)
    β = pm.Normal("β", 0, 2, shape=4)
    σ = pm.Exponential("σ", scale=SD)
    τ = pm.HalfCauchy("τ", 2)
    αⱼ = pm.Normal("αⱼ", 0, τ, shape=2)
    pm.Normal("y", α + X @ β + αⱼ[GROUP], σ, observed=Y)


def varying_slope() -> None:
    α = pm.Normal("α", MEAN, 2.5 * SD)
    σ = pm.Exponential("σ", scale=SD)
    τ = pm.HalfCauchy("τ", 2, shape=2)
    βⱼ = pm.Normal("βⱼ", 0, 1, shape=(4, 2))
    pm.Normal("y", α + X @ βⱼ @ τ, σ, observed=Y)


def varying_intercept_slope() -> None:
    α = pm.Normal("α", MEAN, 2.5 * SD)
    σ = pm.Exponential("σ", scale=SD)
    τₐ = pm.HalfCauchy("τₐ", 2)
    τᵦ = pm.HalfCauchy("τᵦ", 2, shape=2)
    αⱼ = pm.Normal("αⱼ", 0, τₐ, shape=2)
    βⱼ = pm.Normal("βⱼ", 0, 1, shape=(4, 2))
    pm.Normal("y", α + αⱼ[GROUP] + X @ βⱼ @ τᵦ, σ, observed=Y)


def correlated_varying_intercept_slope() -> None:
    scales = pm.HalfCauchy.dist(2, shape=5)
    factor, _, τ = pm.LKJCholeskyCov("L", n=5, eta=2, sd_dist=scales, compute_corr=True, store_in_trace=False)
    pm.Deterministic("Ω", factor / τ[:, None])
    pm.Deterministic("τ", τ)
    σ = pm.Exponential("σ", scale=SD)
    γ = pm.Normal("γ", 0, 5, shape=(5, 2))
    L = factor + 1e-6 * np.eye(5)
    β = L @ L.T @ γ
    pm.Normal("y", pt.sum(X1 * β.T[GROUP], axis=-1), σ, observed=Y)


CHEESE_MODELS: dict[str, Callable[[], None]] = {
    model.__name__: model
    for model in (varying_intercept, varying_slope, varying_intercept_slope, correlated_varying_intercept_slope)
}
REPORTED = ("α", "β", "σ", "τ", "τₐ", "τᵦ", "αⱼ", "βⱼ", "γ", "Ω")
"""What the other libraries call parameters; `L`, from which Ω and τ are computed, is not."""


def built(name: str) -> pm.Model:
    """The PyMC model of that name."""
    with pm.Model() as model:
        CHEESE_MODELS[name]()
    return model
