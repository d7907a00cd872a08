"""Supports that torch and Pyro have no constraint or no bijection for.

Each is a new constraint class with its own entry in torch's two registries, which is what NUTS initialisation,
autoguides and `Predictive` look up.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import biject_to, transform_to
from torch.distributions.constraints import Constraint
from torch.distributions.transforms import AffineTransform, ComposeTransform, Transform

from .typed import Value, cholesky, independent, satisfies


class AffineImage(Constraint):
    """The numbers loc + scale·x with x in `base`: a half-line in either direction, shifted integers, a segment."""

    def __init__(self, base: Constraint, loc: Value, scale: Value) -> None:
        self.base, self.loc, self.scale = base, loc, scale
        self.is_discrete = base.is_discrete
        super().__init__()

    def __repr__(self) -> str:
        return f"AffineImage({self.base}, loc={self.loc}, scale={self.scale})"

    def check(self, value: Tensor) -> Tensor:
        return satisfies(self.base, (value - self.loc) / self.scale)


class ColumnsOf(Constraint):
    """Arrays whose last axis counts members of `base`: shape (*event of base, n)."""

    def __init__(self, base: Constraint) -> None:
        self.base = base
        self.event_dim = base.event_dim + 1
        self.is_discrete = base.is_discrete
        super().__init__()

    def __repr__(self) -> str:
        return f"ColumnsOf({self.base})"

    def check(self, value: Tensor) -> Tensor:
        return satisfies(self.base, columns_to_batch(value, self.base.event_dim)).all(-1)


class Covariance(Constraint):
    """Symmetric positive definite d × d matrices; torch's own constraint has no bijection from the line."""

    event_dim = 2
    is_discrete = False

    def __repr__(self) -> str:
        return "Covariance()"

    def check(self, value: Tensor) -> Tensor:
        return satisfies(constraints.positive_definite, value)


def columns_to_batch(value: Tensor, event_dim: int) -> Tensor:
    """(…, *event, n) → (…, n, *event)."""
    return torch.movedim(value, -1, -1 - event_dim)


def batch_to_columns(value: Tensor, event_dim: int) -> Tensor:
    """(…, n, *event) → (…, *event, n)."""
    return torch.movedim(value, -1 - event_dim, -1)


class ColumnsTransform(Transform):
    """`part` applied to each of n rows of numbers, the results laid out as columns: (…, n, m) → (…, *event, n)."""

    bijective = True

    def __init__(self, part: Transform, rank: int, cache_size: int = 0) -> None:
        """`rank` is the number of event axes of one column, at least those `part` makes."""
        self.part: Any = part
        self.rank = rank
        self.extra = rank - self.part.codomain.event_dim
        self.domain = independent(self.part.domain, self.extra + 1)
        self.codomain = ColumnsOf(independent(self.part.codomain, self.extra))
        super().__init__(cache_size=cache_size)

    def with_cache(self, cache_size: int = 1) -> "ColumnsTransform":
        return self if self._cache_size == cache_size else ColumnsTransform(self.part, self.rank, cache_size)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ColumnsTransform) and self.rank == other.rank and bool(self.part == other.part)

    def _call(self, x: Tensor) -> Tensor:
        return batch_to_columns(self.part(x), self.rank)

    def _inverse(self, y: Tensor) -> Tensor:
        rows: Tensor = self.part.inv(columns_to_batch(y, self.rank))
        return rows

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        each: Tensor = self.part.log_abs_det_jacobian(x, columns_to_batch(y, self.rank))
        return each.sum(tuple(range(-1 - self.extra, 0)))

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        moved = list(self.part.forward_shape(shape))
        moved.append(moved.pop(-1 - self.rank))
        return torch.Size(moved)

    def inverse_shape(self, shape: torch.Size) -> torch.Size:
        moved = list(shape)
        moved.insert(len(moved) - 1 - self.rank, moved.pop())
        return torch.Size(self.part.inverse_shape(torch.Size(moved)))


class CovarianceTransform(Transform):
    """d(d + 1)/2 numbers, the rows of a lower triangle with a log diagonal, to S = L·Lᵀ.

    log |∂S/∂x| = d·log 2 + Σᵢ (d − i + 2)·log Lᵢᵢ, i = 1…d: the Cholesky map's Jacobian times the diagonal's exp
    (Muirhead 1982, theorem 2.1.9).
    """

    domain = constraints.real_vector
    codomain = Covariance()
    bijective = True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CovarianceTransform)

    def _call(self, x: Tensor) -> Tensor:
        d = _triangle_side(x.shape[-1])
        row, column = torch.tril_indices(d, d, device=x.device)
        entry = torch.where(row == column, torch.exp(x), x)
        lower = _scatter_matrix(entry, row * d + column, d)
        return lower @ lower.mT

    def _inverse(self, y: Tensor) -> Tensor:
        d = int(y.shape[-1])
        row, column = torch.tril_indices(d, d, device=y.device)
        entry = cholesky(y)[..., row, column]
        return torch.where(row == column, torch.log(torch.where(row == column, entry, 1.0)), entry)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        d = int(y.shape[-1])
        ends = torch.arange(1, d + 1, device=x.device).cumsum(0) - 1
        power = torch.arange(d + 1, 1, -1, dtype=x.dtype, device=x.device)
        return d * x.new_tensor(2.0).log() + (power * x[..., ends]).sum(-1)

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        d = _triangle_side(shape[-1])
        return torch.Size((*shape[:-1], d, d))

    def inverse_shape(self, shape: torch.Size) -> torch.Size:
        d = shape[-1]
        return torch.Size((*shape[:-2], d * (d + 1) // 2))


def _triangle_side(count: int) -> int:
    return (math.isqrt(8 * int(count) + 1) - 1) // 2


def _scatter_matrix(entry: Tensor, position: Tensor, d: int) -> Tensor:
    """d × d matrices with `entry` at the row-major `position`s and zeros elsewhere."""
    flat = torch.zeros((*entry.shape[:-1], d * d), dtype=entry.dtype, device=entry.device)
    return flat.index_add(-1, position, entry).reshape((*entry.shape[:-1], d, d))


def register(kind: type[Constraint], make: Callable[[Any], Transform]) -> None:
    """Enter a bijection for a constraint class in both of torch's registries."""
    registries: tuple[Any, ...] = (biject_to, transform_to)
    for registry in registries:
        registry.register(kind, make)


def _affine(support: AffineImage) -> Transform:
    return ComposeTransform([biject_to(support.base), AffineTransform(support.loc, support.scale)])


def _columns(support: ColumnsOf) -> Transform:
    return ColumnsTransform(biject_to(support.base), support.base.event_dim)


def _covariance(_: Covariance) -> Transform:
    return CovarianceTransform()


register(AffineImage, _affine)
register(ColumnsOf, _columns)
register(Covariance, _covariance)
