"""`censored(d; lower, upper)`: a variable that is recorded at a bound when it falls beyond it."""

import torch
from torch import Tensor

from .bounded import Bounded
from .cdf import log_tails_at_bound
from .parametric import Tails
from .supports import is_absent, log_prob_inside
from .typed import NO_SHAPE, Shape, Value, as_floating, draw


class Censored(Bounded):
    """Y = clamp(X, lower, upper): log P(X ≤ lower) at lower, log P(X ≥ upper) at upper, log p(y) between, −inf beyond.

    At the bounds it is a probability, between them the base's density (or probability, for counts). Shapes, units and
    bounds: those of `Bounded`. Draws are clamped draws of the base, without gradient. Errors: TypeError for a base that
    is not univariate or has no distribution function. As a latent variable it has atoms, which no gradient sampler can
    visit: meant for observed values. Source: Distributions.jl `censored`.
    """

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
