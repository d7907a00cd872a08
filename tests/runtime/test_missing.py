"""Data with missing entries: exact densities, draws given the rest, starting points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import MCMC, NUTS, Predictive
from scipy import stats
from torch import Tensor

from mlmdsl import runtime
from mlmdsl.inference.sites import read_sites
from mlmdsl.runtime.missing import MissingPart

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

NAN = float("nan")
VALUE = torch.tensor([1.0, NAN, 2.0, NAN, -0.5], dtype=torch.float64)
MISSING = torch.isnan(VALUE)
DRAWN = torch.tensor([0.3, 1.7], dtype=torch.float64)
MEAN = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5], dtype=torch.float64)


def covariance(n: int) -> Tensor:
    root = torch.linspace(-1, 1, n * n, dtype=torch.float64).reshape(n, n)
    return root @ root.T + torch.eye(n, dtype=torch.float64)


def trace(program: Callable[[], Any], **values: Tensor) -> Any:
    with pyro.poutine.block():
        found = pyro.poutine.trace(pyro.poutine.condition(program, data=values)).get_trace()
    found.compute_log_prob()
    return found


def complete(value: Tensor = VALUE, entries: Tensor = DRAWN) -> Tensor:
    whole = value.clone()
    whole[torch.isnan(value)] = entries
    return whole


def test_independent_entries() -> None:
    found = trace(lambda: runtime.sample_missing("y", dist.Normal(MEAN, 1.5), VALUE, MISSING), y=DRAWN)
    each = stats.norm(MEAN, 1.5).logpdf(complete())
    assert found.nodes["y"]["log_prob_sum"].item() == pytest.approx(each[MISSING.numpy()].sum(), rel=1e-12)
    assert found.nodes["y_observed"]["log_prob_sum"].item() == pytest.approx(each[~MISSING.numpy()].sum(), rel=1e-12)
    assert found.nodes["y_observed"]["is_observed"]
    torch.testing.assert_close(found.nodes["_RETURN"]["value"], complete())


def test_axes_of_an_event_are_independent_entries_too() -> None:
    found = trace(lambda: runtime.sample_missing("y", dist.Normal(MEAN, 1.5).to_event(1), VALUE, MISSING), y=DRAWN)
    assert found.log_prob_sum().item() == pytest.approx(stats.norm(MEAN, 1.5).logpdf(complete()).sum(), rel=1e-12)


def test_one_scale_for_all() -> None:
    found = trace(
        lambda: runtime.sample_missing("y", dist.Gamma(torch.tensor(2.0).double(), 1.0), VALUE.abs(), MISSING), y=DRAWN
    )
    whole = complete(VALUE.abs())
    assert found.log_prob_sum().item() == pytest.approx(stats.gamma(2).logpdf(whole).sum(), rel=1e-12)


def test_multivariate_normal() -> None:
    """The one site's density is the joint one of the completed vector."""
    sigma = covariance(5)
    found = trace(lambda: runtime.sample_missing("y", dist.MultivariateNormal(MEAN, sigma), VALUE, MISSING), y=DRAWN)
    assert "y_observed" not in found.nodes
    expected = stats.multivariate_normal(MEAN, sigma).logpdf(complete())
    assert found.log_prob_sum().item() == pytest.approx(expected, rel=1e-12)


def test_rows_and_columns_of_vectors() -> None:
    sigma = covariance(2)
    value = torch.tensor([[1.0, NAN], [2.0, 0.5], [NAN, 3.0]], dtype=torch.float64)
    missing = torch.isnan(value)
    normal = dist.MultivariateNormal(torch.zeros(2).double(), sigma)
    expected = stats.multivariate_normal([0, 0], sigma).logpdf(complete(value)).sum()
    rows = trace(lambda: runtime.sample_missing("y", normal, value, missing), y=DRAWN)
    assert rows.log_prob_sum().item() == pytest.approx(expected, rel=1e-12)
    columns = runtime.Columns(normal.expand([3]))
    entries = complete(value).T[missing.T]
    found = trace(lambda: runtime.sample_missing("y", columns, value.T, missing.T), y=entries)
    assert found.log_prob_sum().item() == pytest.approx(expected, rel=1e-12)


def test_order_of_the_entries_is_that_of_the_data() -> None:
    """With axes permuted for the distribution, entries still come in the order of the array that was given."""
    value = torch.tensor([[1.0, NAN, NAN], [NAN, 0.5, 2.0]], dtype=torch.float64)
    missing = torch.isnan(value)
    scale = torch.tensor([1.0, 2.0], dtype=torch.float64)
    entries = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    found = trace(lambda: runtime.sample_missing("y", dist.Normal(0, scale), value, missing, (1, 0)), y=entries)
    whole = complete(value, entries)
    torch.testing.assert_close(found.nodes["_RETURN"]["value"], whole)
    expected = stats.norm(0, scale[:, None]).logpdf(whole).sum()
    assert found.log_prob_sum().item() == pytest.approx(expected, rel=1e-12)


def test_nothing_missing_and_all_missing() -> None:
    none = trace(lambda: runtime.sample_missing("y", dist.Normal(MEAN, 1.0), MEAN, torch.zeros(5, dtype=torch.bool)))
    assert none.nodes["y"]["is_observed"]
    everything = torch.ones(5, dtype=torch.bool)
    found = trace(
        lambda: runtime.sample_missing("y", dist.Normal(MEAN, 1.0), torch.full_like(MEAN, NAN), everything), y=MEAN
    )
    assert "y_observed" not in found.nodes
    assert found.log_prob_sum().item() == pytest.approx(stats.norm(0, 1).logpdf(np.zeros(5)).sum(), rel=1e-12)


def test_a_single_value() -> None:
    one = torch.tensor(0.7, dtype=torch.float64)
    seen = trace(lambda: runtime.sample_missing("y", dist.Normal(0.0, 1.0), one, torch.tensor(False)))
    assert seen.nodes["y"]["is_observed"]
    drawn = trace(lambda: runtime.sample_missing("y", dist.Normal(0.0, 1.0), one * NAN, torch.tensor(True)))
    assert not drawn.nodes["y"]["is_observed"]
    assert torch.isfinite(drawn.nodes["y"]["value"])


def test_entries_of_a_simplex_cannot_be_missing_alone() -> None:
    value = torch.tensor([0.2, NAN, 0.3], dtype=torch.float64)
    part = MissingPart(dist.Dirichlet(torch.ones(3).double()), value, torch.isnan(value))
    with pytest.raises(TypeError, match="cannot be missing alone"):
        _ = part.support


def test_conditional_draws_of_a_normal() -> None:
    """Mean and covariance of 40000 draws against the Gaussian conditional; false alarms beyond 5 standard errors: 5e-6."""
    pyro.set_rng_seed(3)
    sigma = covariance(5)
    n = 40_000
    drawn = MissingPart(dist.MultivariateNormal(MEAN, sigma), VALUE, MISSING).sample((n,))
    m, o = MISSING.nonzero()[:, 0], (~MISSING).nonzero()[:, 0]
    weights = sigma[m][:, o] @ torch.linalg.inv(sigma[o][:, o])
    mean = MEAN[m] + weights @ (VALUE[o] - MEAN[o])
    spread = sigma[m][:, m] - weights @ sigma[o][:, m]
    assert drawn.shape == (n, 2)
    assert (torch.abs(drawn.mean(0) - mean) < 5 * torch.sqrt(spread.diagonal() / n)).all()
    variances = spread.diagonal()
    errors = torch.sqrt((torch.outer(variances, variances) + spread**2) / n)
    assert (torch.abs(torch.cov(drawn.T) - spread) < 5 * errors).all()


def program() -> Tensor:
    mean = pyro.sample("mean", dist.Normal(torch.zeros((), dtype=torch.float64), 1.0))
    scale = pyro.sample("scale", dist.LogNormal(torch.zeros((), dtype=torch.float64), 1.0))
    positive = runtime.sample_missing("x", dist.LogNormal(mean, scale), VALUE.abs(), MISSING)
    sigma = scale * torch.eye(5, dtype=torch.float64) + 0.5
    return runtime.sample_missing("y", dist.MultivariateNormal(positive, sigma), VALUE, MISSING)


def test_flat_space_density_gradient_and_chains() -> None:
    """Finite, differentiable, and the same when mapped over chains; the entries of x are positive."""
    sites = read_sites(program)
    assert sites.dim == 6
    q = torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mapped = torch.vmap(sites.log_density)(q)
    torch.testing.assert_close(mapped, torch.stack([sites.log_density(row) for row in q]))
    assert torch.isfinite(torch.func.grad(sites.log_density)(q[0])).all()
    assert (sites.constrained(q[0])["x"] > 0).all()


def test_predictive_and_nuts() -> None:
    """Stock Pyro finds starting points and completes the arrays."""
    drawn = Predictive(program, num_samples=3)()
    assert drawn["x"].shape == (3, 1, 2) or drawn["x"].shape == (3, 2)
    mcmc = MCMC(NUTS(program), num_samples=5, warmup_steps=5, disable_progbar=True)
    mcmc.run()
    assert torch.isfinite(mcmc.get_samples()["y"]).all()
