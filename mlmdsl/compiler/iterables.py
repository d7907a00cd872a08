"""Some of the items of an iterable, and one of them at a known place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Carried, Context
from mlmdsl.compiler.elementwise import constant
from mlmdsl.compiler.indexing import WHOLE, Position, gather
from mlmdsl.compiler.iteration import item_at, steps_of
from mlmdsl.compiler.operators import lifted, tensor
from mlmdsl.compiler.parts import numbers_tensor
from mlmdsl.compiler.values import Enumerated, Nested, RangeValue, Rows, Tensor, TupleValue, Value, Zipped
from mlmdsl.language import tree
from mlmdsl.language.types import Axis

Places = npt.NDArray[np.int64]


def count_of(cx: Context, iterable: Value, node: tree.Node) -> int | None:
    """How many items there are, where that is known."""
    if isinstance(iterable, TupleValue):
        return len(iterable.items)
    if isinstance(iterable, Zipped):
        counts = [count_of(cx, part, node) for part in iterable.iterables]
        return None if any(count is None for count in counts) else min(count for count in counts if count is not None)
    return steps_of(cx, iterable, node).count


def known_item(cx: Context, iterable: Value, place: int, node: tree.Node) -> Value:
    """The item at a 0-based place."""
    if isinstance(iterable, TupleValue):
        return iterable.items[place]
    steps = steps_of(cx, iterable, node)
    start, step = steps.start.known, steps.step.known
    number = start + place * step if isinstance(start, int) and isinstance(step, int) else place + 1
    return item_at(cx, iterable, constant(number), node)


def some_of(cx: Context, iterable: Value, places: Places, node: tree.Node) -> Value:
    """The items at 0-based places, as an iterable.

    Raises:
        Carried: there is no such iterable.
    """
    if isinstance(iterable, Enumerated):
        counted = some_of(cx, RangeValue(constant(1), constant(int(places.max()) + 1), constant(1)), places, node)
        return Zipped((counted, some_of(cx, iterable.iterable, places, node)))
    if isinstance(iterable, Zipped):
        return Zipped(tuple(some_of(cx, part, places, node) for part in iterable.iterables))
    if isinstance(iterable, RangeValue):
        return _some_of_range(iterable, places)
    picks = Position(_pick(places), None)
    if isinstance(iterable, Rows):
        items = [picks, WHOLE] if iterable.axis == 0 else [WHOLE, picks]
        return Rows(gather(cx, iterable.matrix, items, node), iterable.axis)
    if isinstance(iterable, Nested):
        whole = lifted(iterable.item, (iterable.axis,))
        if whole.rank != 2:
            raise Carried
        return Rows(gather(cx, whole, [picks, WHOLE], node), 0)
    array = tensor(cx, iterable, node)
    if array.rank != 1:
        raise Carried
    return gather(cx, array, [Position(_pick(places), numbers(places).known)], node)


def numbers(places: Places) -> Tensor:
    """1-based positions as a value."""
    return numbers_tensor(places + 1, (Axis(f"of_{places.size}", int(places.size)),))


def _pick(places: Places) -> ir.Pick:
    return ir.Pick(numbers(places).expr)


def _some_of_range(steps: RangeValue, places: Places) -> Value:
    start, step = steps.start.known, steps.step.known
    if not isinstance(start, int) or not isinstance(step, int):
        raise Carried
    if places.size and (np.diff(places) == 1).all() and step == 1:
        first = start + int(places[0])
        return RangeValue(constant(first), constant(first + places.size - 1), constant(1))
    return numbers_tensor(start + step * places, (Axis(f"of_{places.size}", int(places.size)),))
