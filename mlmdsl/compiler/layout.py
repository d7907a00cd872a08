"""Where axes stand in a tensor, and how code brings one arrangement into another.

A value of type `(i, j) [k]` is a tensor of shape (i, j, k): loop axes by nesting, then array axes. To combine values, each
is viewed along all the axes of the result: absent ones as size 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlmdsl.compiler import ir
from mlmdsl.compiler.python_text import Code, form, literal, slice_of, subscript

Key = str | int
"""An axis of a tensor: a loop axis by its name, an array axis by its position."""


@dataclass(frozen=True)
class Placed:
    """Code and the axes of its tensor, in order; none for a number."""

    code: Code
    keys: tuple[Key, ...]


def keys_of(type_: ir.Type) -> tuple[Key, ...]:
    """The axes of a value's tensor."""
    return (*(axis.name for axis in type_.loops), *range(type_.rank))


def arranged(placed: Placed, wanted: Sequence[Key | None]) -> Code:
    """Code whose tensor has the wanted axes in order, with size 1 where a wanted axis is absent.

    Leading axes of size 1 are left out: PyTorch's broadcasting adds them.
    """
    present = [key for key in wanted if key in placed.keys]
    code = permuted(placed.code, [placed.keys.index(key) for key in present])
    marks = [key in placed.keys for key in wanted]
    while marks and not marks[0]:
        marks.pop(0)
    if all(marks):
        return code
    return subscript(code, [slice_of(None, None) if mark else literal(None) for mark in marks])


def permuted(code: Code, order: Sequence[int]) -> Code:
    """Code with its tensor's axes in another order."""
    if list(order) == sorted(order):
        return code
    if len(order) == 2:
        return form("{0}.T", code)
    if list(order[:-2]) == list(range(len(order) - 2)):
        return form("{0}.mT", code)
    permute = form("{0}.permute", code)
    from mlmdsl.compiler.python_text import call

    return call(permute, *(literal(position) for position in order))
