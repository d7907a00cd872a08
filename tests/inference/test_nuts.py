"""The kernel among Pyro's own tools."""

from __future__ import annotations

import arviz as az
import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import MCMC
from torch import Tensor

from mlmdsl.inference import NUTS

Y = torch.tensor([0.4, -1.2, 0.9, 1.7, 0.2], dtype=torch.float64)


def model(y: Tensor, scale: float = 2.0) -> None:
    μ = pyro.sample("μ", dist.Normal(torch.zeros((), dtype=torch.float64), scale))
    σ = pyro.sample("σ", dist.HalfNormal(torch.ones((), dtype=torch.float64)))
    with pyro.plate("rows", len(y)):
        pyro.sample("y", dist.Normal(μ, σ), obs=y)


def test_a_run_reads_like_mcmc() -> None:
    fit = NUTS(model).run(Y, scale=3.0, chains=12, draws=20, tune=50, seed=1)
    assert {name: tuple(value.shape) for name, value in fit.get_samples(group_by_chain=True).items()} == {
        "μ": (12, 20),
        "σ": (12, 20),
    }
    assert fit.get_samples()["μ"].shape == (240,)
    assert fit.get_samples(num_samples=7)["μ"].shape == (7,)
    assert len(fit.diagnostics()["divergences"]) == 12


def test_arviz_reads_a_run() -> None:
    fit = NUTS(model).run(Y, chains=12, draws=20, tune=50, seed=1)
    if hasattr(az, "from_pyro"):
        data = az.from_pyro(fit, log_likelihood=False)
    else:  # 1.x
        data = az.from_dict({"posterior": fit.draws.samples, "sample_stats": fit.draws.stats})
    assert dict(data.posterior.sizes) == {"chain": 12, "draw": 20}
    assert np.array_equal(data.sample_stats["diverging"].values, fit.draws.stats["diverging"])
    assert np.array_equal(data.posterior["σ"].values, fit.draws.samples["σ"])


def driven(seed: int) -> MCMC:
    pyro.set_rng_seed(seed)
    mcmc = MCMC(NUTS(model), num_samples=300, warmup_steps=200, disable_progbar=True)
    mcmc.run(Y)
    return mcmc


@pytest.mark.slow
def test_mcmc_drives_it_as_any_kernel() -> None:
    mcmc = driven(3)
    samples = mcmc.get_samples(group_by_chain=True)
    assert samples["σ"].shape == (1, 300)
    assert (samples["σ"] > 0).all()
    assert torch.equal(driven(3).get_samples()["μ"], mcmc.get_samples()["μ"])
    run = NUTS(model).run(Y, chains=8, draws=250, seed=2)
    for name, values in run.get_samples(group_by_chain=True).items():
        a, b = values.numpy(), samples[name].numpy()
        errors = [float(x.std() / np.sqrt(float(az.ess(x, method="mean")))) for x in (a, b)]
        # 4 standard errors: a false alarm in 16 000 runs
        assert abs(a.mean() - b.mean()) < 4 * float(np.hypot(*errors))


def test_it_says_what_it_needs_before_setup() -> None:
    with pytest.raises(RuntimeError, match="setup"):
        NUTS(model).sample({})
