"""Where numbers lie and how a loop over them reads in C: strided views, formulas over them, nests of loops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from mlmdsl.inference.native.statements import place

C_TYPES = {
    torch.float64: "double",
    torch.float32: "float",
    torch.int64: "int64_t",
    torch.int32: "int32_t",
    torch.bool: "uint8_t",
}


@dataclass(frozen=True)
class View:
    """Numbers of a buffer: element (i₀, i₁, …) is number offset + Σ iₖ·strides[k].

    Each number is there once for every lane, unless it is a constant (see `lanes.h`).
    """

    pointer: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @classmethod
    def contiguous(cls, pointer: str, dtype: torch.dtype, shape: Iterable[int]) -> View:
        """A whole buffer in row-major order."""
        sizes = tuple(shape)
        strides = tuple(prod(sizes[k + 1 :]) for k in range(len(sizes)))
        return cls(pointer, dtype, sizes, strides)

    def at(self, index: Sequence[str]) -> str:
        """The mark of one element."""
        return self.element(zip(index, self.strides, strict=True))

    def element(self, terms: Iterable[tuple[str, int]]) -> str:
        """The mark of the element at offset + Σ index·stride, without what is 0."""
        parts = [index if stride == 1 else f"{index}*{stride}" for index, stride in terms if stride and index != "0"]
        return place(self.pointer, self.offset, " + ".join(parts))

    def expanded(self, shape: Sequence[int]) -> View:
        """Broadcast to a shape, as torch does it."""
        lead = len(shape) - len(self.shape)
        kept = zip(self.shape, self.strides, shape[lead:], strict=True)
        strides = (0,) * lead + tuple(0 if have == 1 and want != 1 else stride for have, stride, want in kept)
        return replace(self, shape=tuple(shape), strides=strides)

    def narrowed(self, dim: int, start: int, size: int, step: int = 1) -> View:
        """`size` places along `dim`, from `start`, every `step`-th."""
        shape, strides = list(self.shape), list(self.strides)
        offset = self.offset + start * strides[dim]
        shape[dim], strides[dim] = size, strides[dim] * step
        return replace(self, shape=tuple(shape), strides=tuple(strides), offset=offset)

    def like(self, change: Callable[[Tensor], Tensor]) -> View | None:
        """What an operation that moves no numbers makes of the view; None where it would have to move them."""
        low = sum(min(0, (size - 1) * stride) for size, stride in zip(self.shape, self.strides, strict=True))
        if low < 0:  # flipped: torch has no negative strides
            return None
        whole = torch.empty(0, dtype=self.dtype, device="meta").as_strided(self.shape, self.strides, self.offset)
        try:
            changed = change(whole)
        except RuntimeError:
            return None
        return replace(
            self, shape=tuple(changed.shape), strides=tuple(changed.stride()), offset=int(changed.storage_offset())
        )


@dataclass(frozen=True)
class Formula:
    """An elementwise expression that is not stored yet: a C template over leaves of one shape."""

    template: str
    leaves: tuple[View, ...]
    shape: tuple[int, ...]
    dtype: torch.dtype

    def at(self, index: Sequence[str]) -> str:
        """The C expression of one element, its places marked."""
        return self.template.format(*(leaf.at(index) for leaf in self.leaves))


def formula(value: View | Formula) -> Formula:
    """A view as the formula that reads it."""
    return value if isinstance(value, Formula) else Formula("{0}", (value,), value.shape, value.dtype)


@dataclass(frozen=True)
class Term:
    """A formula that belongs in a part of a whole: in the part of a part … that the functions take."""

    parts: tuple[Callable[[Tensor], Tensor], ...]
    value: Formula


@dataclass(frozen=True)
class Placed:
    """A sum that is not stored yet, of terms each in its own part; elsewhere it is 0."""

    terms: tuple[Term, ...]
    shape: tuple[int, ...]
    dtype: torch.dtype


Value = View | Formula | Placed | tuple[View | Formula, ...]
"""What a node of the graph became."""


def varies(value: Formula, dim: int) -> bool:
    """Whether the numbers differ along a dimension: none does where there is one number, all do where there is none."""
    return value.shape[dim] == 0 or value.shape[dim] > 1 and any(leaf.strides[dim] for leaf in value.leaves)


@dataclass(frozen=True)
class Nest:
    """A nest of loops: the size of each, and the index of each original dimension in terms of its variables."""

    sizes: tuple[int, ...]
    index: tuple[str, ...]

    def around(self, body: Iterable[str]) -> list[str]:
        """The body inside the loops; it sees to the lanes itself."""
        loops = [f"for (int64_t i{depth} = 0; i{depth} < {size}; i{depth}++)" for depth, size in enumerate(self.sizes)]
        return [*loops, "{", *body, "}"]

    def each(self, body: Iterable[str]) -> list[str]:
        """The body inside the loops, for each lane."""
        return self.around(["EACH", "{", *body, "}"])


SPLIT = 4
"""Sums that are taken side by side in lanes, since an addition has to wait for the one before."""


def summed(variable: str, size: int, term: Callable[[str], str], lanes: int) -> list[str]:
    """`total` += Σ term(variable); with one lane the compiler may take the terms in any order."""
    loop = f"for (int64_t {variable} = {{}}; {variable} < {size}; {variable}++)"
    if lanes == 1 or size < 4 * SPLIT:
        return ["SUMMING(total)", loop.format(0), f"EACH MY(total) += {term(variable)};"]
    whole, parts = size - size % SPLIT, range(SPLIT)
    return [
        *("{", *(f"double OF(part{p});" for p in parts), *(f"EACH MY(part{p}) = 0;" for p in parts)),
        f"for (int64_t {variable} = 0; {variable} < {whole}; {variable} += {SPLIT})",
        *("{", *(f"EACH MY(part{p}) += {term(f'({variable} + {p})')};" for p in parts), "}"),
        f"EACH MY(total) += {' + '.join(f'MY(part{p})' for p in parts)};",
        *(loop.format(whole), f"EACH MY(total) += {term(variable)};", "}"),
    ]


def plain_nest(shape: Sequence[int]) -> Nest:
    """A loop for each dimension longer than one."""
    sizes: list[int] = []
    index: list[str] = []
    for size in shape:
        index.append("0" if size == 1 else f"i{len(sizes)}")
        sizes += [] if size == 1 else [size]
    return Nest(tuple(sizes), tuple(index))


def fused(views: Sequence[View]) -> list[View]:
    """The same views of one shape with dimensions of size one gone, and those merged that every view walks in one stride."""
    shape = views[0].shape
    dims = [k for k, size in enumerate(shape) if size != 1]
    groups: list[list[int]] = []
    for k in dims:
        if groups and all(_continues(view, groups[-1][-1], k) for view in views):
            groups[-1].append(k)
        else:
            groups.append([k])
    sizes = tuple(prod(shape[k] for k in group) for group in groups)
    return [replace(view, shape=sizes, strides=tuple(view.strides[group[-1]] for group in groups)) for view in views]


def _continues(view: View, outer: int, inner: int) -> bool:
    return view.strides[outer] == view.strides[inner] * view.shape[inner]
