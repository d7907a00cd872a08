"""The distributions inside Pyro: stock NUTS, autoguides, Predictive, plates, masks."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import MCMC, NUTS, SVI, Predictive, Trace_ELBO
from pyro.infer.autoguide import AutoDiagonalNormal, AutoMultivariateNormal, AutoNormal
from pyro.infer.mcmc.util import initialize_model
from torch import Tensor
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from mlmdsl import runtime

ZERO = torch.zeros((), dtype=torch.float64)
ONE = torch.ones((), dtype=torch.float64)
WEIGHTS = torch.tensor([0.3, 0.7], dtype=torch.float64)
COUNTS = torch.tensor([0.0, 1.0, 4.0, 2.0], dtype=torch.float64)


def continuous_model() -> None:
    """A latent of every kind of support the library adds, and observations of the rest."""
    μ = pyro.sample("μ", runtime.Flat(dtype=torch.float64))
    σ = pyro.sample("σ", runtime.FlatPos(ZERO))
    τ = pyro.sample("τ", runtime.Truncated(dist.Cauchy(ZERO, 2.0), lower=0.0))
    pyro.sample("z", runtime.LocationScale(μ, -σ, dist.StudentT(4 * ONE)))
    pyro.sample("below", runtime.Truncated(dist.Normal(μ, τ), upper=1.0))
    pyro.sample("skew", runtime.SkewNormal(ZERO, ONE, 2.0))
    pyro.sample("share", runtime.LogitNormal(ZERO, ONE))
    pyro.sample("mix", runtime.Mixture([dist.Normal(-ONE, ONE), dist.Normal(ONE, ONE)], WEIGHTS))
    cuts = pyro.sample("cuts", runtime.Ordered(dist.Normal(ZERO, 2.0).expand((2,)).to_event(1)))
    pyro.sample("steps", runtime.PushedOrdered(dist.Normal(ZERO, ONE).expand((2,)).to_event(1)))
    pyro.sample("R", runtime.LKJ(3, 2 * ONE))
    pyro.sample("S", runtime.Wishart(5.0, torch.eye(2).double()))
    pyro.sample("columns", runtime.Columns(dist.Dirichlet(2 * torch.ones(4, 3).double())))
    with pyro.plate("rows", 4):
        group = pyro.sample("group", runtime.LocationScale(μ, τ, dist.Normal(ZERO, ONE)))
        pyro.sample("grade", runtime.OrderedLogistic(group, cuts), obs=torch.tensor([1, 2, 3, 2]))
        pyro.sample("count", runtime.LogPoisson(group), obs=COUNTS)
        pyro.sample("y", runtime.Censored(dist.Normal(group, σ), upper=2.0), obs=torch.clamp(COUNTS, max=2.0))


def test_stock_nuts_runs() -> None:
    pyro.set_rng_seed(0)
    mcmc = MCMC(NUTS(continuous_model, max_tree_depth=3), num_samples=3, warmup_steps=3, disable_progbar=True)
    mcmc.run()
    samples = mcmc.get_samples()
    assert samples["columns"].shape == (3, 3, 4) and samples["S"].shape == (3, 2, 2)
    assert all(value.dtype == torch.float64 and torch.isfinite(value).all() for value in samples.values())


@pytest.mark.parametrize("guide", [AutoNormal, AutoDiagonalNormal, AutoMultivariateNormal])
def test_autoguides_run(guide: type) -> None:
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    approximation = guide(continuous_model)
    svi = SVI(continuous_model, approximation, pyro.optim.Adam({"lr": 0.01}), Trace_ELBO())
    assert all(torch.isfinite(torch.tensor(svi.step())) for _ in range(3))
    drawn = Predictive(continuous_model, guide=approximation, num_samples=2)()
    assert drawn["columns"].shape[-2:] == (3, 4)


def test_predictive_draws() -> None:
    def model() -> None:
        rate = pyro.sample("rate", runtime.Truncated(dist.Normal(ZERO, 1.0), lower=0.0))
        with pyro.plate("rows", 5):
            pyro.sample("n", runtime.Mixture([runtime.Dirac(ZERO), dist.Poisson(rate)], WEIGHTS))
            pyro.sample("k", runtime.Categorical(torch.tensor([0.2, 0.8]).double()))

    pyro.set_rng_seed(0)
    drawn = Predictive(model, num_samples=7)()
    assert drawn["n"].shape == (7, 5) and drawn["k"].shape == (7, 5)
    assert set(drawn["k"].unique().tolist()) <= {1, 2}


def test_potential_maps_over_chains() -> None:
    """The gradient of the whole model's potential for three chains at once, traced, equals each chain's own."""
    pyro.set_rng_seed(0)
    with pyro.validation_enabled(False):
        start, potential, _, _ = initialize_model(continuous_model)
        chains = {name: torch.stack([value, 0.9 * value, 1.1 * value]).detach() for name, value in start.items()}
        names, values = list(chains), tuple(chains.values())

        def slope(*parts: Tensor) -> tuple[Tensor, ...]:
            return tuple(grad(potential)(dict(zip(names, parts, strict=True))).values())

        mapped = make_fx(vmap(slope))(*values)(*values)
        alone = [slope(*(value[c] for value in values)) for c in range(3)]
    for got, *each in zip(mapped, *alone, strict=True):
        # the same operations in another order: rounding only
        torch.testing.assert_close(got, torch.stack(each), rtol=1e-9, atol=1e-9)


def test_mask_and_batch_shapes() -> None:
    d = runtime.Truncated(dist.Normal(torch.zeros(3).double(), 1.0), lower=0.0)
    mask = torch.tensor([True, False, True])
    x = torch.ones(3).double()
    masked = d.mask(mask).log_prob(x)
    torch.testing.assert_close(masked, torch.where(mask, d.log_prob(x), 0.0), rtol=0, atol=0)


def test_enumeration_of_numbered_classes() -> None:
    """The marginal over a hidden class equals the mixture written out."""
    weights, means = WEIGHTS, torch.tensor([-1.0, 2.0]).double()

    def model(x: Tensor) -> None:
        k = pyro.sample("k", runtime.Categorical(weights), infer={"enumerate": "parallel"})
        pyro.sample("x", dist.Normal(means[k - 1], 1.0), obs=x)

    x = torch.tensor(0.4).double()
    elbo = pyro.infer.TraceEnum_ELBO(max_plate_nesting=0)
    loss = elbo.loss(model, lambda x: None, x)
    expected = runtime.Mixture.same_family(dist.Normal(means, 1.0), weights).log_prob(x)
    assert abs(loss + float(expected)) < 1e-12  # one logsumexp against another


def test_improper_priors_start_as_stan_does() -> None:
    pyro.set_rng_seed(0)
    line, half = runtime.Flat(dtype=torch.float64), runtime.FlatPos(3.0 * ONE)
    assert (line.expand((500,)).sample().abs() < 2).all()
    started = half.sample((500,))
    assert ((started - 3).log().abs() < 2).all() and started.dtype == torch.float64
    with pyro.validation_enabled(False):
        assert runtime.FlatPos(3.0 * ONE).log_prob(torch.tensor([2.0, 4.0]).double()).tolist() == [-torch.inf, 0.0]
    assert line.expand((2,)).log_prob(torch.tensor(5.0).double()).tolist() == [0.0, 0.0]


def test_sites_hold_what_the_program_wrote() -> None:
    trace = poutine.trace(continuous_model).get_trace()
    assert isinstance(trace.nodes["group"]["fn"], runtime.LocationScale)
    assert trace.nodes["group"]["fn"].batch_shape == (4,)
    trace.compute_log_prob()
    assert torch.isfinite(trace.log_prob_sum())
