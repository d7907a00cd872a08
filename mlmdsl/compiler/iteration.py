"""Iteration: the steps of what a loop runs over, and what its variable stands for.

A loop variable whose iterations are independent is a counter along a loop axis; everything computed from it varies along
that axis, and no loop is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import inf, prod
from typing import cast

import numpy as np

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Carried, Context, LoopAxis, key_of, size_text
from mlmdsl.compiler.elementwise import constant
from mlmdsl.compiler.indexing import WHOLE, Position, axis_size, gather, index
from mlmdsl.compiler.operators import binary, tensor
from mlmdsl.compiler.values import (
    Enumerated,
    Nested,
    RangeValue,
    Rows,
    Tensor,
    TupleValue,
    Value,
    Zipped,
    describe,
)
from mlmdsl.language import tree
from mlmdsl.language.types import Array, Axis


def range_size(cx: Context, value: RangeValue, node: tree.Node) -> Tensor:
    """How many numbers a range has."""
    if value.step.known == 1 and value.start.known == 1 and not _may_run_down(cx, value):
        return value.stop
    count = value.count
    if count is None:
        return _count_expr(cx, value, node)
    if all(isinstance(end.expr, ir.Const) for end in (value.start, value.stop, value.step)):
        return constant(count)
    return replace_known(_count_expr(cx, value, node), count)


def replace_known(value: Tensor, known: int) -> Tensor:
    """The same integer, its value known."""
    return Tensor(value.expr, known, value.counts)


def _count_expr(cx: Context, value: RangeValue, node: tree.Node) -> Tensor:
    if value.step.known != 1 or _may_run_down(cx, value):
        exprs = (value.start.expr, value.stop.expr, value.step.expr)
        return Tensor(ir.Call("range_length", exprs, ir.Type("int", low=0)))
    difference = cast(Tensor, binary(cx, "-", value.stop, value.start, False, node))
    return cast(Tensor, binary(cx, "+", difference, constant(1), False, node))


def _may_run_down(cx: Context, value: RangeValue) -> bool:
    """Whether a range may end further than one before its start, as one whose ends change from step to step may."""
    start, stop = value.start.known, value.stop.known
    if isinstance(start, int) and isinstance(stop, int):
        return stop < start - 1
    low, high = value.stop.type.low, value.start.type.high
    refs = [node for end in (value.start, value.stop) for node in ir.walk(end.expr) if isinstance(node, ir.Ref)]
    return low < high - 1 and any(ref.name in cx.sequential for ref in refs)


def check_range(cx: Context, value: RangeValue, node: tree.Node) -> None:
    """A range over which a loop runs has ends that are whole numbers known from the data."""
    for end in (value.start, value.stop, value.step):
        if not end.is_data:
            cx.fail(node, "a loop runs over numbers known from the data, this end is not known before sampling")
        if end.rank or end.type.element not in ("int", "any"):
            cx.fail(node, f"a loop's range is of whole numbers, found {describe(end)}")
    if value.step.known == 0:
        cx.fail(node, "a range's step is not 0")


def walk_axis(cx: Context, name: str, iterable: Value, node: tree.Node) -> tuple[LoopAxis, Value]:
    """A new loop axis over an iterable, and what the loop variable stands for."""
    if isinstance(iterable, RangeValue):
        return _walk_range(cx, name, iterable, node)
    if isinstance(iterable, Enumerated):
        loop, item = walk_axis(cx, name, iterable.iterable, node)
        return loop, TupleValue((_counter(loop.axis, constant(1), constant(1)), item))
    if isinstance(iterable, Zipped):
        return _walk_zip(cx, name, iterable, node)
    if isinstance(iterable, Rows):
        loop, counter = _axis_over(cx, name, iterable.matrix, iterable.axis)
        walked = Position(ir.Slice(constant(1).expr, constant(1).expr, loop.axis))
        positions = [walked, WHOLE] if iterable.axis == 0 else [WHOLE, walked]
        return loop, gather(cx, iterable.matrix, positions, node)
    if isinstance(iterable, Nested):
        axis = iterable.axis
        loop = LoopAxis(_new_axis(cx, name, Tensor(cx.axis_sizes[key_of(axis)]), axis), axis)
        return loop, Tensor(rename_axis(iterable.item.expr, [axis.name], loop.axis), levels=iterable.item.levels)
    if isinstance(iterable, TupleValue):
        raise Carried
    array = tensor(cx, iterable, node)
    if array.rank == 0:
        cx.fail(node, f"a loop runs over a range or an array, found {describe(array)}")
    if array.rank > 1:
        raise Carried
    loop, _ = _axis_over(cx, name, array, 0)
    return loop, gather(cx, array, [Position(ir.Slice(constant(1).expr, constant(1).expr, loop.axis))], node)


def _walk_range(cx: Context, name: str, value: RangeValue, node: tree.Node) -> tuple[LoopAxis, Value]:
    check_range(cx, value, node)
    if value.start.type.loops or value.stop.type.loops:
        raise Carried
    size = range_size(cx, value, node)
    _verify_count(cx, size.known, node)
    over = value.over or (value.stop.counts if value.start.known == 1 and value.step.known == 1 else None)
    axis = _new_axis(cx, name, size, over)
    return LoopAxis(axis, over), _counter(axis, value.start, value.step)


def _axis_over(cx: Context, name: str, array: Tensor, position: int) -> tuple[LoopAxis, Tensor]:
    over = array.type.axes[position]
    axis = _new_axis(cx, name, axis_size(cx, array, position), over)
    return LoopAxis(axis, over), _counter(axis, constant(1), constant(1))


MOST_ITERATIONS = 10**8
"""The most iterations of a vectorised loop, those of the loops around it counted with them."""


MOST_STEPS = 1_000_000
"""The most steps of a loop that runs one iteration after another."""


def verify_steps(cx: Context, steps: RangeValue, node: tree.Node) -> None:
    """Refuse a loop in order that would not end in any time."""
    count = range_size(cx, steps, node).known
    if isinstance(count, int) and count > MOST_STEPS:
        hint = "write it as a sum or a whole-array expression"
        cx.fail(node, f"this runs in order, and it takes {count:,} steps: at most {MOST_STEPS:,}", hint)


def _verify_count(cx: Context, count: object, node: tree.Node) -> None:
    """Refuse more iterations than there is memory for."""
    sizes = [loop.axis.size for loop in cx.loops] + [count]
    product = prod(size for size in sizes if isinstance(size, int))
    if product > MOST_ITERATIONS:
        cx.fail(node, f"this would take {product:,} iterations, and a loop has at most {MOST_ITERATIONS:,}")


def _new_axis(cx: Context, name: str, size: Tensor, over: Axis | None) -> Axis:
    known = size.known if isinstance(size.known, int) else over.size if over is not None else size_text(size.expr)
    axis = Axis(cx.fresh(name), known, over.labels if over is not None and over.size == known else None)
    cx.axis_sizes[key_of(axis)] = size.expr
    cx.axis_order[axis.name] = len(cx.axis_order)
    return axis


def _counter(axis: Axis, start: Tensor, step: Tensor) -> Tensor:
    low = float(start.known) if isinstance(start.known, int) else start.type.low
    high = float("inf")
    if isinstance(start.known, int) and isinstance(axis.size, int) and isinstance(step.known, int):
        ends = (start.known, start.known + step.known * max(0, axis.size - 1))
        low, high = float(min(ends)), float(max(ends))
    return Tensor(ir.Counter(axis, start.expr, step.expr, ir.Type("int", (axis,), (), low, high)))


def _walk_zip(cx: Context, name: str, value: Zipped, node: tree.Node) -> tuple[LoopAxis, Value]:
    loops, items = [], []
    for part in value.iterables:
        loop, item = walk_axis(cx, name, part, node)
        loops.append(loop)
        items.append(item)
    shortest = _shortest([loop.axis.size for loop in loops])
    names = [loop.axis.name for loop in loops]
    return loops[shortest], TupleValue(tuple(_renamed(item, names, loops[shortest].axis) for item in items))


def _shortest(sizes: Sequence[int | str]) -> int:
    """The position of the least of the sizes that are known: where `zip` ends."""
    known = [size if isinstance(size, int) else inf for size in sizes]
    return known.index(min(known))


def _renamed(value: Value, names: Sequence[str], axis: Axis) -> Value:
    """A value along one of several loop axes, along the shortest of them."""
    if isinstance(value, TupleValue):
        return TupleValue(tuple(_renamed(item, names, axis) for item in value.items))
    assert isinstance(value, Tensor)
    return Tensor(rename_axis(value.expr, names, axis), levels=value.levels)


def rename_axis(node: ir.Expr, names: Sequence[str], axis: Axis) -> ir.Expr:
    """An expression with the loop axes of the given names replaced."""
    return cast(ir.Expr, _rename(node, set(names), axis))


def _rename(value: object, names: set[str], axis: Axis) -> object:
    if isinstance(value, Axis):
        return axis if value.name in names else value
    if isinstance(value, tuple):
        return tuple(_rename(item, names, axis) for item in value)
    if hasattr(value, "__dataclass_fields__"):
        changes = {name: _rename(getattr(value, name), names, axis) for name in value.__dataclass_fields__}
        return replace(value, **changes)  # type: ignore[type-var]
    return value


@contextmanager
def scope_of(cx: Context, names: Sequence[str], values: Sequence[Value]) -> Iterator[None]:
    """Names bound for a while."""
    saved = {name: cx.scope.get(name) for name in names}
    around = cx.iterating
    cx.iterating = (*around, *names)
    cx.scope.update(zip(names, values, strict=True))
    try:
        yield
    finally:
        cx.iterating = around
        for name, value in saved.items():
            if value is None:
                cx.scope.pop(name, None)
            else:
                cx.scope[name] = value


def bind_targets(cx: Context, iterator: tree.Iterator, item: Value) -> tuple[list[str], list[Value]]:
    """The names of an iterator and their values: one, or the parts of a tuple."""
    names = [target.id for target in iterator.targets]
    if not iterator.destructured and len(names) == 1:
        return names, [item]
    if not isinstance(item, TupleValue) or len(item.items) != len(names):
        cx.fail(iterator, f"this loop takes {len(names)} names, and each item is {describe(item)}")
    return names, list(item.items)


def distinct_names(iterator: tree.Iterator, iterable: Value) -> frozenset[str]:
    """The names of an iterator that certainly have no value twice."""
    names = [target.id for target in iterator.targets]
    if not iterator.destructured and len(names) == 1:
        return frozenset(names) if _is_distinct(iterable) else frozenset()
    if isinstance(iterable, Enumerated):
        parts = [True, _is_distinct(iterable.iterable)]
    else:
        parts = [_is_distinct(part) for part in iterable.iterables] if isinstance(iterable, Zipped) else []
    return frozenset(name for name, is_distinct in zip(names, parts, strict=False) if is_distinct)


def _is_distinct(iterable: Value) -> bool:
    """Whether no two items are equal: those of a range, or of data that show it."""
    if isinstance(iterable, RangeValue):
        return True
    known = iterable.known if isinstance(iterable, Tensor) and iterable.rank == 1 else None
    if not isinstance(known, Array) or known.missing is not None or known.values.dtype.kind not in "iu":
        return False
    return bool(np.unique(known.values).size == known.values.size)


def note_range(cx: Context, variable: str, steps: RangeValue) -> None:
    """Keep what the variable of a sequential loop runs over, where that is known."""
    taken = steps.integers
    if taken is not None:
        cx.known.ranges[variable] = taken


def ends_of(steps: RangeValue) -> tuple[float, float]:
    """The least and greatest integer of a range, as far as they are known."""
    taken = steps.integers
    if taken is not None:
        return (float(min(taken[0], taken[-1])), float(max(taken[0], taken[-1]))) if taken else (-inf, inf)
    return float(start) if isinstance(start := steps.start.known, int) and steps.step.known == 1 else -inf, inf


def steps_of(cx: Context, iterable: Value, node: tree.Node) -> RangeValue:
    """The integers over which an iterable is indexed."""
    if isinstance(iterable, RangeValue):
        return iterable
    if isinstance(iterable, Enumerated):
        return _places_of(cx, iterable.iterable, node)
    if isinstance(iterable, Zipped):
        places = [_places_of(cx, part, node) for part in iterable.iterables]
        return places[_shortest([part.stop.known if isinstance(part.stop.known, int) else "" for part in places])]
    if isinstance(iterable, Nested):
        return RangeValue(constant(1), Tensor(cx.axis_sizes[key_of(iterable.axis)]), constant(1))
    if isinstance(iterable, Rows):
        return RangeValue(constant(1), axis_size(cx, iterable.matrix, iterable.axis), constant(1))
    array = tensor(cx, iterable, node)
    if array.rank != 1:
        cx.fail(node, f"a loop runs over a range or a vector, found {describe(array)}")
    return RangeValue(constant(1), axis_size(cx, array, 0), constant(1))


def _places_of(cx: Context, iterable: Value, node: tree.Node) -> RangeValue:
    """The places of an iterable's items, from 1."""
    steps = steps_of(cx, iterable, node)
    return RangeValue(constant(1), range_size(cx, steps, node), constant(1), steps.over)


def item_at(cx: Context, iterable: Value, counter: Tensor, node: tree.Node) -> Value:
    """The item of an iterable at a step."""
    if isinstance(iterable, RangeValue):
        return counter
    if isinstance(iterable, Enumerated):
        return TupleValue((counter, _element(cx, iterable.iterable, counter, node)))
    if isinstance(iterable, Zipped):
        return TupleValue(tuple(_element(cx, part, counter, node) for part in iterable.iterables))
    return _element(cx, iterable, counter, node)


def _element(cx: Context, iterable: Value, counter: Tensor, node: tree.Node) -> Value:
    if isinstance(iterable, Enumerated | Zipped):
        return item_at(cx, iterable, counter, node)
    with scope_of(cx, ["this step"], [counter]):
        return index(cx, iterable, [tree.Name(id="this step", span=node.span)], node)
