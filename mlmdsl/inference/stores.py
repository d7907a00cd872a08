"""Reading what was written: an element of an array that a loop has just written is the value that was written there.

A loop that fills an array makes a new array each turn, T of them of T numbers. Where the next turn reads one element, the
record need not hold the array at all: what was written is handed on, and gradients flow through it and not through T copies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MOST_PLACES = 64
"""Parts with more elements are read from the array."""
MOST_BACK = 64
"""How many writes ago a value may have been written."""


@dataclass(frozen=True)
class _Write:
    """Values at places of a flattened array, and the write before."""

    places: tuple[int, ...]
    values: Tensor
    before: _Write | None


class Stores:
    """What was written into arrays, by the tensor that each write gave; all of them stay alive."""

    def __init__(self) -> None:
        self._writes: dict[int, tuple[Tensor, _Write]] = {}

    def wrote(self, result: Tensor, x: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> None:
        """Note `result = index_put(x, indices, values)` of a flat x, one value a place."""
        places = indices[0] if len(indices) == 1 else None
        if accumulate or x.ndim != 1 or not isinstance(places, Tensor) or places.dtype == torch.bool:
            return
        if places.shape == values.shape and places.ndim == 1 and len(places) <= MOST_PLACES:
            numbers = tuple(places.tolist())
            if len(set(numbers)) == len(numbers) and min(numbers, default=0) >= 0:
                self._writes[id(result)] = result, _Write(numbers, values, self._last(x))

    def reshaped(self, result: Tensor, x: Tensor) -> None:
        """Note that `result` has x's elements in x's order."""
        if (last := self._last(x)) is not None:
            self._writes[id(result)] = result, last

    def read(self, x: Tensor, index: Any) -> Tensor | None:
        """x[index] where that is just what one write wrote; None where it is to be read."""
        if id(x) not in self._writes or not _is_fixed(index):
            return None
        part = torch.arange(x.numel()).reshape(x.shape)[index]
        if part.numel() > MOST_PLACES:
            return None
        wanted = tuple(part.reshape(-1).tolist())
        for write in self._back(x):
            if write.places == wanted:
                return write.values.reshape(part.shape)
            if not set(wanted).isdisjoint(write.places):
                return None
        return None

    def _last(self, x: Tensor) -> _Write | None:
        return self._writes[id(x)][1] if id(x) in self._writes else None

    def _back(self, x: Tensor) -> Iterator[_Write]:
        """The writes that x holds, the last one first."""
        write = self._last(x)
        for _ in range(MOST_BACK):
            if write is None:
                return
            yield write
            write = write.before


def _is_fixed(index: Any) -> bool:
    items = index if isinstance(index, tuple) else (index,)
    return all(isinstance(item, int | slice) and not isinstance(item, bool) for item in items)
