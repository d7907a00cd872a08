"""Simulation-based calibration (Talts et al. 2018): prior draws rank uniformly among the draws of their posterior.

All replicates are independent blocks of one model, so one run serves them all.
"""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy import stats

from mlmdsl.inference import sample

from .models import Model

REPLICATES, RANKED = 60, 99


def normal_rows(θ: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    noise = torch.randn(5, REPLICATES, dtype=θ.dtype, generator=torch.Generator().manual_seed(12))
    return θ + s * noise


def count_rows(θ: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    return torch.poisson((θ * s).exp().expand(5, REPLICATES), generator=torch.Generator().manual_seed(13))


def location_scale(y: torch.Tensor) -> Model:
    def model() -> None:
        with pyro.plate("replicates", REPLICATES):
            θ = pyro.sample("θ", dist.Normal(torch.zeros((), dtype=torch.float64), 1.0))
            s = pyro.sample("s", dist.Gamma(torch.full((), 3.0, dtype=torch.float64), 3.0))
            with pyro.plate("rows", 5):
                pyro.sample("y", dist.Normal(θ, s), obs=y)

    return model


def counts(y: torch.Tensor) -> Model:
    """The effect θ·s of a non-centred hierarchy, where θ and s are told apart by their priors alone."""

    def model() -> None:
        with pyro.plate("replicates", REPLICATES):
            θ = pyro.sample("θ", dist.Normal(torch.zeros((), dtype=torch.float64), 1.0))
            s = pyro.sample("s", dist.Gamma(torch.full((), 3.0, dtype=torch.float64), 3.0))
            with pyro.plate("rows", 5):
                pyro.sample("y", dist.Poisson((θ * s).exp()), obs=y)

    return model


@pytest.mark.slow
@pytest.mark.parametrize(("simulate", "posterior"), [(normal_rows, location_scale), (count_rows, counts)])
def test_prior_draws_rank_uniformly(simulate, posterior) -> None:  # type: ignore[no-untyped-def]
    """Two Kolmogorov–Smirnov tests a model, each with false alarms at 0.1 %."""
    random = np.random.default_rng(11)
    truth = {"θ": random.normal(size=REPLICATES), "s": random.gamma(3, 1 / 3, size=REPLICATES)}
    y = simulate(*(torch.from_numpy(value) for value in truth.values()))
    draws = sample(posterior(y), chains=16, draws=250, tune=250, seed=5)
    for name, value in truth.items():
        pooled = draws.samples[name].reshape(-1, REPLICATES)
        # 99 draws some forty apart: near enough to independent
        ranked = pooled[np.linspace(0, len(pooled) - 1, RANKED).astype(int)]
        ranks = (ranked < value).sum(0)
        assert stats.kstest((ranks + 0.5) / (RANKED + 1), "uniform").pvalue > 1e-3, name
