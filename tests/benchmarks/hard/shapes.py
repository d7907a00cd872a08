"""Posteriors whose shape is hard by itself: funnels, and mixtures of modes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from tests.benchmarks.hard.densities import half_normal, normal
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
)
