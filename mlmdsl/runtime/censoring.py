"""`censored(d; lower, upper)`: a variable that is recorded at a bound when it falls beyond it."""

import math
from typing import ClassVar, Self

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from .cdf import log_tails_at_bound
from .parametric import RuntimeDistribution, Tails, batch_shape_of, expand_value
from .supports import Interval, bound_or, constraint_of, intersection, interval_of, is_absent, log_prob_inside
from .typed import NO_SHAPE, Shape, Value, as_floating, draw, support_of


class Censored(RuntimeDistribution):
    """Y = clamp(X, lower, upper): log P(X ≤ lower) at lower, log P(X ≥ upper) at upper, log p(y) between, −inf beyond.

    At the bounds it is a probability, between them the base's density (or probability, for counts). Shapes: the base's
    batch shape broadcast with the bounds'; each bound a number or a tensor, one per observation if need be, None for
    none. Draws are clamped draws of the base, without gradient. Errors: TypeError for a base without distribution
    function. As a latent variable it has atoms, which no gradient sampler can visit: meant for observed values.
    Source: Distributions.jl `censored`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(
        self,
        base: Distribution,
        lower: Value | None = None,
        upper: Value | None = None,
        validate_args: bool | None = None,
    ) -> None:
        cut_lower, cut_upper = bound_or(lower, -math.inf), bound_or(upper, math.inf)
        batch_shape = batch_shape_of(base.batch_shape, cut_lower, cut_upper)
        self.base = base.expand(batch_shape)
        self.lower: Value = expand_value(cut_lower, batch_shape)
        self.upper: Value = expand_value(cut_upper, batch_shape)
        super().__init__(batch_shape, torch.Size(), validate_args=validate_args)

    def expand(self, batch_shape: Shape, _instance: Self | None = None) -> Self:
        new, shape = self._blank(_instance), torch.Size(batch_shape)
        new.base = self.base.expand(shape)
        new.lower, new.upper = expand_value(self.lower, shape), expand_value(self.upper, shape)
        return new._finish(self, shape, torch.Size())

    @property
    def interval(self) -> Interval:
        """The bounds, no wider than the base's support."""
        base = interval_of(support_of(self.base))
        return intersection(base, Interval(self.lower, self.upper, base.discrete))

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Constraint:
        return constraint_of(self.interval)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        value = as_floating(value)
        interval = self.interval
        result = log_prob_inside(self.base, interval, value)
        if not is_absent(self.lower):
            result = torch.where(value == self.lower, self._tails(self.lower, value)[0], result)
        if not is_absent(self.upper):
            result = torch.where(value == self.upper, self._log_at_least(self.upper, value), result)
        return result

    def _tails(self, bound: Value, like: Tensor) -> Tails:
        return log_tails_at_bound(self.base, bound, like)

    def _log_at_least(self, bound: Value, like: Tensor) -> Tensor:
        end = torch.as_tensor(bound, dtype=like.dtype, device=like.device)
        return self._tails(torch.ceil(end) - 1 if self.interval.discrete else end, like)[1]

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            value = draw(self.base, sample_shape)
            lower, upper = (torch.as_tensor(end, device=value.device) for end in (self.lower, self.upper))
            return torch.minimum(torch.maximum(value, lower.to(value.dtype)), upper.to(value.dtype))
