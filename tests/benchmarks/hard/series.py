"""Hard models of series: each value follows from the one before."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.benchmarks.hard.densities import exponential, half_cauchy, normal, uniform
from tests.benchmarks.hard.model import Array, Data, HardModel, Point, Site


def autoregression(rng: np.random.Generator, length: int, φ: float, σ: float) -> Array:
    """h₁ ~ N(0, 1), hₜ ~ N(φ·hₜ₋₁, σ)."""
    h = np.zeros(length)
    h[0] = rng.normal()
    for t in range(1, length):
        h[t] = rng.normal(φ * h[t - 1], σ)
    return h


def arma_data() -> dict[str, Any]:
    rng = np.random.default_rng(4)
    e = rng.normal(0, 0.15, 200)
    y = np.zeros(200)
    y[0] = e[0]
    for t in range(1, 200):
        y[t] = 0.95 * y[t - 1] + 0.2 * e[t - 1] + e[t]
    return {"y": y}


def arma(data: Data, p: Point) -> float:
    y, μ, φ, θ = data["y"], p["μ"], p["φ"], p["θ"]
    err = np.zeros(len(y))
    err[0] = y[0] - (μ + φ * μ)
    for t in range(1, len(y)):
        err[t] = y[t] - (μ + φ * y[t - 1] + θ * err[t - 1])
    return normal(μ, 0, 10) + normal(φ, 0, 2) + normal(θ, 0, 2) + half_cauchy(p["σ"], 2.5) + normal(err, 0, p["σ"])


def latent_ar1_data() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    return {"y": autoregression(rng, 200, 0.8, 0.5) + rng.normal(0, 0.3, 200)}


def latent_ar1(data: Data, p: Point) -> float:
    h = p["h"]
    priors = uniform(p["φ"], -1, 1) + exponential(p["σ"]) + exponential(p["τ"])
    return priors + normal(h[0], 0, 1) + normal(h[1:], p["φ"] * h[:-1], p["σ"]) + normal(data["y"], h, p["τ"])


SERIES = (
    HardModel(
        "arma",
        "ARMA(1, 1) of 200 points by @addlogprob!",
        arma_data,
        {"μ": Site(), "φ": Site(), "θ": Site(), "σ": Site("positive")},
        arma,
    ),
    HardModel(
        "latent_ar1",
        "latent AR(1) of 200 points under noise",
        latent_ar1_data,
        {"φ": Site("unit"), "σ": Site("positive"), "τ": Site("positive"), "h": Site(shape=(200,))},
        latent_ar1,
        entrywise=("h",),
    ),
)
