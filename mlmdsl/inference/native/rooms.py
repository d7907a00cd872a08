"""Where a function keeps its numbers: arrays that are used again once nobody reads what is in them.

The fewer bytes a gradient touches, the more of them stay in the processor's nearest cache.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator

import torch

from mlmdsl.inference.native.layout import C_TYPES, Formula, Placed, Value, View

ON_STACK = 2048
"""Arrays of up to this many numbers are local, which a C compiler can keep in registers; others lie in the workspace."""
MOST_WASTE = 2
"""An array is used again for as many numbers as it has, or for at least one in so many."""


class Rooms:
    """The arrays of one function. `lines` declare them; `workspace` counts the bytes of those that are not local, for
    one lane."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.lines: list[str] = []
        self.workspace = 0
        self._sizes: dict[str, tuple[torch.dtype, int]] = {}
        self._readers: Counter[str] = Counter()
        self._free: dict[tuple[torch.dtype, int], deque[str]] = {}
        self._touched: set[str] = set()

    def take(self, dtype: torch.dtype, count: int) -> str:
        """The name of an array with room for `count` numbers."""
        fitting = [size for kind, size in self._free if kind == dtype and count <= size <= MOST_WASTE * count]
        name = self._again(dtype, min(fitting)) if fitting else self._declared(dtype, count)
        self._touched.add(name)
        return name

    def _again(self, dtype: torch.dtype, size: int) -> str:
        free = self._free[dtype, size]
        name = free.popleft()
        if not free:
            del self._free[dtype, size]
        return name

    def hold(self, value: Value) -> None:
        """What `value` reads is needed until it is released."""
        self._readers.update(_pointers(value))

    def release(self, value: Value) -> None:
        """Nobody will read `value` any more, once the statements for this node are written."""
        self._readers.subtract(_pointers(value))
        self._touched.update(name for name in _pointers(value) if name in self._sizes)

    def is_last(self, name: str) -> bool:
        """Whether one value alone reads an array of this function's own."""
        return name in self._sizes and self._readers[name] == 1

    def settle(self) -> None:
        """The statements for a node are written: what they alone needed is free."""
        for name in sorted(name for name in self._touched if self._readers[name] == 0):
            self._free.setdefault(self._sizes[name], deque()).append(name)
        self._touched.clear()

    def places(self) -> tuple[dict[str, tuple[torch.dtype, int]], int]:
        """Where each array lies if all are in the workspace, local ones too: its type, and how many numbers of that type
        come before it; and the bytes of all. Both are for one lane."""
        found, end = {}, 0
        for name, (dtype, count) in self._sizes.items():
            found[name] = dtype, end // dtype.itemsize
            end += -(-count * dtype.itemsize // 8) * 8
        return found, end

    def _declared(self, dtype: torch.dtype, count: int) -> str:
        name, kind = f"t{len(self._sizes)}", C_TYPES[dtype]
        self._sizes[name] = dtype, count
        if count * self.lanes <= ON_STACK:
            # gcc 12 takes arrays to be aligned for vectors and does not always see to it
            self.lines.append(f"{kind} {name}[{count} * LANES] __attribute__((aligned(64)));")
        else:
            self.lines.append(f"{kind} *restrict {name} = ({kind} *)(work + INT64_C({self.workspace}) * LANES);")
            self.workspace += -(-count * dtype.itemsize // 64) * 64
        return name


def _pointers(value: Value) -> Iterator[str]:
    """Of everything that a value reads."""
    if isinstance(value, View):
        yield value.pointer
    elif isinstance(value, Formula):
        yield from (leaf.pointer for leaf in value.leaves)
    elif isinstance(value, Placed):
        for term in value.terms:
            yield from _pointers(term.value)
    else:
        for part in value:
            yield from _pointers(part)
