"""Posteriors whose shape is hard by itself: funnels, mixtures of modes, products of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from tests.benchmarks.hard.densities import bernoulli_logit, exponential, half_cauchy, half_normal, log_normal, normal
from tests.benchmarks.hard.model import Data, HardModel, Point, Site


def funnel(data: Data, p: Point) -> float:
    return normal(p["v"], 0, 3) + normal(p["x"], 0, np.exp(p["v"] / 2))


def mixture_data() -> dict[str, Any]:
    rng = np.random.default_rng(6)
    first = rng.random(1000) < 0.4
    return {"y": np.where(first, rng.normal(-2, 1, 1000), rng.normal(2, 0.7, 1000))}


def mixture(data: Data, p: Point) -> float:
    """The density of ordered means is that of any two, restricted: it lacks the constant log 2!."""
    parts = stats.norm(p["μ"], p["σ"]).logpdf(data["y"][:, None]) + np.log([p["θ"], 1 - p["θ"]])
    priors = normal(p["μ"], 0, 2) + half_normal(p["σ"], 2) + float(stats.beta(5, 5).logpdf(p["θ"]))
    return priors + float(np.logaddexp(parts[:, 0], parts[:, 1]).sum())


def eight_schools_data() -> dict[str, Any]:
    return {"y": np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), "s": np.array([15.0, 10, 16, 11, 9, 11, 10, 18])}


def eight_schools(data: Data, p: Point) -> float:
    priors = normal(p["μ"], 0, 5) + half_cauchy(p["τ"], 5) + normal(p["θ"], p["μ"], p["τ"])
    return priors + normal(data["y"], p["θ"], data["s"])


def horseshoe_data() -> dict[str, Any]:
    rng = np.random.default_rng(10)
    X = rng.normal(size=(60, 20))
    return {"X": X, "y": X[:, :3] @ np.array([2.0, -1.5, 1.0]) + rng.normal(0, 1, 60)}


def horseshoe(data: Data, p: Point) -> float:
    priors = normal(p["α"], 0, 5) + exponential(p["σ"]) + half_cauchy(p["τ"], 0.1)
    priors += half_cauchy(p["λ"], 1) + normal(p["z"], 0, 1)
    return priors + normal(data["y"], p["α"] + data["X"] @ (p["z"] * p["λ"] * p["τ"]), p["σ"])


def irt_2pl_data() -> dict[str, Any]:
    """100 persons, 20 items, each answered by each."""
    rng = np.random.default_rng(11)
    person, item = (each.ravel() for each in np.meshgrid(np.arange(100), np.arange(20), indexing="ij"))
    θ, a, b = rng.normal(0, 1, 100), rng.lognormal(0, 0.4, 20), rng.normal(0.5, 1, 20)
    logits = a[item] * (θ[person] - b[item])
    y = (rng.random(2000) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    return {"person": person + 1, "item": item + 1, "y": y}


def irt_2pl(data: Data, p: Point) -> float:
    person, item = data["person"] - 1, data["item"] - 1
    priors = sum(half_cauchy(p[scale], 2) for scale in ("σ_θ", "σ_a", "σ_b")) + normal(p["μ_b"], 0, 5)
    priors += normal(p["θ"], 0, p["σ_θ"]) + log_normal(p["a"], 0, p["σ_a"]) + normal(p["b"], p["μ_b"], p["σ_b"])
    return priors + bernoulli_logit(data["y"], p["a"][item] * (p["θ"][person] - p["b"][item]))


SHAPES = (
    HardModel(
        "funnel",
        "Neal's funnel, centred, 10 dimensions",
        dict,
        {"v": Site(), "x": Site(shape=(9,))},
        funnel,
    ),
    HardModel(
        "mixture",
        "two normal components with ordered means",
        mixture_data,
        {"μ": Site("ordered", (2,)), "σ": Site("positive", (2,)), "θ": Site("unit")},
        mixture,
    ),
    HardModel(
        "eight_schools",
        "eight schools, centred",
        eight_schools_data,
        {"μ": Site(), "τ": Site("positive"), "θ": Site(shape=(8,))},
        eight_schools,
    ),
    HardModel(
        "horseshoe",
        "sparse regression, 20 predictors, horseshoe",
        horseshoe_data,
        {
            "α": Site(),
            "σ": Site("positive"),
            "τ": Site("positive"),
            "λ": Site("positive", (20,)),
            "z": Site(shape=(20,)),
        },
        horseshoe,
    ),
    HardModel(
        "irt_2pl",
        "item response, 100 persons × 20 items",
        irt_2pl_data,
        {
            **{scale: Site("positive") for scale in ("σ_θ", "σ_a", "σ_b")},
            "θ": Site(shape=(100,)),
            "a": Site("positive", (20,)),
            "μ_b": Site(),
            "b": Site(shape=(20,)),
        },
        irt_2pl,
    ),
)
