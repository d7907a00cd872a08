"""Both log tails of every univariate distribution: what truncation, censoring and mixtures of them are made of.

`log_tails(d, x)` is (log P(X ≤ x), log P(X > x)), each accurate where it is the small one, differentiable in x and in
the parameters. One function a distribution; a distribution of this library registers its own beside its class.
"""

import math
from functools import singledispatch

import pyro.distributions as dist
import torch
import torch.distributions as td
from torch import Tensor
from torch.distributions import Distribution
from torch.nn.functional import logsigmoid

from .parametric import TailFunction, Tails, TensorFunction
from .special import log1mexp, log_beta_tails, log_gamma_tails, log_ndtr, log_student_tails
from .typed import Value


@singledispatch
def log_tails(distribution: Distribution, x: Tensor) -> Tails:
    """(log P(X ≤ x), log P(X > x)).

    Unknown distributions fall back on their `cdf`, exact only to rounding of 1; TypeError where there is none.
    """
    try:
        probability = distribution.cdf(x)
    except NotImplementedError as error:
        raise TypeError(f"{type(distribution).__name__} has no distribution function, so it cannot be cut") from error
    return torch.log(probability), torch.log1p(-probability)


def log_tails_at_bound(distribution: Distribution, bound: Value, like: Tensor) -> Tails:
    """`log_tails` at a bound that may be infinite, a number or a tensor; gradients stay finite there."""
    x = torch.as_tensor(bound, dtype=like.dtype, device=like.device)
    finite = torch.isfinite(x)
    lower, upper = log_tails(distribution, torch.where(finite, x, 0.0))
    beyond_lower, beyond_upper = torch.where(x > 0, 0.0, -math.inf), torch.where(x > 0, -math.inf, 0.0)
    return torch.where(finite, lower, beyond_lower), torch.where(finite, upper, beyond_upper)


def log_between(low: Tails, high: Tails) -> Tensor:
    """log P(a < X ≤ b) from the log tails at a and at b, from whichever side keeps more digits."""
    from_above = low[1] < -math.log(2)
    small = torch.where(from_above, high[1], low[0])
    large = torch.where(from_above, low[1], high[0])
    ratio = torch.where((small > -math.inf) & (large > -math.inf), small - large, -math.inf)
    return large + log1mexp(ratio)


def within(x: Tensor, lower: Value, upper: Value, point: Value, tails: TailFunction) -> Tails:
    """`tails(x)` between the ends of a support, and certainty beyond them, with finite gradients everywhere.

    `point` is a number inside the support, which stands in for x outside it.
    """
    below, above = x <= lower, x >= upper
    lower_tail, upper_tail = tails(torch.where(below | above, point, x))
    lower_tail = torch.where(below, -math.inf, torch.where(above, 0.0, lower_tail))
    upper_tail = torch.where(below, 0.0, torch.where(above, -math.inf, upper_tail))
    return lower_tail, upper_tail


def on_line(z: Tensor, tails: TailFunction) -> Tails:
    """Tails of a standardised variable on the real line."""
    return within(z, -math.inf, math.inf, 0.0, tails)


def on_half_line(z: Tensor, tails: TailFunction) -> Tails:
    """Tails of a standardised variable on (0, ∞)."""
    return within(z, 0.0, math.inf, 1.0, tails)


def by_hazard(z: Tensor, cumulative: TensorFunction) -> Tails:
    """Tails of a positive variable with P(Z > z) = exp(−H(z))."""

    def tails(t: Tensor) -> Tails:
        hazard = cumulative(t)
        return log1mexp(-hazard), -hazard

    return on_half_line(z, tails)


def on_counts(x: Tensor, last: Value, tails: TailFunction) -> Tails:
    """Tails at the whole number k ≤ x of a variable on 0…last, from `tails(k)` for 0 ≤ k < last."""
    return within(torch.floor(x), -1.0, last, 0.0, tails)


@log_tails.register
def _(d: td.Normal, x: Tensor) -> Tails:
    return on_line((x - d.loc) / d.scale, normal_tails)


def normal_tails(z: Tensor) -> Tails:
    """log Φ(z) and log Φ(−z)."""
    return log_ndtr(z), log_ndtr(-z)


@log_tails.register
def _(d: td.LogNormal, x: Tensor) -> Tails:
    return on_half_line(x, lambda t: normal_tails((torch.log(t) - d.loc) / d.scale))


@log_tails.register
def _(d: td.HalfNormal, x: Tensor) -> Tails:
    return on_half_line(x / d.scale, lambda z: _half(normal_tails(z)))


@log_tails.register
def _(d: td.Cauchy, x: Tensor) -> Tails:
    return on_line((x - d.loc) / d.scale, _cauchy_tails)


@log_tails.register
def _(d: td.HalfCauchy, x: Tensor) -> Tails:
    return on_half_line(x / d.scale, lambda z: _half(_cauchy_tails(z)))


def _cauchy_tails(z: Tensor) -> Tails:
    one = torch.ones_like(z)
    return torch.log(torch.atan2(one, -z) / math.pi), torch.log(torch.atan2(one, z) / math.pi)


def _half(tails: Tails) -> Tails:
    """Tails of |Z| from those of a Z symmetric about 0."""
    upper = math.log(2) + tails[1]
    return log1mexp(upper), upper


@log_tails.register
def _(d: td.StudentT, x: Tensor) -> Tails:
    return on_line((x - d.loc) / d.scale, lambda z: log_student_tails(d.df, z))


@log_tails.register
def _(d: td.Laplace, x: Tensor) -> Tails:
    return on_line((x - d.loc) / d.scale, _laplace_tails)


def _laplace_tails(z: Tensor) -> Tails:
    tail = -torch.abs(z) - math.log(2)
    return torch.where(z < 0, tail, log1mexp(tail)), torch.where(z < 0, log1mexp(tail), tail)


@log_tails.register
def _(d: dist.Logistic, x: Tensor) -> Tails:
    return on_line((x - d.loc) / d.scale, lambda z: (logsigmoid(z), logsigmoid(-z)))


@log_tails.register
def _(d: td.Gumbel, x: Tensor) -> Tails:
    return on_line((x - d.loc) / d.scale, lambda z: (-torch.exp(-z), log1mexp(-torch.exp(-z))))


@log_tails.register
def _(d: td.Uniform, x: Tensor) -> Tails:
    def tails(t: Tensor) -> Tails:
        log_width = torch.log(d.high - d.low)
        return torch.log(t - d.low) - log_width, torch.log(d.high - t) - log_width

    return within(x, d.low, d.high, (d.low + d.high) / 2, tails)


@log_tails.register
def _(d: td.Exponential, x: Tensor) -> Tails:
    return by_hazard(d.rate * x, lambda z: z)


@log_tails.register
def _(d: td.Weibull, x: Tensor) -> Tails:
    return by_hazard(x / d.scale, lambda z: z**d.concentration)


@log_tails.register
def _(d: td.Pareto, x: Tensor) -> Tails:
    return by_hazard(x / d.scale - 1, lambda z: d.alpha * torch.log1p(z))


@log_tails.register
def _(d: td.Gamma, x: Tensor) -> Tails:
    return on_half_line(d.rate * x, lambda z: log_gamma_tails(d.concentration, z))


@log_tails.register
def _(d: dist.InverseGamma, x: Tensor) -> Tails:
    def tails(t: Tensor) -> Tails:
        upper, lower = log_gamma_tails(d.concentration, d.rate / t)
        return lower, upper

    return on_half_line(x, tails)


@log_tails.register
def _(d: td.Beta, x: Tensor) -> Tails:
    return within(x, 0.0, 1.0, 0.5, lambda t: log_beta_tails(d.concentration1, d.concentration0, torch.logit(t)))


@log_tails.register
def _(d: td.Kumaraswamy, x: Tensor) -> Tails:
    def tails(t: Tensor) -> Tails:
        upper = d.concentration0 * torch.log1p(-(t**d.concentration1))
        return log1mexp(upper), upper

    return within(x, 0.0, 1.0, 0.5, tails)


@log_tails.register
def _(d: td.Poisson, x: Tensor) -> Tails:
    return on_counts(x, math.inf, lambda k: poisson_tails(d.rate, k))


def poisson_tails(rate: Tensor, k: Tensor) -> Tails:
    """P(X ≤ k) = Q(k + 1, λ) (DLMF 8.4.10)."""
    upper, lower = log_gamma_tails(k + 1, rate)
    return lower, upper


@log_tails.register
def _(d: td.Binomial, x: Tensor) -> Tails:
    """P(X ≤ k) = I_{1−p}(n − k, k + 1)."""
    trials = torch.as_tensor(d.total_count, dtype=x.dtype)
    return on_counts(x, trials, lambda k: log_beta_tails(torch.clamp(trials - k, min=1.0), k + 1, -d.logits))


@log_tails.register
def _(d: td.NegativeBinomial, x: Tensor) -> Tails:
    """P(X ≤ k) = I_p(r, k + 1), p the success probability, which torch calls 1 − probs."""
    return on_counts(x, math.inf, lambda k: log_beta_tails(torch.as_tensor(d.total_count), k + 1, -d.logits))


@log_tails.register
def _(d: td.Geometric, x: Tensor) -> Tails:
    def tails(k: Tensor) -> Tails:
        upper = (k + 1) * torch.log1p(-d.probs)
        return log1mexp(upper), upper

    return on_counts(x, math.inf, tails)


@log_tails.register
def _(d: td.Bernoulli, x: Tensor) -> Tails:
    return on_counts(x, 1.0, lambda k: (logsigmoid(-d.logits) + 0 * k, logsigmoid(d.logits) + 0 * k))
