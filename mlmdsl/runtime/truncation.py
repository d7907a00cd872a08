"""`truncated(d; lower, upper)`: any univariate distribution restricted to an interval and renormalised."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import biject_to

from .bounded import Bounded
from .cdf import log_between, log_tails, log_tails_at_bound
from .parametric import Tails
from .supports import Interval, constraint_of, inside, interior_point, is_absent, log_prob_inside
from .typed import NO_SHAPE, Shape, as_floating, draw

_BISECTIONS = 64
_LARGEST_COUNT = 2.0**31


class Truncated(Bounded):
    """X restricted to lower ≤ X ≤ upper: log p(x) − log(F(upper) − F(lower)), F(lower − 1) for counts.

    Shapes, units and bounds: those of `Bounded`; the normaliser follows the parameters of the base and the bounds.
    Draws come from inverting the distribution function by bisection, so that no draw is ever rejected; they carry no
    gradient, and counts stay below 2³¹. Where the bounds move with latents, stock NUTS, which fixes each site's
    transform once, cannot sample X itself. Outside the interval log_prob is −inf. Errors: TypeError for a base that is
    not univariate or has no distribution function; an interval without mass gives NaN. Source: Distributions.jl
    `Truncated`.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        value = as_floating(value)
        return log_prob_inside(self.base, self.interval, value) - self._log_mass(value)

    def tails_at_ends(self, like: Tensor) -> tuple[Tails, Tails]:
        """The base's log tails just before the lower and at the upper bound."""
        interval = self.interval
        before = self.lower
        if interval.discrete:
            before = torch.ceil(torch.as_tensor(self.lower, dtype=like.dtype, device=like.device)) - 1
        return log_tails_at_bound(self.base, before, like), log_tails_at_bound(self.base, self.upper, like)

    def _log_mass(self, like: Tensor) -> Tensor:
        """log(F(upper) − F(lower)), by one tail where there is one bound only."""
        low, high = self.tails_at_ends(like)
        if is_absent(self.lower):
            return high[0]
        return low[1] if is_absent(self.upper) else log_between(low, high)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            point = draw(self.base, sample_shape)
            if not point.dtype.is_floating_point:
                point = point.to(torch.get_default_dtype())
            goal = torch.log(torch.rand_like(point))
            return self._smallest_count(goal) if self.interval.discrete else self._bisect(goal)

    def _log_below(self, x: Tensor) -> Tensor:
        """log P(X ≤ x) of the truncated variable, for x between the bounds."""
        low, high = self.tails_at_ends(x)
        return log_between(low, log_tails(self.base, x)) - log_between(low, high)

    def _bisect(self, goal: Tensor) -> Tensor:
        """x with log P(X ≤ x) = goal, by bisection on the unconstrained scale."""
        transform: Any = biject_to(constraint_of(self.interval))
        reach = math.log(torch.finfo(goal.dtype).max) - 1
        low, high = torch.full_like(goal, -reach), torch.full_like(goal, reach)
        rising = transform(high) > transform(low)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            over = (self._log_below(transform(middle)) > goal) == rising
            low, high = torch.where(over, low, middle), torch.where(over, middle, high)
        solution: Tensor = transform((low + high) / 2)
        return solution

    def _smallest_count(self, goal: Tensor) -> Tensor:
        """The smallest whole number x with log P(X ≤ x) ≥ goal."""
        interval = self.interval
        first = torch.as_tensor(interval.lower, dtype=goal.dtype, device=goal.device).clamp(min=-_LARGEST_COUNT)
        last = torch.as_tensor(interval.upper, dtype=goal.dtype, device=goal.device).clamp(max=_LARGEST_COUNT)
        low, high = torch.ceil(first) - 1 + 0 * goal, torch.floor(last) + 0 * goal
        for _ in range(34):
            middle = torch.floor((low + high) / 2)
            enough = self._log_below(middle) >= goal
            low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
        return high


@log_tails.register
def _(d: Truncated, x: Tensor) -> Tails:
    """Tails of the truncated variable: the mass on either side of x over the mass between the bounds."""
    low, high = d.tails_at_ends(x)
    total = log_between(low, high)
    within = inside(Interval(d.lower, d.upper, False), x)
    spare = interior_point(d.interval, x)
    here = log_tails(d.base, torch.where(within, x, spare))
    lower, upper = log_between(low, here) - total, log_between(here, high) - total
    below = x < d.lower
    lower = torch.where(within, lower, torch.where(below, -math.inf, 0.0))
    upper = torch.where(within, upper, torch.where(below, 0.0, -math.inf))
    return torch.clamp(lower, max=0.0), torch.clamp(upper, max=0.0)
