"""torch and Pyro functions with the types they lack, so that the rest of the library is checked strictly."""

from typing import Any, TypeAlias

import numpy as np
import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

Value: TypeAlias = Tensor | float
Shape: TypeAlias = torch.Size | list[int] | tuple[int, ...]
NO_SHAPE = torch.Size()

_kinds: Any = constraints
_torch: Any = torch


def broadcast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """torch.broadcast_tensors."""
    return tuple(_torch.broadcast_tensors(*tensors))


def broadcast_shapes(*shapes: torch.Size) -> torch.Size:
    """The shape of tensors of these shapes taken together; torch's own imports sympy first."""
    return torch.Size(np.broadcast_shapes(*shapes))


def as_floating(value: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """Whole-number tensors as floating ones, which torch's log gamma would otherwise take to float32."""
    return value if value.dtype.is_floating_point else value.to(dtype)


def cholesky(matrix: Tensor) -> Tensor:
    """Lower Cholesky factor, meaningless (no error) where there is none."""
    factor: Tensor = torch.linalg.cholesky_ex(matrix).L
    return factor


def solve_lower(factor: Tensor, right: Tensor) -> Tensor:
    """L⁻¹·B for a lower triangle L."""
    solution: Tensor = torch.linalg.solve_triangular(factor, right, upper=False)
    return solution


def greater_than(lower: Value) -> Constraint:
    """x > lower."""
    kind: Constraint = _kinds.greater_than(lower)
    return kind


def at_least(lower: Value) -> Constraint:
    """x ≥ lower."""
    kind: Constraint = _kinds.greater_than_eq(lower)
    return kind


def between(lower: Value, upper: Value) -> Constraint:
    """lower ≤ x ≤ upper."""
    kind: Constraint = _kinds.interval(lower, upper)
    return kind


def integers_between(lower: Value, upper: Value) -> Constraint:
    """Whole numbers from lower to upper."""
    kind: Constraint = _kinds.integer_interval(lower, upper)
    return kind


def independent(base: Constraint, axes: int) -> Constraint:
    """`base` with so many more event axes."""
    kind: Constraint = _kinds.independent(base, axes)
    return kind


def satisfies(support: Constraint, value: Tensor) -> Tensor:
    """Mask of the events of `value` that lie in the support."""
    untyped: Any = support
    mask: Tensor = untyped.check(value)
    return mask


def support_of(distribution: Distribution) -> Constraint:
    """The support, which torch lets be None (TypeError then)."""
    support: Constraint | None = distribution.support
    if support is None:
        raise TypeError(f"{type(distribution).__name__} states no support")
    return support


def log_prob_of(distribution: Distribution, value: Tensor) -> Tensor:
    """log_prob."""
    density: Tensor = distribution.log_prob(value)
    return density


def draw(distribution: Distribution, sample_shape: Shape) -> Tensor:
    """A draw without gradient."""
    untyped: Any = distribution
    drawn: Tensor = untyped.sample(torch.Size(sample_shape))
    return drawn


def draw_with_gradient(distribution: Distribution, sample_shape: Shape) -> Tensor:
    """A draw that follows the parameters."""
    drawn: Tensor = distribution.rsample(torch.Size(sample_shape))
    return drawn
