"""Assigning to elements without changing the array: what `x[i] = v` and `x[g[i]] += v` become.

In-place assignment breaks autograd's memory of the old values and cannot be mapped over chains.
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Index: TypeAlias = int | slice | Tensor


class OutsideError(ValueError):
    """An index that lies outside its array, in the words of the language: it counts from 1."""


def at(x: Tensor, *index: Index) -> Tensor:
    """x[index], index counted from 0, one for each axis of x or fewer.

    Errors: OutsideError where torch would count from the end, or leave out what is not there.
    """
    return x[_verified(x, index)]


def _verified(x: Tensor, index: tuple[Index, ...]) -> tuple[Index, ...]:
    return tuple(_verify(item, size) for item, size in zip(index, x.shape, strict=False))


def _verify(item: Index, size: int) -> Index:
    if isinstance(item, slice):
        return _verify_slice(item, size)
    if isinstance(item, int):
        ends = (item, item)
    elif item.numel() == 0 or item.dtype == torch.bool:
        return item
    else:
        ends = (int(item.min()), int(item.max()))
    _verify_ends(*ends, size)
    return item


def _verify_slice(item: slice, size: int) -> slice:
    start, stop = 0 if item.start is None else int(item.start), size if item.stop is None else int(item.stop)
    if stop <= start:
        return slice(0, 0)
    _verify_ends(start, stop - 1, size)
    return item


def _verify_ends(first: int, last: int, size: int) -> None:
    if first < 0:
        raise OutsideError(f"index {first + 1} is before the start: indices start at 1")
    if last >= size:
        raise OutsideError(f"index {last + 1} is past the end: this axis has length {size}")


def set_index(x: Tensor, value: Tensor | float, *index: Index) -> Tensor:
    """A copy of x with x[index] = value.

    Index: whole numbers counted from 0, slices or index tensors, one for each axis of x or fewer, meaning what they mean to
    torch, but that none counts from the end. value broadcasts to x[index]. The result's dtype is the one torch promotes x
    and value to. It can be differentiated, traced and mapped over x and value, not over the index. Errors: OutsideError.
    """
    update = torch.as_tensor(value, device=x.device)
    dtype = torch.result_type(x, update)
    positions = torch.arange(x.numel(), device=x.device).reshape(x.shape)[_verified(x, index)]
    flat = x.reshape(-1).to(dtype)
    filled = torch.index_put(flat, (positions.reshape(-1),), update.to(dtype).expand(positions.shape).reshape(-1))
    return filled.reshape(x.shape)


def add_at(x: Tensor, value: Tensor, *index: Tensor) -> Tensor:
    """A copy of x with each entry of value added to the element that index gives it.

    Index: 0-based index tensors of value's shape, one for each axis of x. Terms that meet in one element are summed. It can
    be differentiated, traced and mapped over x and value, not over the index. Errors: OutsideError.
    """
    positions = torch.arange(x.numel(), device=x.device).reshape(x.shape)[_verified(x, index)]
    terms = value.expand(positions.shape).reshape(-1)
    flat = x.reshape(-1).to(torch.result_type(x, value))
    return torch.index_put(flat, (positions.reshape(-1),), terms.to(flat.dtype), accumulate=True).reshape(x.shape)


def stack_items(
    items: Sequence[Tensor], empty: tuple[int, ...], dim: int, dtype: torch.dtype | None = None, device: str = "cpu"
) -> Tensor:
    """torch.stack(items, dim); of no items, an array of the shape `empty`."""
    return torch.stack(list(items), dim) if items else torch.zeros(empty, dtype=dtype, device=device)


def whole_numbers(text: str, device: str | None = None) -> Tensor:
    """The whole numbers that a text lists: `"1:3 7"` is 1, 2, 3, 7."""
    ends = [part.partition(":") for part in text.split()]
    runs = [range(int(first), int(last or first) + 1) for first, _, last in ends]
    return torch.tensor([number for run in runs for number in run], dtype=torch.int64, device=device)
