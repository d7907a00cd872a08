"""Where densities are usually wrong: far tails, zero weights, components without density, bounds that are tensors."""

import math
from collections.abc import Callable

import numpy as np
import pyro.distributions as dist
import pytest
import scipy.special as sp
import scipy.stats as st
import torch
from torch import Tensor
from torch.distributions import Distribution, biject_to

from mlmdsl import runtime
from mlmdsl.runtime.special import log_beta_tails, log_gamma_tails, log_ndtr, log_skew_normal_tails, log_student_tails

pytestmark = pytest.mark.usefixtures("unvalidated")


def tensor(values: object) -> Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float64)


def relative(got: Tensor, expected: np.ndarray) -> float:
    """Largest relative error of exp(got) where the probability is no underflow."""
    seen = expected > 1e-280
    return float(np.max(np.abs(np.exp(got.numpy()[seen]) - expected[seen]) / expected[seen]))


def test_incomplete_gamma() -> None:
    """Shapes 1e-3 to 1e4, both tails, to 1e-10 relative (what the module promises)."""
    rng = np.random.default_rng(0)
    a = 10 ** rng.uniform(-3, 4, 2000)
    x = a * 10 ** rng.uniform(-1.5, 1.5, 2000)
    lower, upper = log_gamma_tails(tensor(a), tensor(x))
    assert relative(lower, sp.gammainc(a, x)) < 1e-10
    assert relative(upper, sp.gammaincc(a, x)) < 1e-10


def test_incomplete_beta() -> None:
    """As for gamma; scipy takes x itself, so only x < 1/2, where it is exact; the other half is the symmetry."""
    rng = np.random.default_rng(0)
    a, b = 10 ** rng.uniform(-3, 4, 4000), 10 ** rng.uniform(-3, 4, 4000)
    logit = np.log(a / b) + 3 * rng.normal(size=4000) * np.sqrt(1 / a + 1 / b).clip(0, 5)
    keep = logit < 0
    a, b, logit = a[keep], b[keep], logit[keep]
    lower, upper = log_beta_tails(tensor(a), tensor(b), tensor(logit))
    assert relative(lower, sp.betainc(a, b, sp.expit(logit))) < 1e-10
    other_upper, other_lower = log_beta_tails(tensor(b), tensor(a), tensor(-logit))
    torch.testing.assert_close(lower, other_lower, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(upper, other_upper, rtol=1e-10, atol=1e-12)


def test_student_tails() -> None:
    rng = np.random.default_rng(0)
    df = 10 ** rng.uniform(-1, 4, 2000)
    z = rng.standard_t(df)
    z[0] = 0
    lower, upper = log_student_tails(tensor(df), tensor(z))
    assert relative(lower, st.t.cdf(z, df)) < 1e-10
    assert relative(upper, st.t.sf(z, df)) < 1e-10


def test_skew_normal_tails() -> None:
    """Against scipy's Owen's T, whose difference is exact to rounding of 1: where the tail is above 1e-3."""
    rng = np.random.default_rng(0)
    alpha = rng.choice([-1, 1], 2000) * 10 ** rng.uniform(-2, 3, 2000)
    z = np.concatenate([[0.0, 1e-3, -1e-3, 0.1, -0.1], 2 * rng.normal(size=1995)])
    lower, upper = log_skew_normal_tails(tensor(alpha), tensor(z))
    for got, expected in [
        (lower, sp.ndtr(z) - 2 * sp.owens_t(z, alpha)),
        (upper, sp.ndtr(-z) + 2 * sp.owens_t(z, alpha)),
    ]:
        assert relative(got[expected > 1e-3], expected[expected > 1e-3]) < 1e-10


def test_log_ndtr() -> None:
    z = np.linspace(-40, 12, 500)
    np.testing.assert_allclose(log_ndtr(tensor(z)).numpy(), sp.log_ndtr(z), rtol=1e-12)


@pytest.mark.parametrize("lower", [5.0, 20.0, 38.0])
def test_normal_far_in_its_tail(lower: float) -> None:
    """log p(x) − log Φ(−a) by scipy's log_ndtr, far beyond where 1 − Φ(a) is 0; gradient finite."""
    μ = torch.zeros((), dtype=torch.float64, requires_grad=True)
    x = lower + 0.1
    value = runtime.Truncated(dist.Normal(μ, 1.0), lower=lower).log_prob(tensor(x))
    np.testing.assert_allclose(value.item(), st.norm.logpdf(x) - sp.log_ndtr(-lower), rtol=1e-10)
    (slope,) = torch.autograd.grad(value, μ)
    hazard = math.exp(st.norm.logpdf(lower) - sp.log_ndtr(-lower))
    np.testing.assert_allclose(slope.item(), x - hazard, rtol=1e-8)  # a difference of near-equal numbers


def test_draws_far_in_a_tail_stay_inside() -> None:
    torch.manual_seed(0)
    draws = runtime.Truncated(dist.Normal(tensor(0.0), 1.0), 20.0, 21.0).sample((200,))
    assert ((draws >= 20) & (draws <= 21)).all() and draws.std() > 0.01


def test_bounds_may_be_tensors() -> None:
    """One pair of bounds per element, infinite ones among them, differentiable."""
    lower, upper = tensor([-np.inf, -1.0, 0.5]), tensor([1.0, np.inf, 2.0]).requires_grad_()
    μ = tensor(0.2).requires_grad_()
    d = runtime.Truncated(dist.Normal(μ, 1.0), lower, upper)
    x = tensor([0.3, 0.4, 0.6])
    got = d.log_prob(x)
    inner = st.norm(0.2, 1.0)
    mass = inner.cdf(upper.detach().numpy()) - inner.cdf(lower.numpy())
    np.testing.assert_allclose(got.detach().numpy(), inner.logpdf(x.numpy()) - np.log(mass), rtol=1e-10)
    slopes = torch.autograd.grad(got.sum(), (μ, upper))
    assert all(torch.isfinite(slope).all() for slope in slopes)
    assert d.expand((2, 3)).log_prob(x).shape == (2, 3)


@pytest.mark.parametrize(
    "build",
    [
        lambda p: runtime.Truncated(dist.Cauchy(p * 0, 1 + p), lower=0.0),
        lambda p: runtime.Truncated(dist.StudentT(3 + p, 0.0, 1.0), lower=0.0),
        lambda p: runtime.Truncated(dist.Gamma(2 + p, 1.0), lower=0.0),
        lambda p: runtime.Truncated(dist.Poisson(2 + p), upper=3),
        lambda p: runtime.Censored(dist.Gamma(2 + p, 1.0), lower=0.5, upper=2.0),
    ],
)
def test_gradients_are_finite_outside(build: Callable[[Tensor], Distribution]) -> None:
    """Values outside the support give −inf and no NaN in any gradient."""
    p = torch.zeros((), dtype=torch.float64, requires_grad=True)
    values = build(p).log_prob(tensor([-2.0, 1.0, 1e6]))
    assert values[0] == -math.inf and torch.isfinite(values[1])
    (slope,) = torch.autograd.grad(values[1], p)
    assert torch.isfinite(slope)
    (outside,) = torch.autograd.grad(build(p).log_prob(tensor(-2.0)), p)
    assert torch.isfinite(outside)


def test_mixture_gradients_without_nan() -> None:
    """A component without density at x, and a weight of 0, leave every gradient finite and right."""
    w = tensor([0.0, 0.4, 0.6]).requires_grad_()
    λ = tensor(2.0).requires_grad_()
    parts = [dist.Exponential(λ), dist.Uniform(tensor(-3.0), 1.0), dist.Normal(tensor(0.0), λ)]
    value = runtime.Mixture(parts, w).log_prob(tensor(-1.0))
    uniform, normal = 0.25, st.norm(0, 2).pdf(-1)
    density = 0.4 * uniform + 0.6 * normal
    np.testing.assert_allclose(value.item(), math.log(density), rtol=1e-12)
    slope_w, slope_λ = torch.autograd.grad(value, (w, λ))
    np.testing.assert_allclose(slope_w.numpy(), np.array([0, uniform, normal]) / density, rtol=1e-12)
    np.testing.assert_allclose(slope_λ.item(), 0.6 * normal * (1 / 8 - 1 / 2) / density, rtol=1e-12)


def test_zero_inflation() -> None:
    p, λ = tensor(0.3).requires_grad_(), tensor(1.5).requires_grad_()
    d = runtime.Mixture([runtime.Dirac(0), dist.Poisson(λ)], torch.stack([p, 1 - p]))
    value = d.log_prob(tensor([0.0, 2.0]))
    expected = [math.log(0.3 + 0.7 * math.exp(-1.5)), math.log(0.7) + st.poisson(1.5).logpmf(2)]
    np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-12)
    assert d.support.is_discrete
    assert all(torch.isfinite(g) for g in torch.autograd.grad(value.sum(), (p, λ)))


def test_mixture_outside_every_component() -> None:
    w = tensor([0.5, 0.5]).requires_grad_()
    value = runtime.Mixture([dist.Exponential(tensor(1.0)), dist.Gamma(tensor(2.0), 1.0)], w).log_prob(tensor(-1.0))
    assert value == -math.inf
    (slope,) = torch.autograd.grad(value, w, allow_unused=True)
    assert torch.isfinite(slope).all()


def test_mixture_of_vectors() -> None:
    means = tensor([[0.0, 0.0], [3.0, 1.0]])
    d = runtime.Mixture(dist.MultivariateNormal(means, torch.eye(2).double()), tensor([0.25, 0.75]))
    x = tensor([1.0, 0.5])
    parts = [st.multivariate_normal(mean).pdf(x.numpy()) for mean in means.numpy()]
    expected = math.log(0.25 * parts[0] + 0.75 * parts[1])
    np.testing.assert_allclose(d.log_prob(x).item(), expected, rtol=1e-12)
    assert d.sample((5,)).shape == (5, 2) and d.support.event_dim == 1


def test_mixture_complaints() -> None:
    with pytest.raises(ValueError, match="2 components need 2 weights, not 3"):
        runtime.Mixture([dist.Normal(0.0, 1.0), dist.Normal(1.0, 1.0)], torch.ones(3) / 3)
    with pytest.raises(ValueError, match="differ in shape"):
        runtime.Mixture([dist.Normal(0.0, 1.0), dist.Normal(0.0, 1.0).expand((2,)).to_event(1)], torch.ones(2) / 2)


def test_what_cannot_be_cut_says_so() -> None:
    with pytest.raises(TypeError, match="VonMises has no distribution function"):
        runtime.Truncated(dist.VonMises(tensor(0.0), 1.0), lower=0.0).log_prob(tensor(1.0))
    with pytest.raises(TypeError, match="takes the distribution of one number"):
        runtime.LocationScale(0.0, 1.0, dist.Normal(0.0, 1.0).expand((2,)).to_event(1))


@pytest.mark.parametrize(
    ("scale", "inside", "outside"),
    [(2.0, 1.5, 0.5), (-2.0, 0.5, 1.5), (tensor(-2.0), 0.5, 1.5)],
)
def test_supports_follow_the_sign_of_the_scale(scale: float, inside: float, outside: float) -> None:
    support = runtime.LocationScale(1.0, scale, dist.Exponential(tensor(1.0))).support
    assert support.check(tensor(inside)) and not support.check(tensor(outside))
    assert support.check(biject_to(support)(tensor([-3.0, 0.0, 3.0]))).all()


def test_counts_off_the_lattice_have_no_mass() -> None:
    d = runtime.LocationScale(1.0, 2.0, dist.Poisson(tensor(2.0)))
    assert d.log_prob(tensor(2.0)) == -math.inf
    np.testing.assert_allclose(d.log_prob(tensor(5.0)).item(), st.poisson(2).logpmf(2), rtol=1e-12)


def test_ordered_logistic_far_out() -> None:
    """Both cut points far on one side: the difference of two logistics that round to 1."""
    got = runtime.OrderedLogistic(tensor(-50.0), tensor([0.0, 1.0])).log_prob(tensor(2))
    expected = -50 + math.log(1 - math.exp(-1))  # σ(51) − σ(50) = e^{−50}(1 − e^{−1}) to e^{−50}
    np.testing.assert_allclose(got.item(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "d",
    [
        runtime.Truncated(dist.Poisson(tensor(2.5)), 1, 9),
        runtime.Censored(dist.Poisson(tensor(2.5)), 1, 9),
        runtime.LocationScale(1.0, 1.0, dist.Poisson(tensor(2.5))),
        runtime.Mixture([runtime.Dirac(0), dist.Poisson(tensor(2.5))], tensor([0.5, 0.5])),
        runtime.LogPoisson(tensor(2.5)),
        runtime.BinomialLogit(9, tensor(0.5)),
        runtime.Categorical(tensor([0.1] * 10)),
    ],
    ids=lambda d: type(d).__name__,
)
def test_whole_number_tensors_lose_no_digits(d: Distribution) -> None:
    """torch's log gamma of an int64 tensor is a float32; ours must not be."""
    x = torch.tensor([1, 7])
    torch.testing.assert_close(d.log_prob(x), d.log_prob(x.double()), rtol=0, atol=0)


def test_float32_stays_float32() -> None:
    half = runtime.Truncated(dist.Cauchy(torch.zeros(3), 2.0), lower=0.0)
    assert half.log_prob(torch.ones(3)).dtype == torch.float32
    assert half.sample().dtype == torch.float32 and torch.isfinite(half.sample((50,))).all()
    assert runtime.SkewNormal(torch.zeros(()), 1.0, 2.0).sample().dtype == torch.float32
    mixed = runtime.Mixture([dist.Normal(torch.zeros(()), 1.0)], torch.ones(1))
    assert mixed.log_prob(torch.ones(())).dtype == torch.float32
