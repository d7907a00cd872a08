"""Effects integrated out and drawn again, or sampled with the rest: the same posterior.

The models are such that plain NUTS can be trusted with them: many rows for each group and scales well away from 0, so that
there is no neck in which the sampler of all dimensions would diverge; that it does not is asserted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

import mlmdsl
from mlmdsl.results.diagnostics import mcse_mean

FALSE_ALARMS = 1e-4
"""How often a model would fail by chance, its Monte Carlo errors taken as normal: 1 in 1 000 runs of all."""

Arguments = Mapping[str, Any]
Random = np.random.Generator
Array = npt.NDArray[Any]


class Case(NamedTuple):
    """A model, its data, and the effects that are to be integrated out."""

    spec: Callable[[], mlmdsl.Spec]
    data: Callable[[Random], Arguments]
    marginalized: set[str]


def written(text: str) -> Callable[[], mlmdsl.Spec]:
    return lambda: mlmdsl.parse(text)


def shipped(name: str) -> Callable[[], mlmdsl.Spec]:
    return lambda: mlmdsl.load(name)


def regression(random: Random) -> Arguments:
    X = random.normal(size=(60, 3))
    return {"X": X, "y": 1 + X @ [0.5, -1.0, 0.0] + 0.7 * random.normal(size=60)}


def one_factor(random: Random) -> Arguments:
    idx = np.tile(np.arange(1, 11), 12)
    return {"idx": idx, "y": 2 + random.normal(size=10)[idx - 1] + 0.8 * random.normal(size=120)}


def crossed(random: Random) -> Arguments:
    rater, item = (part.ravel() + 1 for part in np.meshgrid(np.arange(8), np.arange(12)))
    mean = random.normal(size=8)[rater - 1] + 0.7 * random.normal(size=12)[item - 1]
    return {"rater": rater, "item": item, "y": mean + 0.5 * random.normal(size=96)}


def nested(random: Random) -> Arguments:
    school = np.tile(np.arange(1, 41), 6)
    district = (np.arange(40) // 4 + 1)[school - 1]
    mean = 1.5 * random.normal(size=10)[district - 1] + random.normal(size=40)[school - 1]
    return {"district": district, "school": school, "y": mean + 0.6 * random.normal(size=240)}


def by_group(random: Random) -> Arguments:
    """Two predictors, with coefficients of each of 16 groups."""
    idx = np.tile(np.arange(1, 17), 16)
    X = random.normal(size=(256, 2))
    slopes = np.array([1.0, -0.5]) + random.normal(size=(16, 2))
    return {"X": X, "idx": idx, "y": random.normal(size=16)[idx - 1] + drawn_rows(X, slopes, idx, random)}


def correlated(random: Random) -> Arguments:
    """An intercept and a slope, correlated, of each of 16 groups."""
    idx = np.tile(np.arange(1, 17), 16)
    X = np.stack([np.ones(256), random.normal(size=256)], 1)
    effects = random.normal(size=(16, 2)) @ np.array([[1.0, 0.5], [0.0, 0.9]])
    return {"X": X, "idx": idx, "y": drawn_rows(X, np.array([1.0, -0.5]) + effects, idx, random)}


def few_groups(random: Random) -> Arguments:
    """Four predictors, with coefficients of each of four groups."""
    idx = np.tile(np.arange(1, 5), 40)
    X = random.normal(size=(160, 4))
    return {"X": X, "idx": idx, "y": 1 + drawn_rows(X, 1.2 * random.normal(size=(4, 4)), idx, random)}


def drawn_rows(X: Array, coefficients: Array, idx: Array, random: Random) -> Array:
    """Rows with the coefficients of their groups, and noise."""
    rows: Array = (X * coefficients[idx - 1]).sum(1) + 0.8 * random.normal(size=len(idx))
    return rows


CASES = {
    "regression": Case(
        written("""
@model function regression(X, y)
    α ~ Normal(0, 5)
    β ~ MvNormal(zeros(size(X, 2)), 4 * I)
    σ ~ Exponential(1)
    y ~ MvNormal(α .+ X * β, σ^2 * I)
end"""),
        regression,
        {"α", "β"},
    ),
    "one factor, centred": Case(
        written("""
@model function groups(idx, y; J=length(unique(idx)))
    μ ~ Normal(0, 5)
    τ ~ Exponential(1)
    σ ~ Exponential(1)
    α ~ filldist(Normal(μ, τ), J)
    y .~ Normal.(α[idx], σ)
end"""),
        one_factor,
        {"μ", "α"},
    ),
    "crossed": Case(
        written("""
@model function crossed(rater, item, y)
    μ ~ Normal(0, 5)
    τ ~ filldist(Exponential(1), 2)
    σ ~ Exponential(1)
    a ~ filldist(Normal(0, τ[1]), length(unique(rater)))
    b ~ filldist(Normal(0, τ[2]), length(unique(item)))
    y ~ MvNormal(μ .+ a[rater] .+ b[item], σ^2 * I)
end"""),
        crossed,
        {"μ", "a", "b"},
    ),
    "nested": Case(
        written("""
@model function nested(district, school, y)
    τ ~ filldist(Exponential(1), 2)
    σ ~ Exponential(1)
    z ~ filldist(Normal(0, 1), length(unique(district)))
    a := τ[1] .* z
    b ~ filldist(Normal(0, τ[2]), length(unique(school)))
    y ~ MvNormal(a[district] .+ b[school], σ^2 * I)
end"""),
        nested,
        {"z", "b"},
    ),
    "slopes": Case(shipped("multilevel/slopes_by_group"), few_groups, {"α", "z"}),
    "intercepts and slopes": Case(
        shipped("multilevel/intercepts_and_slopes_by_group"), by_group, {"α", "μᵦ", "zₐ", "zᵦ"}
    ),
    "correlated": Case(shipped("multilevel/correlated_intercepts_and_slopes"), correlated, {"μ₁", "μ₂", "z"}),
}


@pytest.mark.parametrize("name", CASES)
def test_integrated_out_or_sampled_the_posterior_is_the_same(name: str) -> None:
    """Every entry's mean, and its mean square about one point for both, hence its standard deviation."""
    case = CASES[name]
    bound = case.spec().bind(**case.data(np.random.default_rng(5)))
    assert set(bound.marginalized) == case.marginalized
    run = partial(bound.sample, seed=3, chains=8, draws=500, tune=400, target_accept=0.95)
    whole, sampled = run(marginalize="auto"), run(marginalize="off")
    assert sampled.run.marginalized == ()
    assert sampled.run.divergences == 0
    assert list(whole.values) == list(sampled.values)
    scores = np.concatenate([standard_scores(whole.values[name], sampled.values[name]) for name in whole.values])
    assert abs(scores).max() < stats.norm.isf(FALSE_ALARMS / 2 / len(scores))


def standard_scores(one: Array, other: Array) -> Array:
    """Differences of the first two moments over their standard errors, of the entries that vary; (chain, draw, …)."""
    centre = (one.mean((0, 1)) + other.mean((0, 1))) / 2
    scores = []
    for a, b in ((one, other), ((one - centre) ** 2, (other - centre) ** 2)):
        varies = a.std((0, 1)) > 0
        error = np.hypot(mcse_mean(a), mcse_mean(b))
        scores.append(((a.mean((0, 1)) - b.mean((0, 1)))[varies] / error[varies]).ravel())
    return np.concatenate(scores)
