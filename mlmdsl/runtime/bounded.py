"""What `truncated` and `censored` share: a distribution of one number, and bounds that cut it."""

import math
from typing import ClassVar, Self

import torch
from pyro.distributions import constraints
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from .parametric import RuntimeDistribution, batch_shape_of, expand_value
from .supports import Interval, bound_or, constraint_of, intersection, interval_of
from .typed import Shape, Value, support_of


class Bounded(RuntimeDistribution):
    """A variable that stays within lower ≤ x ≤ upper and within the support of the base it is made of.

    Shapes: the base's batch shape broadcast with the bounds'. Units: the base's. A bound is a number or a tensor, one
    per observation if need be, None or ±inf for none. Errors: TypeError for the support of a base that is not
    univariate.
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
