"""The recorded potential against Pyro's own, and models that cannot be recorded or batched."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer.mcmc.util import initialize_model
from torch import Tensor

from mlmdsl.inference.graph import count_operations
from mlmdsl.inference.potential import NotVectorizable, build_potential
from mlmdsl.inference.sites import Sites, read_sites

from .models import CHEESE_MODELS, Model, eight_schools

CHAINS = 3


def points(sites: Sites, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(CHAINS, sites.dim, dtype=sites.dtype, generator=generator) * 4 - 2


@pytest.mark.parametrize("name", CHEESE_MODELS)
def test_value_and_gradient_are_those_of_pyro(name: str) -> None:
    model = CHEESE_MODELS[name]()
    sites = read_sites(model)
    potential = build_potential(sites, CHAINS)
    assert potential.note is None
    q = points(sites, seed=9)
    gradient, value = potential.evaluate(q)
    _, wanted, _, _ = initialize_model(model)
    for row in range(CHAINS):
        at = q[row].clone().requires_grad_()
        energy = wanted(sites.split(at))
        (slope,) = torch.autograd.grad(energy, at)
        assert float(value[row]) == pytest.approx(float(energy.detach()), rel=1e-11)
        assert torch.allclose(gradient[row], slope, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CHEESE_MODELS)
def test_the_record_is_cut_to_what_the_parameters_decide(name: str) -> None:
    sites = read_sites(CHEESE_MODELS[name]())
    graph = build_potential(sites, CHAINS).graph
    assert graph is not None
    # 272 to 458 operations are recorded; counts rise if a simplification is lost
    assert count_operations(graph) < 230


def test_the_number_type_of_the_model_is_kept() -> None:
    def model() -> None:
        pyro.sample("x", dist.Normal(torch.zeros(4), 2.0).to_event(1))

    sites = read_sites(model)
    gradient, value = build_potential(sites, 2).evaluate(torch.ones(2, 4))
    assert (gradient.dtype, value.dtype) == (torch.float32, torch.float32)
    assert torch.allclose(gradient, torch.full((2, 4), 0.25))


def branching() -> Model:
    def model() -> None:
        x = pyro.sample("x", dist.Normal(torch.zeros((), dtype=torch.float64), 1.0))
        scale = 1.0 if x > 0 else 2.0
        pyro.sample("y", dist.Normal(x, scale), obs=torch.zeros((), dtype=torch.float64))

    return model


def stochastic() -> Model:
    def model() -> None:
        x = pyro.sample("x", dist.Normal(torch.zeros((), dtype=torch.float64), 1.0))
        pyro.sample("y", dist.Normal(x, torch.rand(())), obs=torch.zeros((), dtype=torch.float64))

    return model


@pytest.mark.parametrize("model", [branching(), stochastic()], ids=["branching", "stochastic"])
def test_a_model_that_cannot_be_batched_says_so(model: Model) -> None:
    with pytest.raises(NotVectorizable, match="vmap"):
        build_potential(read_sites(model), CHAINS)


def test_eight_schools_has_its_density_by_hand() -> None:
    sites = read_sites(eight_schools())
    q = points(sites)
    _, value = build_potential(sites, CHAINS).evaluate(q)
    y, σ = torch.tensor([28.0, 8, -3, 7, -1, 1, 18, 12]), torch.tensor([15.0, 10, 16, 11, 9, 11, 10, 18])
    normal = torch.distributions.Normal
    for row in range(CHAINS):
        μ, log_τ, z = q[row, 0], q[row, 1], q[row, 2:]
        log_prior = normal(0, 5).log_prob(μ) + torch.distributions.HalfCauchy(5).log_prob(log_τ.exp()) + log_τ
        log_joint = log_prior + normal(0, 1).log_prob(z).sum() + normal(μ + log_τ.exp() * z, σ).log_prob(y).sum()
        # the constants above are single precision
        assert float(value[row]) == pytest.approx(-float(log_joint), rel=1e-6)
