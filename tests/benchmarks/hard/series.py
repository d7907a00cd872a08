"""Hard models of series: each value follows from the one before."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from tests.benchmarks.hard.densities import (
    exponential,
    half_cauchy,
    half_normal,
    half_normal_at,
    log_normal,
    normal,
    uniform,
)
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


def volatility_data() -> dict[str, Any]:
    rng = np.random.default_rng(20)
    return {"y": np.exp((-1 + autoregression(rng, 200, 0.95, 0.3)) / 2) * rng.normal(size=200)}


def volatility(data: Data, p: Point) -> float:
    h, μ, φ, σ = p["h"], p["μ"], p["φ"], p["σ"]
    priors = normal(μ, 0, 5) + uniform(φ, -1, 1) + exponential(σ, 0.5)
    states = normal(h[0], μ, σ / np.sqrt(1 - φ**2)) + normal(h[1:], μ + φ * (h[:-1] - μ), σ)
    return priors + states + normal(data["y"], 0, np.exp(h / 2))


def garch_data() -> dict[str, Any]:
    rng = np.random.default_rng(7)
    y, h = np.zeros(200), 1.0
    for t in range(200):
        y[t] = rng.normal(0.3, np.sqrt(h))
        h = 0.2 + 0.3 * (y[t] - 0.3) ** 2 + 0.5 * h
    return {"y": y}


def garch(data: Data, p: Point) -> float:
    y, h = data["y"], np.zeros(len(data["y"]))
    h[0] = y.var(ddof=1)
    for t in range(1, len(y)):
        h[t] = p["ω"] + p["α"] * (y[t - 1] - p["μ"]) ** 2 + p["β"] * h[t - 1]
    priors = normal(p["μ"], 0, 10) + half_normal(p["ω"], 5) + uniform(p["β"], 0, float(1 - p["α"]))
    return priors + normal(y, p["μ"], np.sqrt(h))


def hmm_data() -> dict[str, Any]:
    rng = np.random.default_rng(8)
    state, y = 0, np.zeros(100)
    for t in range(100):
        y[t] = rng.normal((3.0, 6.0)[state], 1.2)
        state = state if rng.random() < (0.85, 0.7)[state] else 1 - state
    return {"y": y}


def hmm(data: Data, p: Point) -> float:
    """By products of matrices, scaled at each step; the ordered means lack the constant log 2!."""
    stay = p["stay"]
    move = np.array([[stay[0], 1 - stay[0]], [1 - stay[1], stay[1]]])
    emission = stats.norm(p["μ"], p["σ"]).pdf(data["y"][:, None])
    share, total = np.array([0.5, 0.5]) * emission[0], 0.0
    for each in emission[1:]:
        total += float(np.log(share.sum()))
        share = (share / share.sum()) @ move * each
    priors = float(stats.beta(4, 2).logpdf(stay).sum()) + normal(p["μ"], 0, 5) + exponential(p["σ"])
    return priors + total + float(np.log(share.sum()))


def slope(state: Array, p: Point) -> Array:
    """Of prey and predators."""
    u, v = state
    return np.array([(p["α"] - p["β"] * v) * u, (-p["γ"] + p["δ"] * u) * v])


def trajectory(p: Point, years: int, steps: int = 5) -> Array:
    """(years, 2), by the classic Runge–Kutta method."""
    state, states, h = np.asarray(p["start"], float), [], 1 / steps
    for _ in range(years):
        states.append(state)
        for _ in range(steps):
            k1 = slope(state, p)
            k2 = slope(state + h / 2 * k1, p)
            k3 = slope(state + h / 2 * k2, p)
            k4 = slope(state + h * k3, p)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return np.stack(states)


def lotka_volterra_data() -> dict[str, Any]:
    rng = np.random.default_rng(9)
    truth = {"α": 0.55, "β": 0.028, "γ": 0.8, "δ": 0.024, "start": [34.0, 6.0]}
    seen = trajectory(truth, 21) * np.exp(rng.normal(0, 0.25, (21, 2)))
    return {"hare": seen[:, 0], "lynx": seen[:, 1]}


def lotka_volterra(data: Data, p: Point) -> float:
    total = sum(half_normal_at(p[name], 1, 0.5) for name in "αγ") + sum(
        half_normal_at(p[name], 0.05, 0.05) for name in "βδ"
    )
    total += log_normal(p["start"], np.log(10), 1) + log_normal(p["σ"], -1, 1)
    seen = np.stack([data["hare"], data["lynx"]], 1)
    return total + log_normal(seen, np.log(trajectory(p, len(seen))), p["σ"])


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
    HardModel(
        "volatility",
        "stochastic volatility of 200 points",
        volatility_data,
        {"μ": Site(), "φ": Site("unit"), "σ": Site("positive"), "h": Site(shape=(200,))},
        volatility,
        entrywise=("h",),
    ),
    HardModel(
        "garch",
        "GARCH(1, 1) of 200 points",
        garch_data,
        {"μ": Site(), "ω": Site("positive"), "α": Site("unit"), "β": Site("unit")},
        garch,
    ),
    HardModel(
        "hmm",
        "hidden Markov, two states, 100 points by forward sums",
        hmm_data,
        {"stay": Site("unit", (2,)), "μ": Site("ordered", (2,), 4), "σ": Site("positive")},
        hmm,
    ),
    HardModel(
        "lotka_volterra",
        "differential equation by 100 Runge–Kutta steps",
        lotka_volterra_data,
        {
            "α": Site("positive", (), -0.6, 0.1),
            "β": Site("positive", (), -3.6, 0.1),
            "γ": Site("positive", (), -0.2, 0.1),
            "δ": Site("positive", (), -3.7, 0.1),
            "start": Site("positive", (2,), 2.5, 0.2),
            "σ": Site("positive", (2,), -1),
        },
        lotka_volterra,
    ),
)
