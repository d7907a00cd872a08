"""Hard generalised linear models, with effects of groups and without."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.benchmarks.hard.densities import bernoulli_logit, log_poisson, normal, uniform
from tests.benchmarks.hard.model import Data, HardModel, Point, Site


def poisson_glm_data() -> dict[str, Any]:
    x = np.linspace(-50, 50, 40)
    return {"x": x, "y": np.random.default_rng(1).poisson(np.exp(3 + 0.02 * x))}


def poisson_glm(data: Data, p: Point) -> float:
    return normal(p["a"], 0, 10) + normal(p["b"], 0, 10) + log_poisson(data["y"], p["a"] + p["b"] * data["x"])


def poisson_glmm_data() -> dict[str, Any]:
    """Forty years, standardised: the cubic trend reaches beyond ±5 at the ends."""
    rng = np.random.default_rng(2)
    year = (np.arange(40) - 19.5) / 11.5
    log_rate = 4.3 + 0.8 * year - 0.05 * year**2 - 0.25 * year**3 + rng.normal(0, 0.2, 40)
    return {"year": year, "y": rng.poisson(np.exp(log_rate))}


def poisson_glmm(data: Data, p: Point) -> float:
    year, beta = data["year"], p["β"]
    log_rate = p["α"] + beta[0] * year + beta[1] * year**2 + beta[2] * year**3 + p["ε"]
    priors = uniform(p["α"], -20, 20) + uniform(beta, -10, 10) + uniform(p["σ"], 0, 5)
    return priors + normal(p["ε"], 0, p["σ"]) + log_poisson(data["y"], log_rate)


def election_data() -> dict[str, Any]:
    """2 000 answers; the state's share of the vote before goes by state, and so does the region."""
    rng = np.random.default_rng(3)
    n = 2000
    age, edu = rng.integers(1, 5, n), rng.integers(1, 5, n)
    state = np.concatenate([np.arange(1, 52), rng.choice(51, n - 51, p=rng.dirichlet(np.ones(51))) + 1])
    region = rng.integers(1, 6, 51)[state - 1]
    v_prev = rng.uniform(0.35, 0.6, 51)[state - 1]
    black, female = (rng.random(n) < 0.1).astype(float), (rng.random(n) < 0.55).astype(float)
    effects = [rng.normal(0, scale, size) for scale, size in ((0.1, 4), (0.2, 4), (0.15, 16), (0.35, 51), (0.3, 5))]
    index = age, edu, (age - 1) * 4 + edu, state, region
    logits = -2.5 - 1.7 * black - 0.1 * female + 5 * v_prev - 0.2 * black * female
    logits = logits + sum(effect[each - 1] for effect, each in zip(effects, index, strict=True))
    names = "age", "edu", "age_edu", "state", "region"
    y = (rng.random(n) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    return {"y": y, "black": black, "female": female, "v_prev": v_prev, **dict(zip(names, index, strict=True))}


ELECTION_EFFECTS = {"a": "age", "b": "edu", "c": "age_edu", "d": "state", "e": "region"}


def election(data: Data, p: Point) -> float:
    beta, black, female = p["β"], data["black"], data["female"]
    logits = beta[0] + beta[1] * black + beta[2] * female + beta[3] * data["v_prev"] + beta[4] * female * black
    total = normal(beta, 0, 100)
    for effect, factor in ELECTION_EFFECTS.items():
        scale = p[f"σ_{factor}"]
        total += uniform(scale, 0, 100) + normal(p[effect], 0, scale)
        logits = logits + p[effect][data[factor] - 1]
    return total + bernoulli_logit(data["y"], logits)


REGRESSIONS = (
    HardModel(
        "poisson_glm",
        "Poisson regression on a predictor of −50 … 50",
        poisson_glm_data,
        {"a": Site(around=3), "b": Site(spread=0.02)},
        poisson_glm,
    ),
    HardModel(
        "poisson_glmm",
        "Poisson, cubic trend, effects of years",
        poisson_glmm_data,
        {"α": Site(around=4), "β": Site(shape=(3,)), "σ": Site("positive"), "ε": Site(shape=(40,))},
        poisson_glmm,
    ),
    HardModel(
        "election",
        "logistic, five crossed factors, flat scales",
        election_data,
        {
            "β": Site(shape=(5,)),
            **{f"σ_{factor}": Site("positive") for factor in ELECTION_EFFECTS.values()},
            **{name: Site(shape=(size,)) for name, size in zip("abcde", (4, 4, 16, 51, 5), strict=True)},
        },
        election,
    ),
)
