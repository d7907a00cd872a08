"""Assigning to elements without changing the array: what `x[i] = v` and `x[g[i]] += v` become.

In-place assignment breaks autograd's memory of the old values and cannot be mapped over chains.
"""

from types import EllipsisType
from typing import TypeAlias

import torch
from torch import Tensor

Index: TypeAlias = int | slice | Tensor | EllipsisType


def set_index(x: Tensor, value: Tensor | float, *index: Index) -> Tensor:
    """A copy of x with x[index] = value.

    Index: 0-based whole numbers, slices or index tensors, one for each axis of x or fewer, meaning what they mean to
    torch. value broadcasts to x[index]. The result's dtype is the one torch promotes x and value to. It can be
    differentiated, traced and mapped over x and value, not over the index. Errors: IndexError for an index out of
    range.
    """
    update = torch.as_tensor(value, device=x.device)
    dtype = torch.result_type(x, update)
    positions = torch.arange(x.numel(), device=x.device).reshape(x.shape)[index]
    flat = x.reshape(-1).to(dtype)
    filled = torch.index_put(flat, (positions.reshape(-1),), update.to(dtype).expand(positions.shape).reshape(-1))
    return filled.reshape(x.shape)


def add_at(x: Tensor, value: Tensor, *index: Tensor) -> Tensor:
    """A copy of x with each entry of value added to the element that index gives it.

    Index: 0-based index tensors of value's shape, one for each axis of x. Terms that meet in one element are summed. It can
    be differentiated, traced and mapped over x and value, not over the index. Errors: IndexError for an index out of range.
    """
    positions = torch.arange(x.numel(), device=x.device).reshape(x.shape)[index]
    terms = value.expand(positions.shape).reshape(-1)
    flat = x.reshape(-1).to(torch.result_type(x, value))
    return torch.index_put(flat, (positions.reshape(-1),), terms.to(flat.dtype), accumulate=True).reshape(x.shape)


def whole_numbers(text: str, device: str | None = None) -> Tensor:
    """The whole numbers that a text lists: `"1:3 7"` is 1, 2, 3, 7."""
    ends = [part.partition(":") for part in text.split()]
    runs = [range(int(first), int(last or first) + 1) for first, _, last in ends]
    return torch.tensor([number for run in runs for number in run], dtype=torch.int64, device=device)
