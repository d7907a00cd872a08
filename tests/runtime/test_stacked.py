"""Distributions of different families side by side."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import biject_to

from mlmdsl import runtime
from mlmdsl.inference.sites import read_sites

X = torch.tensor([-0.4, 1.2, 0.3], dtype=torch.float64)


def stacked(scale: Tensor) -> runtime.Stacked:
    return runtime.Stacked([dist.Normal(0, scale), dist.Exponential(scale), dist.Uniform(0, scale)])


def test_density_is_each_parts() -> None:
    scale = torch.tensor([0.7, 2.0], dtype=torch.float64)
    density = stacked(scale).log_prob(X)
    for row, s in zip(density, scale.numpy(), strict=True):
        expected = [
            stats.norm(0, s).logpdf(-0.4),
            stats.expon(scale=1 / s).logpdf(1.2),
            stats.uniform(0, s).logpdf(0.3),
        ]
        assert row.tolist() == pytest.approx(expected, rel=1e-12)
    assert stacked(scale).batch_shape == (2, 3)


def test_outside_a_part() -> None:
    parts = stacked(torch.tensor(1.0).double()).parts
    each = runtime.Stacked(parts, validate_args=False)
    density = each.log_prob(torch.tensor([-0.4, -1.2, 1.3]).double())
    assert torch.isfinite(density).tolist() == [True, False, False]


def test_draws_lie_in_the_support_and_expand() -> None:
    pyro.set_rng_seed(0)
    each = stacked(torch.tensor(2.0).double()).expand([4, 3])
    drawn = each.sample((100,))
    assert drawn.shape == (100, 4, 3)
    assert each.support.check(drawn).all()
    assert stacked(torch.tensor(2.0).double()).to_event(1).sample().shape == (3,)


def test_bijection() -> None:
    """Round trip, and the Jacobian by automatic differentiation."""
    support = stacked(torch.tensor(2.0).double()).support
    transform = biject_to(support)
    u = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)
    x = transform(u)
    assert support.check(x).all()
    torch.testing.assert_close(transform.inv(x), u)
    jacobian = torch.autograd.functional.jacobian(transform, u)
    torch.testing.assert_close(transform.log_abs_det_jacobian(u, x), jacobian.diagonal().log())


def test_vectors() -> None:
    parts = [dist.Dirichlet(torch.tensor([1.0, 2.0]).double()), dist.Dirichlet(torch.tensor([3.0, 1.0]).double())]
    each = runtime.Stacked(parts)
    value = torch.tensor([[0.2, 0.8], [0.6, 0.4]], dtype=torch.float64)
    expected = [stats.dirichlet([1, 2]).logpdf([0.2, 0.8]), stats.dirichlet([3, 1]).logpdf([0.6, 0.4])]
    assert each.log_prob(value).tolist() == pytest.approx(expected, rel=1e-12)
    u = torch.tensor([[0.4], [-0.2]], dtype=torch.float64)
    assert each.support.check(biject_to(each.support)(u)).all()
    with pytest.raises(ValueError, match="differ in shape"):
        runtime.Stacked([dist.Normal(0.0, 1.0), parts[0]])


def test_flat_space_density_over_chains() -> None:
    def program() -> None:
        scale = pyro.sample("scale", dist.LogNormal(torch.zeros((), dtype=torch.float64), 1.0))
        with pyro.plate("item", 3):
            pyro.sample("x", stacked(scale))
        pyro.sample("z", runtime.Columns(stacked(scale).to_event(1).expand([2])))

    sites = read_sites(program)
    q = torch.randn(4, sites.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mapped = torch.vmap(torch.func.grad(sites.log_density))(q)
    torch.testing.assert_close(mapped, torch.stack([torch.func.grad(sites.log_density)(row) for row in q]))
    assert sites.dim == 10
