"""Models read as functions of a flat vector."""

from __future__ import annotations

import math
from collections.abc import Callable

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.distributions import constraints
from pyro.infer.reparam import LocScaleReparam
from torch import Tensor

from mlmdsl.inference.draws import UnsupportedModel
from mlmdsl.inference.potential import build_potential
from mlmdsl.inference.sites import read_sites

from .models import correlated_varying_intercept_slope


def test_sites_come_in_the_order_of_the_trace_with_unconstrained_shapes() -> None:
    sites = read_sites(correlated_varying_intercept_slope())
    assert [(site.name, tuple(site.shape)) for site in sites.latent] == [
        ("Ω", (10,)),
        ("σ", ()),
        ("τ", (5,)),
        ("γ", (5, 2)),
    ]
    assert (sites.dim, sites.dtype) == (26, torch.float64)


def test_reading_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    read_sites(correlated_varying_intercept_slope(), seed=5)
    assert torch.equal(torch.rand(3), wanted)


def test_a_support_that_depends_on_another_site_is_followed() -> None:
    """τ ~ Exponential(1), x ~ Uniform(0, τ): log π = −τ − log τ + Jacobians of exp and of τ·logistic."""

    def model() -> None:
        τ = pyro.sample("τ", dist.Exponential(torch.ones((), dtype=torch.float64)))
        pyro.sample("x", dist.Uniform(torch.zeros_like(τ), τ))

    u, v = 0.7, -0.4
    τ, p = math.exp(u), 1 / (1 + math.exp(-v))
    wanted = -τ - math.log(τ) + u + math.log(τ * p * (1 - p))
    found = read_sites(model).log_density(torch.tensor([u, v], dtype=torch.float64))
    assert float(found) == pytest.approx(wanted, rel=1e-12)


def test_an_improper_prior_can_be_read() -> None:
    y = torch.tensor([1.0, 2.0], dtype=torch.float64)

    def model() -> None:
        μ = pyro.sample("μ", dist.ImproperUniform(constraints.real, (), ()))
        pyro.sample("y", dist.Normal(μ, torch.ones_like(y)).to_event(1), obs=y)

    sites = read_sites(model)
    assert sites.dtype == torch.float64
    wanted = torch.distributions.Normal(0.5, 1.0).log_prob(y).sum()
    assert float(sites.log_density(torch.tensor([0.5], dtype=torch.float64))) == pytest.approx(float(wanted))


def test_constrained_values_hold_latent_and_deterministic_sites_in_order() -> None:
    def model() -> None:
        σ = pyro.sample("σ", dist.HalfNormal(torch.ones(())))
        pyro.deterministic("variance", σ**2)
        with pyro.plate("groups", 3):
            pyro.sample("b", dist.Normal(0.0, σ))

    values = read_sites(model).constrained(torch.tensor([0.5, 1.0, 2.0, 3.0]))
    assert list(values) == ["σ", "variance", "b"]
    assert float(values["variance"]) == pytest.approx(math.exp(0.5) ** 2)
    assert values["b"].tolist() == [1, 2, 3]


def test_a_reparametrised_site_is_in_the_output() -> None:
    def model() -> None:
        τ = pyro.sample("τ", dist.HalfNormal(torch.ones(())))
        with poutine.reparam(config={"b": LocScaleReparam(centered=torch.tensor(0.0))}):
            pyro.sample("b", dist.Normal(torch.ones(2), τ).to_event(1))

    values = read_sites(model).constrained(torch.tensor([0.0, 2.0, 3.0]))
    assert values["b"].tolist() == [3, 4]


def test_discrete_sites_are_refused_by_name() -> None:
    def model() -> None:
        pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.sample("coin", dist.Bernoulli(0.5))
        pyro.sample("count", dist.Poisson(2.0))

    with pytest.raises(UnsupportedModel, match="'coin', 'count'") as caught:
        read_sites(model)
    assert caught.value.sites == ("coin", "count")


def test_subsampled_plates_are_refused_by_name() -> None:
    def model() -> None:
        μ = pyro.sample("μ", dist.Normal(0.0, 1.0))
        with pyro.plate("rows", 10, subsample_size=2):
            pyro.sample("y", dist.Normal(μ, 1.0), obs=torch.zeros(2))

    with pytest.raises(UnsupportedModel, match="'rows'"):
        read_sites(model)


def test_a_model_with_nothing_to_sample_is_refused() -> None:
    def model() -> None:
        pyro.sample("y", dist.Normal(0.0, 1.0), obs=torch.zeros(()))

    with pytest.raises(UnsupportedModel, match="no latent site"):
        read_sites(model)


@pytest.mark.parametrize(
    "factorise",
    [
        lambda m: torch.linalg.cholesky(m).diagonal(dim1=-2, dim2=-1).log().sum(),
        lambda m: torch.linalg.inv(m).sum(),
        lambda m: torch.linalg.solve(m, torch.ones(2, dtype=m.dtype)).sum(),
    ],
    ids=["cholesky", "inv", "solve"],
)
def test_a_factorisation_that_fails_makes_that_chain_alone_nan(factorise: Callable[[Tensor], Tensor]) -> None:
    """The matrix [[1, x], [x, 1]] is positive definite for |x| < 1 and singular at 1."""

    def model() -> None:
        x = pyro.sample("x", dist.Normal(torch.zeros((), dtype=torch.float64), 1.0))
        one = torch.ones_like(x)
        pyro.factor("f", factorise(torch.stack([torch.stack([one, x]), torch.stack([x, one])])))

    potential = build_potential(read_sites(model), 2)
    assert potential.note is None
    inside = torch.tensor([[0.5], [0.2]], dtype=torch.float64)
    _, value = potential.evaluate(inside)
    matrix = torch.tensor([[1, 0.5], [0.5, 1]], dtype=torch.float64)
    wanted = torch.distributions.Normal(0.0, 1.0).log_prob(torch.tensor(0.5)) + factorise(matrix)
    assert float(value[0]) == pytest.approx(-float(wanted), rel=1e-6)
    _, other = potential.evaluate(torch.tensor([[1.0], [0.2]], dtype=torch.float64))
    assert not torch.isfinite(other[0])
    assert other[1] == value[1]
