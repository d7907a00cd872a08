"""What every distribution here shares: parameters that broadcast, and the shape bookkeeping of `expand`.

torch asks each distribution to copy itself by hand into a new batch shape: `Parametric` does that once for those made of
parameter tensors; those made of another distribution have helpers here.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeAlias

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor

from .typed import Shape, Value, broadcast, broadcast_shapes

TensorFunction: TypeAlias = Callable[[Tensor], Tensor]
Tails: TypeAlias = tuple[Tensor, Tensor]
TailFunction: TypeAlias = Callable[[Tensor], Tails]


def as_parameters(*values: Value) -> tuple[Tensor, ...]:
    """Tensors of one floating dtype on one device, broadcast together.

    The dtype is that of the first floating tensor among the values (torch's default when there is none), the device
    that of the first tensor.
    """
    dtype, device = common_dtype(*values), common_device(*values)
    tensors = [torch.as_tensor(value, dtype=dtype, device=device) for value in values]
    return broadcast(*tensors)


def common_dtype(*values: Value) -> torch.dtype:
    """dtype of the first floating tensor, torch's default if there is none."""
    floating = (v.dtype for v in values if isinstance(v, Tensor) and v.dtype.is_floating_point)
    return next(floating, torch.get_default_dtype())


def common_device(*values: Value) -> torch.device | None:
    """Device of the first tensor, None if there is none."""
    return next((v.device for v in values if isinstance(v, Tensor)), None)


class RuntimeDistribution(TorchDistribution):
    """Base of this library's distributions: only what the type checker and torch's `expand` need."""

    _validate_args: bool

    def _blank(self, instance: Self | None) -> Self:
        checked: Any = self._get_checked_instance
        blank: Self = checked(type(self), instance)
        return blank

    def _finish(self, source: "RuntimeDistribution", batch_shape: torch.Size, event_shape: torch.Size) -> Self:
        """Set the shapes of a copy of `source`, without checking its parameters a second time."""
        TorchDistribution.__init__(self, batch_shape, event_shape, validate_args=False)
        self._validate_args = source._validate_args
        return self

    def _check(self, value: Tensor) -> None:
        if self._validate_args:
            self._validate_sample(value)

    def _shape(self, sample_shape: Shape) -> torch.Size:
        return torch.Size(self._extended_shape(torch.Size(sample_shape)))


class Parametric(RuntimeDistribution):
    """A distribution whose state is parameter tensors: batch shape first, then each one's own event axes.

    `parameter_ranks` maps each parameter's name to its number of event axes; `settings` names what does not broadcast.
    """

    parameter_ranks: ClassVar[dict[str, int]] = {}
    settings: ClassVar[tuple[str, ...]] = ()

    def expand(self, batch_shape: Shape, _instance: Self | None = None) -> Self:
        new, shape = self._blank(_instance), torch.Size(batch_shape)
        for name, rank in self.parameter_ranks.items():
            tensor: Tensor = getattr(self, name)
            setattr(new, name, tensor.expand(shape + tensor.shape[tensor.dim() - rank :]))
        for name in self.settings:
            setattr(new, name, getattr(self, name))
        return new._finish(self, shape, self.event_shape)


def expand_value(value: Value, batch_shape: Shape) -> Value:
    """A tensor expanded to the batch shape; a number as it is."""
    return value.expand(batch_shape) if isinstance(value, Tensor) else value


def batch_shape_of(base_shape: torch.Size, *values: Value | None) -> torch.Size:
    """The base's batch shape broadcast with the shapes of the tensors among the values."""
    return broadcast_shapes(base_shape, *(v.shape for v in values if isinstance(v, Tensor)))
