"""Hard generalised linear models, with effects of groups and without."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats
from scipy.special import expit

from tests.benchmarks.hard import densities
from tests.benchmarks.hard.densities import (
    bernoulli_logit,
    exponential,
    gamma,
    half_cauchy,
    log_poisson,
    normal,
    uniform,
)
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


def scales_data() -> dict[str, Any]:
    rng = np.random.default_rng(12)
    units = np.array([1e-4, 1e-2, 1.0, 1e3, 1e5])
    z = rng.normal(size=(300, 5))
    logits = 0.3 + z @ np.array([1.0, -0.5, 0.7, -1.2, 0.4])
    return {"X": z * units, "y": (rng.random(300) < 1 / (1 + np.exp(-logits))).astype(np.int64)}


def scales(data: Data, p: Point) -> float:
    logits = p["α"] + data["X"] @ p["β"]
    return normal(p["α"], 0, 10) + normal(p["β"], 0, 10_000) + bernoulli_logit(data["y"], logits)


def offset_data() -> dict[str, Any]:
    rng = np.random.default_rng(13)
    x = rng.normal(size=100)
    return {"x": x, "y": 1e6 + 5 * x + rng.logistic(0, 2, 100)}


def offset(data: Data, p: Point) -> float:
    priors = normal(p["α"], 0, 1e7) + normal(p["β"], 0, 100) + half_cauchy(p["σ"], 10)
    return priors + float(stats.logistic(p["α"] + p["β"] * data["x"], p["σ"]).logpdf(data["y"]).sum())


def grouped(rng: np.random.Generator, rows: int, groups: int, τ: float) -> tuple[Any, Any, Any]:
    """A predictor, the group of each row from 1, and its effect."""
    group = rng.permutation(np.arange(rows) % groups)
    return rng.normal(size=rows), group + 1, rng.normal(0, τ, groups)[group]


def ordered_logit_data() -> dict[str, Any]:
    rng = np.random.default_rng(14)
    x, group, effect = grouped(rng, 400, 25, 0.8)
    noisy = 1.2 * x + effect + rng.logistic(size=400)
    return {"x": x, "group": group, "y": np.searchsorted([-2.0, -0.5, 1.0, 2.5], noisy) + 1}


def ordered_logit(data: Data, p: Point) -> float:
    """P(y ≤ k) = logistic(cₖ − η); the ordered cuts lack the constant log 4!."""
    linear = p["β"] * data["x"] + p["u"][data["group"] - 1]
    below = expit(np.concatenate([[-np.inf], p["c"], [np.inf]])[:, None] - linear)
    rows = np.arange(len(linear))
    priors = normal(p["c"], 0, 5) + normal(p["β"], 0, 2) + exponential(p["τ"]) + normal(p["u"], 0, p["τ"])
    return priors + float(np.log(below[data["y"], rows] - below[data["y"] - 1, rows]).sum())


def negative_binomial_data() -> dict[str, Any]:
    rng = np.random.default_rng(15)
    x, group, effect = grouped(rng, 300, 30, 0.6)
    return {"x": x, "group": group, "y": rng.poisson(rng.gamma(1.5, np.exp(2 + 0.8 * x + effect) / 1.5))}


def negative_binomial(data: Data, p: Point) -> float:
    μ = np.exp(p["α"] + p["β"] * data["x"] + p["u"][data["group"] - 1])
    priors = normal(p["α"], 0, 5) + normal(p["β"], 0, 2) + exponential(p["τ"]) + exponential(p["r"], 10)
    return (
        priors + normal(p["u"], 0, p["τ"]) + float(stats.nbinom(p["r"], p["r"] / (p["r"] + μ)).logpmf(data["y"]).sum())
    )


def student_t_data() -> dict[str, Any]:
    rng = np.random.default_rng(16)
    x = rng.normal(size=100)
    return {"x": x, "y": 2 - 3 * x + 1.5 * rng.standard_t(3, 100)}


def student_t(data: Data, p: Point) -> float:
    priors = normal(p["α"], 0, 10) + normal(p["β"], 0, 10) + half_cauchy(p["σ"], 5)
    priors += gamma(p["ν"], 2, 10)
    return priors + densities.student_t(data["y"], p["ν"], p["α"] + p["β"] * data["x"], p["σ"])


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
    HardModel(
        "scales",
        "logistic regression, units from 1e-4 to 1e5",
        scales_data,
        {"α": Site(), "β": Site(shape=(5,), spread=1e-4)},
        scales,
    ),
    HardModel(
        "offset",
        "a response around 10⁶",
        offset_data,
        {"α": Site(around=1e6), "β": Site(around=5), "σ": Site("positive")},
        offset,
    ),
    HardModel(
        "ordered_logit",
        "ordered logit, 25 groups",
        ordered_logit_data,
        {"c": Site("ordered", (4,), spread=2), "β": Site(), "τ": Site("positive"), "u": Site(shape=(25,))},
        ordered_logit,
    ),
    HardModel(
        "negative_binomial",
        "negative binomial, 30 groups",
        negative_binomial_data,
        {"α": Site(), "β": Site(), "τ": Site("positive"), "r": Site("positive"), "u": Site(shape=(30,))},
        negative_binomial,
    ),
    HardModel(
        "student_t",
        "Student-t regression, ν sampled",
        student_t_data,
        {"α": Site(), "β": Site(), "σ": Site("positive"), "ν": Site("positive", (), 1)},
        student_t,
    ),
)
