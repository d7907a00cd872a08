"""`arraydist([Normal(0, 1), Exponential(2)])`: distributions of different families side by side in one array."""

from collections.abc import Sequence
from functools import reduce
from typing import Any, ClassVar, Self

import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import Distribution, biject_to
from torch.distributions.constraints import Constraint
from torch.distributions.transforms import Transform

from .constraints import register
from .mixtures import log_prob_in_support
from .parametric import RuntimeDistribution
from .typed import NO_SHAPE, Shape, broadcast, broadcast_shapes, draw, draw_with_gradient, satisfies, support_of


def beside(tensors: Sequence[Tensor], axis: int) -> Tensor:
    """Tensors, broadcast, along a new axis."""
    return torch.stack(broadcast(*tensors), axis)


class SideBySide(Constraint):
    """Arrays whose k-th entry along the last batch axis lies in the k-th support."""

    def __init__(self, parts: Sequence[Constraint]) -> None:
        self.parts = tuple(parts)
        self.event_dim = self.parts[0].event_dim
        self.is_discrete = any(part.is_discrete for part in self.parts)
        super().__init__()

    def __repr__(self) -> str:
        return f"SideBySide({list(self.parts)})"

    def check(self, value: Tensor) -> Tensor:
        pieces = value.unbind(-1 - self.event_dim)
        return beside([satisfies(part, piece) for part, piece in zip(self.parts, pieces, strict=True)], -1)


class SideBySideTransform(Transform):
    """The k-th part applied to the k-th entry; all parts take arrays of one rank and give arrays of one rank."""

    bijective = True

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0) -> None:
        self.parts: tuple[Any, ...] = tuple(parts)
        self.domain = self.parts[0].domain
        self.codomain = SideBySide([part.codomain for part in self.parts])
        super().__init__(cache_size=cache_size)

    def with_cache(self, cache_size: int = 1) -> "SideBySideTransform":
        return self if self._cache_size == cache_size else SideBySideTransform(self.parts, cache_size)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SideBySideTransform) and self.parts == other.parts

    @property
    def _places(self) -> tuple[int, int]:
        """The axis that counts the parts, before and after."""
        return -1 - self.domain.event_dim, -1 - self.codomain.event_dim

    def _call(self, x: Tensor) -> Tensor:
        before, after = self._places
        return beside([part(piece) for part, piece in zip(self.parts, x.unbind(before), strict=True)], after)

    def _inverse(self, y: Tensor) -> Tensor:
        before, after = self._places
        return beside([part.inv(piece) for part, piece in zip(self.parts, y.unbind(after), strict=True)], before)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        before, after = self._places
        pieces = zip(self.parts, x.unbind(before), y.unbind(after), strict=True)
        return beside([part.log_abs_det_jacobian(old, new) for part, old, new in pieces], -1)

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        return torch.Size(self.parts[0].forward_shape(shape))

    def inverse_shape(self, shape: torch.Size) -> torch.Size:
        return torch.Size(self.parts[0].inverse_shape(shape))


def _side_by_side(support: SideBySide) -> Transform:
    return SideBySideTransform([biject_to(part) for part in support.parts])


register(SideBySide, _side_by_side)


class Stacked(RuntimeDistribution):
    """K distributions as one: entry k along the last batch axis is drawn from the k-th part.

    Shapes: parts of one event shape, whose batch shapes broadcast to (…); batch shape (…, K), log_prob likewise. Units:
    each part's. Draws carry a gradient where all parts' do. Outside a part's support its log_prob is −inf. Errors:
    ValueError for parts of different event shapes. Source: Turing.jl `arraydist`, Distributions.jl
    `product_distribution`.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(self, parts: Sequence[Distribution], validate_args: bool | None = None) -> None:
        event_shapes = {part.event_shape for part in parts}
        if len(event_shapes) != 1:
            raise ValueError(f"distributions differ in shape: {[tuple(part.event_shape) for part in parts]}")
        shape = broadcast_shapes(*(part.batch_shape for part in parts))
        self.parts = tuple(part.expand(shape) for part in parts)
        batch_shape = torch.Size((*shape, len(parts)))
        super().__init__(batch_shape, parts[0].event_shape, validate_args=validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return all(bool(part.has_rsample) for part in self.parts)

    def expand(self, batch_shape: Shape, _instance: Self | None = None) -> Self:
        new, shape = self._blank(_instance), torch.Size(batch_shape)
        new.parts = tuple(part.expand(shape[:-1]) for part in self.parts)
        return new._finish(self, shape, self.event_shape)

    @constraints.dependent_property
    def support(self) -> Constraint:
        return SideBySide([support_of(part) for part in self.parts])

    @property
    def _place(self) -> int:
        return -1 - len(self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        self._check(value)
        pieces = value.unbind(self._place)
        return beside([log_prob_in_support(part, x) for part, x in zip(self.parts, pieces, strict=True)], -1)

    def sample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        with torch.no_grad():
            return self._together([draw(part, sample_shape) for part in self.parts])

    def rsample(self, sample_shape: Shape = NO_SHAPE) -> Tensor:
        return self._together([draw_with_gradient(part, sample_shape) for part in self.parts])

    def _together(self, draws: Sequence[Tensor]) -> Tensor:
        dtype = reduce(torch.promote_types, (each.dtype for each in draws))
        return beside([each.to(dtype) for each in draws], self._place)
