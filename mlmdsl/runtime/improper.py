"""Flat priors: log density 0 on their support, which integrates to infinity.

No draw of them exists. Stock NUTS initialisation, autoguides and `Predictive` all ask each site for one nevertheless,
to learn its shape and a starting point, so `sample` answers with the starting point Stan would take: uniform(−2, 2)
on the unconstrained scale. Prior predictive draws of a model with such a prior mean nothing.
"""

from typing import ClassVar, Self

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import biject_to
from torch.distributions.constraints import Constraint

from .parametric import Parametric, RuntimeDistribution, as_parameters
from .typed import NO_SHAPE, Shape, Value, greater_than

_START = 2.0


class Flat(RuntimeDistribution):
    """Improper prior on the real line: log_prob(x) = 0.

    No parameters; `dtype` and `device` are those of its starting points (torch's defaults if None). Batch shape ()
    until it is expanded. `sample` gives starting points, uniform(−2, 2), not draws. Source: Turing.jl `Flat`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    support = constraints.real

    def __init__(self, dtype: torch.dtype | None = None, device: torch.device | None = None) -> None:
        self.dtype, self.device = dtype, device
        super().__init__(torch.Size(), torch.Size(), validate_args=False)

    def expand(self, batch_shape: Shape, _instance: Self | None = None) -> Self:
        new = self._blank(_instance)
        new.dtype, new.device = self.dtype, self.device
        return new._finish(self, torch.Size(batch_shape), torch.Size())

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.zeros_like(value * torch.ones(self.batch_shape, dtype=value.dtype, device=value.device))

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        uniform = torch.rand(self._shape(sample_shape), dtype=self.dtype, device=self.device)
        return _START * (2 * uniform - 1)


class FlatPos(Parametric):
    """Improper prior on (lower, ∞): log_prob(x) = 0 there, −inf elsewhere.

    Parameter: lower, any shape. `sample` gives starting points, lower + exp(uniform(−2, 2)), not draws. Source:
    Turing.jl `FlatPos`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {"lower": constraints.real}
    parameter_ranks: ClassVar[dict[str, int]] = {"lower": 0}

    def __init__(self, lower: Value = 0.0, validate_args: bool | None = None) -> None:
        (self.lower,) = as_parameters(lower)
        super().__init__(self.lower.shape, torch.Size(), validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Constraint:
        return greater_than(self.lower)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        return torch.where(value > self.lower, 0.0, -torch.inf).to(value.dtype)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        uniform = torch.rand(self._shape(sample_shape), dtype=self.lower.dtype, device=self.lower.device)
        start: Tensor = biject_to(self.support)(_START * (2 * uniform - 1))
        return start
