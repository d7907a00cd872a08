"""Whether an index lies inside its axis: judged when data are bound where they decide it, else checked as the program runs.

An index under a condition (`i > 1 ? y[i - 1] : 0.0`) counts only where the condition holds, as in Julia; where a vectorised
program reads there all the same, it reads the first element, and the choice drops it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from typing import cast

import numpy as np

from mlmdsl.compiler import ir
from mlmdsl.compiler.along import Along, Numbers, laid_out, values_along, variable_of
from mlmdsl.compiler.context import Carried, Context
from mlmdsl.compiler.elementwise import constant, elementwise
from mlmdsl.compiler.labels import levels_past
from mlmdsl.compiler.values import Tensor
from mlmdsl.language import tree
from mlmdsl.language.types import Array, Axis


def check_index(cx: Context, value: Tensor, axis: Axis, item: tree.Node) -> tuple[ir.Expr, bool]:
    """An index into an axis as it is to be read, and whether the program must check it as it runs.

    Raises:
        Wrong: it lies outside. Carried: it can only be checked one iteration after another.
    """
    if (
        _is_inside(value, axis)
        or 0 in [own.size for own in value.type.axes]
        or value.type.element in ("any", "bool", "text")
    ):
        return value.expr, False
    found = _known(cx, value)
    if found is None:
        return value.expr, _checked_later(cx, value, axis, item)
    outside = (found.values < 1) | (found.values > axis.size if isinstance(axis.size, int) else False)
    if not outside.any():
        return value.expr, not isinstance(axis.size, int) and _is_checked(cx, value)
    reached = _reached(cx)
    if reached is None:
        return _unknown_whether_reached(cx, value, found, outside, axis, item)
    _verify_reached(cx, value, found, outside, reached, axis, item)
    return _harmless(cx, value, axis, item) if value.type.loops else (value.expr, False)


def check_range(cx: Context, start: Tensor, stop: Tensor, axis: Axis, item: tree.Node) -> bool:
    """Whether the program must check the part `start:stop` of an axis as it runs; raises where it lies outside."""
    if _is_inside(start, axis) and _is_inside(stop, axis):
        return False
    first, last = _known(cx, start), _known(cx, stop)
    if first is None or last is None:
        return any(_checked_later(cx, end, axis, item) for end in (start, stop) if not _is_inside(end, axis))
    (starts, stops), loops = _aligned([first, last])
    taken = np.asarray(starts <= stops)
    reached = _reached(cx)
    for end, values in ((start, starts), (stop, stops)):
        found = Along(np.broadcast_to(values, taken.shape), None, loops)
        outside = taken & ((found.values < 1) | (found.values > axis.size if isinstance(axis.size, int) else False))
        if outside.any():
            if reached is None:
                return _unknown_whether_reached(cx, end, found, outside, axis, item)[1]
            _verify_reached(cx, end, found, outside, reached, axis, item)
    counted_from_the_end = bool((stops < 0).any())  # `x[1:-1]` is empty, and Python's slice would not be
    return counted_from_the_end or (not isinstance(axis.size, int) and _is_checked(cx, stop))


def _is_inside(value: Tensor, axis: Axis) -> bool:
    """Whether the bounds of an index say that it lies inside."""
    return value.type.low >= 1 and isinstance(axis.size, int) and value.type.high <= axis.size


def _known(cx: Context, value: Tensor) -> Along | None:
    """The values of an index, where data decide them."""
    if isinstance(value.known, Array):
        return Along(value.known.values, None, ()) if value.known.values.dtype.kind in "iuf" else None
    if isinstance(value.known, int | float) and not isinstance(value.known, bool):
        return Along(np.asarray(value.known), None, ())
    return _present(values_along(cx, value.expr, True)) if value.is_data else None


def _present(found: Along | None) -> Along | None:
    """Values of which none is missing."""
    return None if found is None or found.missing is not None else found


def _aligned(parts: Sequence[Along]) -> tuple[list[Numbers], tuple[str, ...]]:
    """Values laid out along all their loops and then their array axes, and those loops."""
    loops = tuple(dict.fromkeys(name for part in parts for name in part.loops))
    rank = max(part.rank for part in parts)
    return [laid_out(part, loops, rank)[0] for part in parts], loops


def _reached(cx: Context) -> list[Along] | None:
    """Where each condition around holds as it must for this place to be reached; None where that is not known."""
    found = [
        _present(values_along(cx, condition.expr, True)) if condition.is_data else None for condition, _ in cx.guards
    ]
    if any(part is None for part in found):
        return None
    return [
        Along(part.values.astype(bool) == taken, None, part.loops)
        for part, (_, taken) in zip(cast(list[Along], found), cx.guards, strict=True)
    ]


def _verify_reached(
    cx: Context, value: Tensor, found: Along, outside: Numbers, reached: Sequence[Along], axis: Axis, item: tree.Node
) -> None:
    """Refuse an index that lies outside where it is reached."""
    parts, loops = _aligned([found, Along(outside, None, found.loops), *reached])
    numbers, wrong, *conditions = np.broadcast_arrays(*parts)
    wrong = reduce(np.logical_and, conditions, wrong)
    if wrong.any():
        place = tuple(int(k) for k in np.unravel_index(int(wrong.argmax()), wrong.shape)) if wrong.ndim else ()
        _refuse(cx, value, numbers[place], dict(zip(loops, place, strict=False)), place[len(loops) :], axis, item)


def _refuse(
    cx: Context, value: Tensor, number: object, at: dict[str, int], entry: tuple[int, ...], axis: Axis, item: tree.Node
) -> None:
    shown = (
        f"{float(cast(float, number)):g}"
        if not float(cast(float, number)).is_integer()
        else str(int(cast(int, number)))
    )
    where = [_place(cx, value.expr, name, position, len(at)) for name, position in at.items()]
    where += [f"entry {', '.join(str(k + 1) for k in entry)}"] if entry else []
    if at:
        where.append(f"`{' '.join(cx.source.excerpt(item.span).split())[:60]}`")
    noted = f" ({', '.join(where)})" if where else ""
    if cast(float, number) < 1:
        cx.fail(item, f"index {shown}{noted} is before the start: indices start at 1")
    message = f"index {shown}{noted} is past the end: this axis has length {axis.size}"
    cx.fail(item, message, levels_past(value.levels, axis))


def _place(cx: Context, expr: ir.Expr, loop: str, position: int, loops: int) -> str:
    """A step of a loop in words: the row of the data that it is at, or the value of its variable."""
    variable = variable_of(loop)
    if variable is not None:
        return f"{variable} = {cx.known.ranges[variable][position]}"
    for part in _parts(expr):
        if isinstance(part, ir.Slice) and part.loop is not None and part.loop.name == loop:
            start = values_along(cx, part.start, True)
            if start is not None and loops == 1:
                return f"row {int(start.values) + position}"
        if isinstance(part, ir.Counter) and part.axis.name == loop:
            start, step = (values_along(cx, end, True) for end in (part.start, part.step))
            if start is not None and step is not None:
                return f"{loop} = {int(start.values + position * step.values)}"
    return f"{'row' if loops == 1 else loop + ' ='} {position + 1}"


def _parts(expr: ir.Expr) -> Iterator[object]:
    for node in ir.walk(expr):
        yield node
        if isinstance(node, ir.Gather):
            yield from node.index


def _checked_later(cx: Context, value: Tensor, axis: Axis, item: tree.Node) -> bool:
    """Whether the program checks an index that is not known before it runs; refused where it cannot."""
    if not value.is_data:
        _verify_bounded(cx, value, axis, item)
        return True
    if not _is_checked(cx, value):
        return False
    if cx.guards and (cx.loops or value.type.loops):
        raise Carried
    _verify_lazy(cx, axis, item)
    return True


def _is_checked(cx: Context, value: Tensor) -> bool:
    """Whether the program checks what is not known: with data bound always, without them where a loop counts below 1."""
    if cx.bound:
        return True
    moving = {*cx.sequential, *cx.places}
    return value.type.low < 1 and any(isinstance(ref, ir.Ref) and ref.name in moving for ref in ir.walk(value.expr))


def _verify_bounded(cx: Context, value: Tensor, axis: Axis, item: tree.Node) -> None:
    """Refuse an index that is computed from parameters and not kept inside."""
    drawn = [ref for ref in ir.walk(value.expr) if isinstance(ref, ir.Ref) and not ref.data]
    if all(ref.type.element == "int" for ref in drawn):
        return
    size = axis.size if isinstance(axis.size, int) else "n"
    cx.fail(
        item,
        f"this index depends on a parameter, and may lie outside 1…{size}",
        f"keep it inside: `clamp(i, 1, {size})`",
    )


def _verify_lazy(cx: Context, axis: Axis, item: tree.Node) -> None:
    """Refuse an index under a condition that parameters decide, where it may lie outside."""
    if all(condition.is_data for condition, _ in cx.guards):
        return
    cx.fail(
        item,
        "this index may lie outside, and a parameter decides whether it is read",
        f"keep it inside: `clamp(i, 1, {axis.size if isinstance(axis.size, int) else 'n'})`",
    )


def _unknown_whether_reached(
    cx: Context, value: Tensor, found: Along, outside: Numbers, axis: Axis, item: tree.Node
) -> tuple[ir.Expr, bool]:
    """An index that lies outside at some steps, under a condition that is not known yet."""
    if not all(condition.is_data for condition, _ in cx.guards):
        _verify_reached(cx, value, found, outside, (), axis, item)
    if value.type.loops or any(condition.type.loops for condition, _ in cx.guards):
        raise Carried
    return value.expr, _is_checked(cx, value)


def _harmless(cx: Context, value: Tensor, axis: Axis, item: tree.Node) -> tuple[ir.Expr, bool]:
    """An index along a loop that is 1 where the conditions around say that nothing is read."""
    if not axis.size or any(condition.rank for condition, _ in cx.guards):
        raise Carried
    tests = [condition if taken else elementwise(cx, "!", [condition], True, item) for condition, taken in cx.guards]
    test = reduce(lambda one, other: elementwise(cx, "&&", [one, other], True, item), tests)
    loops = cx.loop_axes([test.type, value.type])
    high = float(axis.size) if isinstance(axis.size, int) else value.type.high
    type_ = replace(value.type, element="int", loops=loops, low=1, high=high)
    return ir.Call("ifelse", (test.expr, value.expr, constant(1).expr), type_), False
