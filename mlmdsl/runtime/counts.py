"""Counts in Julia's parameterisations that torch has not, or not in a form that maps over chains."""

import math
from typing import ClassVar

import torch
from pyro.distributions import Beta, NegativeBinomial, constraints
from torch import Tensor
from torch.distributions.constraints import Constraint
from torch.nn.functional import logsigmoid

from .cdf import log_tails, on_counts, poisson_tails
from .missing import marked
from .parametric import Parametric, Tails, as_parameters, common_dtype
from .special import log_beta_tails
from .typed import NO_SHAPE, Shape, Value, as_floating, broadcast, broadcast_shapes, draw, independent, integers_between


def log_factorial(count: Tensor) -> Tensor:
    """log n!."""
    return torch.lgamma(count + 1)


def negative_binomial(successes: Value, prob: Value) -> NegativeBinomial:
    """Failures before the r-th success, each try succeeding with probability p.

    Distributions.jl's NegativeBinomial(r, p): P(k) = Γ(k + r) / (k! Γ(r)) · pʳ (1 − p)ᵏ.
    Pyro's class of that name takes the probability of failure.
    """
    r, p = as_parameters(successes, prob)
    return NegativeBinomial(r, probs=1 - p)


class LogPoisson(Parametric):
    """Poisson with rate exp(η): log P(k) = kη − e^η − log k!, k = 0, 1, ….

    Parameter: log_rate η, real, any shape. Draws carry no gradient. Source: Turing.jl `LogPoisson`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {"log_rate": constraints.real}
    support = constraints.nonnegative_integer
    parameter_ranks: ClassVar[dict[str, int]] = {"log_rate": 0}

    def __init__(self, log_rate: Value, validate_args: bool | None = None) -> None:
        (self.log_rate,) = as_parameters(log_rate)
        super().__init__(self.log_rate.shape, torch.Size(), validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        value = as_floating(value, self.log_rate.dtype)
        return value * self.log_rate - torch.exp(self.log_rate) - log_factorial(value)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            return torch.poisson(torch.exp(self.log_rate).expand(self._shape(sample_shape)))


class BinomialLogit(Parametric):
    """Successes in n tries of log odds η: log P(k) = log C(n, k) + k·log σ(η) + (n − k)·log σ(−η), k = 0…n.

    Parameters: n whole numbers, logit η real, of any broadcasting shapes. Draws carry no gradient. Source: Turing.jl
    `BinomialLogit`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "n": constraints.nonnegative_integer,
        "logit": constraints.real,
    }
    parameter_ranks: ClassVar[dict[str, int]] = {"n": 0, "logit": 0}

    def __init__(self, n: Value, logit: Value, validate_args: bool | None = None) -> None:
        self.n, self.logit = as_parameters(n, logit)
        super().__init__(self.n.shape, torch.Size(), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Constraint:
        return integers_between(0, self.n)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        value = as_floating(value, self.logit.dtype)
        ways = log_factorial(self.n) - log_factorial(value) - log_factorial(self.n - value)
        return ways + value * logsigmoid(self.logit) + (self.n - value) * logsigmoid(-self.logit)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            shape = self._shape(sample_shape)
            return torch.binomial(self.n.expand(shape), torch.sigmoid(self.logit).expand(shape))


class BetaBinomial(Parametric):
    """Successes in n tries whose probability is Beta(α, β): log C(n, k) + log B(k + α, n − k + β) − log B(α, β), k = 0…n.

    Parameters: n whole numbers, α and β positive, of any broadcasting shapes. Draws carry no gradient. Source:
    Distributions.jl `BetaBinomial`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "n": constraints.nonnegative_integer,
        "alpha": constraints.positive,
        "beta": constraints.positive,
    }
    parameter_ranks: ClassVar[dict[str, int]] = {"n": 0, "alpha": 0, "beta": 0}

    def __init__(self, n: Value, alpha: Value, beta: Value, validate_args: bool | None = None) -> None:
        self.n, self.alpha, self.beta = as_parameters(n, alpha, beta)
        super().__init__(self.n.shape, torch.Size(), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Constraint:
        return integers_between(0, self.n)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        return log_beta_binomial(self.n, self.alpha, self.beta, as_floating(value, self.alpha.dtype))

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            shape = self._shape(sample_shape)
            share = draw(Beta(self.alpha.expand(shape), self.beta.expand(shape)), NO_SHAPE)
            return torch.binomial(self.n.expand(shape), share)


def log_beta_binomial(n: Tensor, alpha: Tensor, beta: Tensor, k: Tensor) -> Tensor:
    """log P(k) of k successes in n tries whose probability is Beta(α, β), for 0 ≤ k ≤ n."""
    ways = log_factorial(n) - log_factorial(k) - log_factorial(n - k)
    grown = torch.lgamma(k + alpha) + torch.lgamma(n - k + beta) - torch.lgamma(n + alpha + beta)
    return ways + grown + torch.lgamma(alpha + beta) - torch.lgamma(alpha) - torch.lgamma(beta)


class DiscreteUniform(Parametric):
    """Each whole number from low to high with probability 1 / (high − low + 1).

    Parameters: whole numbers low ≤ high, of any broadcasting shapes. Draws carry no gradient. Errors: it enumerates
    only when all its elements share their bounds (NotImplementedError). Source: Distributions.jl `DiscreteUniform`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {"low": constraints.integer, "high": constraints.integer}
    has_enumerate_support = True
    parameter_ranks: ClassVar[dict[str, int]] = {"low": 0, "high": 0}

    def __init__(self, low: Value, high: Value, validate_args: bool | None = None) -> None:
        self.low, self.high = as_parameters(low, high)
        super().__init__(self.low.shape, torch.Size(), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Constraint:
        return integers_between(self.low, self.high)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        value = as_floating(value, self.low.dtype)
        within = (value >= self.low) & (value <= self.high) & (value == torch.floor(value))
        return torch.where(within, -torch.log(self.high - self.low + 1), -math.inf)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            position = torch.rand(self._shape(sample_shape), dtype=self.low.dtype, device=self.low.device)
            return torch.minimum(self.low + torch.floor(position * (self.high - self.low + 1)), self.high)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        low, high = self.low.reshape(-1), self.high.reshape(-1)
        if (low != low[0]).any() or (high != high[0]).any():
            raise NotImplementedError("DiscreteUniform enumerates only when all its elements share their bounds")
        values = torch.arange(int(low[0]), int(high[0]) + 1, dtype=self.low.dtype, device=self.low.device)
        values = values.reshape(-1, *(1,) * len(self.batch_shape))
        return values.expand(-1, *self.batch_shape) if expand else values


class Multinomial(Parametric):
    """How n things fall into K classes: log n! − Σₖ log xₖ! + Σₖ xₖ·log pₖ, Σₖ xₖ = n.

    Parameters: n whole, one per batch element or one in all; probs (…, K) in the simplex. Event shape (K,). torch's
    class of that name takes a single n and cannot be mapped over chains. Draws carry no gradient. Source:
    Distributions.jl `Multinomial`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {
        "n": constraints.nonnegative_integer,
        "probs": constraints.simplex,
    }
    parameter_ranks: ClassVar[dict[str, int]] = {"n": 0, "probs": 1}

    def __init__(self, n: Value, probs: Tensor, validate_args: bool | None = None) -> None:
        size = torch.as_tensor(n, dtype=common_dtype(probs), device=probs.device)
        shape = broadcast_shapes(size.shape, probs.shape[:-1])
        self.n, self.probs = size.expand(shape), probs.expand((*shape, probs.shape[-1]))
        super().__init__(shape, probs.shape[-1:], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Constraint:
        return independent(constraints.nonnegative_integer, 1)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        value = as_floating(value, self.probs.dtype)
        arrangements = log_factorial(self.n) - log_factorial(value).sum(-1)
        return arrangements + torch.xlogy(value, self.probs).sum(-1)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        """Class by class, each a binomial share of what is left."""
        with torch.no_grad():
            shape = self._shape(sample_shape)
            left, probs = self.n.expand(shape[:-1]), self.probs.expand(shape)
            unused = probs.flip(-1).cumsum(-1).flip(-1)
            counts = []
            for k in range(shape[-1] - 1):
                share = torch.clamp(torch.nan_to_num(probs[..., k] / unused[..., k]), 0, 1)
                counts.append(torch.binomial(left, share))
                left = left - counts[-1]
            return torch.stack([*counts, left], -1)


@log_tails.register
def _(d: LogPoisson, x: Tensor) -> Tails:
    return on_counts(x, math.inf, lambda k: poisson_tails(torch.exp(d.log_rate), k))


@log_tails.register
def _(d: BinomialLogit, x: Tensor) -> Tails:
    return on_counts(x, d.n, lambda k: log_beta_tails(torch.clamp(d.n - k, min=1.0), k + 1, -d.logit))


@log_tails.register
def _(d: BetaBinomial, x: Tensor) -> Tails:
    """By summing the probabilities: as many terms as there are tries."""

    def tails(k: Tensor) -> Tails:
        most = int(marked(d.n).max())
        each = torch.arange(most + 1, dtype=d.alpha.dtype, device=d.alpha.device)
        n, alpha, beta, count = (part.unsqueeze(-1) for part in broadcast(d.n, d.alpha, d.beta, k))
        inside = each <= n
        log_p = log_beta_binomial(n, alpha, beta, torch.where(inside, each, 0.0))
        return _log_sum(log_p, inside & (each <= count)), _log_sum(log_p, inside & (each > count))

    return on_counts(x, d.n, tails)


def _log_sum(log_p: Tensor, chosen: Tensor) -> Tensor:
    """log of the sum of the chosen probabilities along the last axis."""
    return torch.logsumexp(torch.where(chosen, log_p, -math.inf), -1)


@log_tails.register
def _(d: DiscreteUniform, x: Tensor) -> Tails:
    size = d.high - d.low + 1
    below = torch.clamp(torch.floor(x) - d.low + 1, min=0.0)
    share = torch.minimum(below, size) / size
    return torch.log(share), torch.log1p(-share)
