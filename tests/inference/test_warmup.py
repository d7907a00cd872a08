"""Warm-up from bad starts: whole runs whose chains all come to the posterior, and what a run says where they do not.

Seeds are fixed, so that a test that passes keeps passing on one machine; false-alarm rates are those of new seeds.
"""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from numpy.typing import NDArray

from mlmdsl.inference import Draws, sample
from mlmdsl.inference.adaptation import StepSizes
from mlmdsl.inference.engine import build_engine
from mlmdsl.inference.sampler import Sampler
from mlmdsl.inference.session import Session
from mlmdsl.inference.settings import Settings
from mlmdsl.inference.sites import read_sites
from mlmdsl.inference.tree import COLUMNS
from mlmdsl.results.diagnostics import rhat

from .models import Model

X = torch.linspace(-50, 50, 40, dtype=torch.float64)
COUNTS = torch.from_numpy(np.random.default_rng(3).poisson(np.exp(3 + 0.02 * X.numpy())).astype(float))


def real(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def poisson() -> None:
    """Starts on (−2, 2)² have log densities down to −10⁴⁴ and gradients as large."""
    a = pyro.sample("a", dist.Normal(real(0), real(10)))
    b = pyro.sample("b", dist.Normal(real(0), real(10)))
    with pyro.plate("rows", 40):
        pyro.sample("y", dist.Poisson((a + b * X).exp()), obs=COUNTS)


def poisson_by_quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means and standard deviations of a and b."""
    a, b = np.linspace(2.5, 3.5, 401)[:, None, None], np.linspace(0.0, 0.04, 401)[:, None]
    x, y = X.numpy(), COUNTS.numpy()
    η = a + b * x
    log_p = (y * η - np.exp(η)).sum(-1) - (a[..., 0] ** 2 + b[:, 0] ** 2) / 200
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    means = np.array([(p * a[..., 0]).sum(), (p * b[:, 0]).sum()])
    squares = np.array([(p * a[..., 0] ** 2).sum(), (p * b[:, 0] ** 2).sum()])
    return means, np.sqrt(squares - means**2)


@pytest.mark.parametrize("chains", [1, 2, 8])
def test_counts_with_a_steep_trend_are_sampled_from_every_seed(chains: int) -> None:
    """Five seeds; of each chain the means lie within half a standard deviation: a chain has some 200 effective draws, so
    that its mean is 7 of its standard errors off by chance. R-hat of well mixed chains exceeds 1.05 in fewer than 1 of
    1 000 runs."""
    means, deviations = poisson_by_quadrature()
    for seed in range(1, 6):
        draws = sample(poisson, chains=chains, draws=200, seed=seed)
        for name, mean, deviation in zip(("a", "b"), means, deviations, strict=True):
            values = draws.samples[name]
            assert np.abs(values.mean(1) - mean).max() < deviation / 2
            assert chains == 1 or float(rhat(values)) < 1.05
        assert {remark.code for remark in draws.remarks} <= {"target_raised"}


def test_a_start_that_overflows_is_drawn_closer() -> None:
    """exp of 5 000 and more on most of (−2, 2)."""

    def cubic() -> None:
        b = pyro.sample("b", dist.Normal(real(0), real(10)))
        with pyro.plate("rows", 40):
            pyro.sample("y", dist.Poisson((3 + b * (X / 2) ** 3).exp()), obs=COUNTS)

    draws = sample(cubic, chains=4, draws=100, seed=3)
    assert float(rhat(draws.samples["b"])) < 1.1
    assert np.abs(draws.samples["b"]).max() < 1e-3


def two_modes(gap: float, width: float = 0.1) -> Model:
    def model() -> None:
        x = pyro.sample("x", dist.Normal(torch.zeros(3).double(), 100.0).to_event(1))
        left, right = (dist.Normal(real(c), real(width)).log_prob(x).sum() for c in (-1.5, 1.5))
        pyro.factor("modes", torch.logaddexp(left, right - gap))

    return model


def codes(draws: Draws) -> dict[str, tuple[float, ...]]:
    return {remark.code: remark.values for remark in draws.remarks}


@pytest.mark.parametrize("gap", [0.0, 3.0])
def test_modes_of_like_mass_keep_their_chains_and_the_run_says_so(gap: float) -> None:
    """Some of 8 chains begin in each mode, and stay there."""
    draws = sample(two_modes(gap), chains=8, draws=100, seed=1)
    left = draws.samples["x"].mean((1, 2)) < 0
    assert 0 < left.sum() < 8
    fewer = left if left.sum() < 4 else ~left
    assert set(codes(draws)["chains_apart"]) == {float(c + 1) for c in np.flatnonzero(fewer)}
    assert "chains_restarted" not in codes(draws)


def test_a_mode_that_holds_no_mass_is_left_and_the_run_says_so() -> None:
    """Its share of the posterior is e⁻⁶⁰; a start as far down is not yet hopeless."""
    draws = sample(two_modes(60.0), chains=8, draws=100, seed=1)
    assert (draws.samples["x"] < 0).all()
    assert codes(draws)["chains_restarted"]
    assert "chains_apart" not in codes(draws)


def test_chains_of_one_mode_share_what_they_learn_and_others_keep_their_own() -> None:
    """Modes of which one is ten times as wide: chains of each end with one step size."""

    def model() -> None:
        x = pyro.sample("x", dist.Normal(torch.zeros(2).double(), 100.0).to_event(1))
        narrow, wide = (dist.Normal(real(c), real(w)).log_prob(x).sum() for c, w in ((-1.5, 0.02), (1.5, 0.2)))
        pyro.factor("modes", torch.logaddexp(narrow, wide))

    session = warmed(model, chains=8)
    wide = session.state.tree_proposal[:, 2] > 0
    sizes = session.steps.settled
    assert 0 < int(wide.sum()) < 8
    assert len(set(sizes[wide].tolist())) == 1
    assert len(set(sizes[~wide].tolist())) == 1
    # within a factor of two of what the widths ask for
    assert 5 < float(sizes[wide][0] / sizes[~wide][0]) < 20


def warmed(model: Model, chains: int) -> Session:
    sites = read_sites(model)
    settings = Settings(chains, 10, 200, seed=1)
    like = torch.empty(0, dtype=sites.dtype)
    sampler = Sampler(sites.dim, like, settings, build_engine(sites, settings))
    session = sampler.begin()
    sampler.finish_warm_up(session)
    return session


def test_chains_begin_each_with_a_step_of_its_own_and_end_with_one() -> None:
    sites = read_sites(poisson)
    settings = Settings(8, 10, 200, seed=1)
    sampler = Sampler(sites.dim, torch.empty(0, dtype=sites.dtype), settings, build_engine(sites, settings))
    session = sampler.begin()
    assert session.steps.group.tolist() == list(range(8))
    sampler.finish_warm_up(session)
    assert session.steps.group.tolist() == [0] * 8
    assert isinstance(session.steps, StepSizes)
    assert session.state.tree_proposal.shape == (8, 2 + 2 * sites.dim)
    assert session.kept.shape == (8, 10, len(COLUMNS) + sites.dim)
