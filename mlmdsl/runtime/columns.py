"""`filldist(d, n)` of a multivariate d: arrays whose last axis counts the draws, as Julia lays them out."""

from typing import ClassVar, Self

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from .constraints import ColumnsOf, batch_to_columns, columns_to_batch
from .parametric import RuntimeDistribution
from .typed import NO_SHAPE, Shape, draw, draw_with_gradient, support_of


class Columns(RuntimeDistribution):
    """log p(x) = Σⱼ base_j.log_prob(x[…, :, j]), j = 1…n: a k × n matrix whose columns are drawn one by one.

    Base: batch shape (…, n), event shape (k,) or (k, m); this: batch shape (…), event shape (k, n) or (k, m, n).
    Units and gradients of draws: the base's. Support: each column in the base's. Errors: ValueError for a base
    without batch axis or of univariate events. Source: Turing.jl `filldist`, `arraydist`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(self, base: Distribution, validate_args: bool | None = None) -> None:
        if not base.event_shape or not base.batch_shape:
            raise ValueError("columns need a base with vector or matrix events and a batch axis that counts them")
        self.base = base
        event_shape = base.event_shape + base.batch_shape[-1:]
        super().__init__(base.batch_shape[:-1], event_shape, validate_args=validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return bool(self.base.has_rsample)

    @property
    def _base_event_dim(self) -> int:
        return len(self.base.event_shape)

    def expand(self, batch_shape: Shape, _instance: Self | None = None) -> Self:
        new, shape = self._blank(_instance), torch.Size(batch_shape)
        new.base = self.base.expand(shape + self.base.batch_shape[-1:])
        return new._finish(self, shape, self.event_shape)

    @constraints.dependent_property
    def support(self) -> Constraint:
        return ColumnsOf(support_of(self.base))

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        density: Tensor = self.base.log_prob(columns_to_batch(value, self._base_event_dim))
        return density.sum(-1)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            return batch_to_columns(draw(self.base, sample_shape), self._base_event_dim)

    def rsample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        return batch_to_columns(draw_with_gradient(self.base, sample_shape), self._base_event_dim)
