"""Indexing: `x[i]`, `X[i, :]`, `β[:, idx[i]]`, `y[2:end]`, masks. Indices are Julia's: from 1, `end` is the last.

An index that walks a loop (`x[i]`, `x[i - 1]`) becomes a slice along the loop's axis; any other becomes a pick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Carried, Context, NeedsValues, key_of
from mlmdsl.compiler.elementwise import constant, elementwise, known_tensor, known_type, known_value
from mlmdsl.compiler.labels import selected, verify_aligned, verify_index, with_levels
from mlmdsl.compiler.operators import binary, lifted, tensor
from mlmdsl.compiler.parts import mask_along, numbers_tensor, range_along
from mlmdsl.compiler.values import Factorization, Nested, RangeValue, Rows, Tensor, TupleValue, Value, describe
from mlmdsl.compiler.within import check_index, check_range
from mlmdsl.language import julia, tree
from mlmdsl.language.julia_values import rows_of
from mlmdsl.language.types import Array, Axis, Extent, Scalar
from mlmdsl.language.walk import children


@dataclass(frozen=True, eq=False)
class Position:
    """One lowered index: the item, and its value where data alone decide it (`slice(None)` for `:`)."""

    item: ir.IndexItem
    known: slice | range | Scalar | Array | None = None


WHOLE = Position(ir.Keep(), slice(None))


def axis_size(cx: Context, value: Tensor, position: int) -> Tensor:
    """The size of an array axis (0-based position), as an integer that counts that axis."""
    axis = value.type.axes[position]
    if key_of(axis) in cx.axis_sizes and not value.is_data:
        expr = cx.axis_sizes[key_of(axis)]
    elif isinstance(axis.size, int) and not value.is_data:
        expr = constant(axis.size).expr
    else:
        expr = ir.Call("size", (value.expr,), ir.Type("int", low=0), (("axis", position),))
    known = Extent(axis, axis.size) if isinstance(axis.size, int) else None
    return Tensor(expr, known, counts=axis)


def index(cx: Context, base: Value, items: Sequence[tree.Expression], node: tree.Node) -> Value:
    """`base[items]`."""
    if isinstance(base, TupleValue):
        return _index_tuple(cx, base, items, node)
    if isinstance(base, RangeValue):
        return _index_range(cx, base, items, node)
    if isinstance(base, Nested):
        base = lifted(base.item, (base.axis,))
        return gather(cx, base, [*lower_items(cx, base, items[:1]), *([WHOLE] * (base.rank - 1))], node)
    if isinstance(base, Rows):
        return _index_rows(cx, base, items, node)
    if isinstance(base, Factorization) and not base.matrix:
        cx.fail(node, f"{describe(base)} has no elements", "take a factor: `Ω.L` or `Ω.U`")
    numbers = tensor(cx, base, node)
    return gather(cx, *_fitted(cx, numbers, items, node), node)


def _index_range(cx: Context, base: RangeValue, items: Sequence[tree.Expression], node: tree.Node) -> Value:
    """`(a:b)[k]`: a number where one position lies inside for certain, else an element of the range as a vector."""
    value = cx.expr(items[0]) if len(items) == 1 and not _mentions_end(items[0]) else None
    size = base.count
    if isinstance(value, Tensor) and not value.rank and value.type.element in ("int", "any"):
        expr, verify = check_index(cx, value, Axis("range", size), items[0]) if size is not None else (None, cx.bound)
        if not verify and expr in (None, value.expr):
            less = elementwise(cx, "-", [value, constant(1)], True, node)
            return binary(cx, "+", base.start, elementwise(cx, "*", [less, base.step], True, node), True, node)
    return gather(cx, *_fitted(cx, range_tensor(cx, base, node), items, node), node)


def _mentions_end(node: tree.Node) -> bool:
    return isinstance(node, tree.End) or any(_mentions_end(child) for child in children(node))


def _index_rows(cx: Context, rows: Rows, items: Sequence[tree.Expression], node: tree.Node) -> Value:
    position = _lower_item(cx, rows.matrix, rows.axis, items[0])
    return gather(cx, rows.matrix, [position, WHOLE] if rows.axis == 0 else [WHOLE, position], node)


def _index_tuple(cx: Context, base: TupleValue, items: Sequence[tree.Expression], node: tree.Node) -> Value:
    cx.ends.append(constant(len(base.items)))
    try:
        position = cx.expr(items[0])
    finally:
        cx.ends.pop()
    number = position.known if isinstance(position, Tensor) else None
    if len(items) != 1 or not isinstance(number, int) or isinstance(number, bool):
        cx.fail(node, "a tuple is indexed by one known integer")
    if number < 1:
        cx.fail(node, f"index {number} is before the start: indices start at 1")
    if not number <= len(base.items):
        cx.fail(node, f"index {number} is past the end: the tuple has {len(base.items)} items")
    return base.items[number - 1]


def _fitted(
    cx: Context, base: Tensor, items: Sequence[tree.Expression], node: tree.Node
) -> tuple[Tensor, list[Position]]:
    """The base and one item for each of its axes: a lone index of a matrix counts its elements column by column."""
    if base.rank == 0:
        cx.fail(node, f"only arrays are indexed, found {describe(base)}")
    if len(items) == 1 and base.rank > 1:
        base = vectorized(cx, base)
    if len(items) != base.rank:
        cx.fail(
            node, f"{describe(base)} takes {base.rank} {'index' if base.rank == 1 else 'indices'}, found {len(items)}"
        )
    return base, lower_items(cx, base, items)


def vectorized(cx: Context, base: Tensor) -> Tensor:
    """`vec(X)`: the elements of an array column by column."""
    if base.rank == 1:
        return base
    sizes = [axis.size for axis in base.type.axes]
    count = 1
    for size in sizes:
        count = count * size if isinstance(size, int) else 0
    total: int | str = count if all(isinstance(s, int) for s in sizes) else " × ".join(str(s) for s in sizes)
    known = julia.DATA_FUNCTIONS["vec"](base.known) if isinstance(base.known, Array) else None
    axis = known.axes[0] if isinstance(known, Array) else Axis("element", total)
    type_ = ir.Type(base.type.element, base.type.loops, (axis,), base.type.low, base.type.high)
    return Tensor(ir.Call("vec", (base.expr,), type_), known if isinstance(known, Array) else None, levels=base.levels)


def lower_items(cx: Context, base: Tensor, items: Sequence[tree.Expression]) -> list[Position]:
    """The index items for a base, `end` meaning the size of each axis."""
    return [_lower_item(cx, base, position, item) for position, item in enumerate(items)]


def _lower_item(cx: Context, base: Tensor, position: int, item: tree.Expression) -> Position:
    if isinstance(item, tree.Colon):
        return WHOLE
    size = axis_size(cx, base, position)
    cx.ends.append(size)
    try:
        value = cx.expr(item)
    finally:
        cx.ends.pop()
    if isinstance(value, RangeValue):
        return _range_item(cx, value, base, position, size, item)
    return _pick_item(cx, tensor(cx, value, item), base, position, item)


def _range_item(
    cx: Context, value: RangeValue, base: Tensor, position: int, size: Tensor, item: tree.Expression
) -> Position:
    axis = cast(Axis, size.counts)
    if value.step.known != 1:
        numbers = range_tensor(cx, value, item)
        expr, verify = check_index(cx, numbers, axis, item)
        return Position(ir.Pick(expr, verify), numbers.known)
    if value.start.type.loops or value.stop.type.loops:
        picks = range_along(cx, value)
        if picks is None:
            raise Carried
        return _pick_item(cx, picks, base, position, item)
    _need_values(cx, value.start, value.stop)
    verify = check_range(cx, value.start, value.stop, axis, item)
    if value.start.known == 1 and value.stop.expr == size.expr:
        return WHOLE
    first, last = value.start.known, value.stop.known
    if not isinstance(first, int) or not isinstance(last, int):
        return Position(ir.Slice(value.start.expr, value.stop.expr, verify=verify))
    if last < first:
        return Position(ir.Slice(constant(1).expr, constant(0).expr), range(1, 1))
    picked = any(isinstance(node, ir.Gather) for end in (value.start, value.stop) for node in ir.walk(end.expr))
    start, stop = (constant(first).expr, constant(last).expr) if picked else (value.start.expr, value.stop.expr)
    return Position(ir.Slice(start, stop, verify=verify), range(first, last + 1))


def _pick_item(cx: Context, value: Tensor, base: Tensor, position: int, item: tree.Expression) -> Position:
    axis = base.type.axes[position]
    if value.type.element in ("real", "text") and not _is_whole(value):
        cx.fail(
            item,
            f"an index is an integer, found {describe(value)}",
            "round it with `round(Int, x)`, or index by a data column of integers",
        )
    walked = _walk(value.expr)
    if walked is not None:
        return _walk_item(cx, value, walked, axis, item)
    if isinstance(value.known, Array) and value.known.missing is not None:
        cx.fail(item, f"the index has missing entries ({rows_of(value.known.missing)})")
    if value.type.element == "bool" and not value.rank:
        cx.fail(item, "an index is an integer, found a truth value", "`c + 1` is 1 or 2; `c ? x[1] : x[2]` chooses")
    if value.type.element == "bool" and value.type.loops:
        marked = mask_along(cx, value) if value.rank == 1 else None
        if marked is None:
            raise Carried
        return _pick_item(cx, marked, base, position, item)
    if value.type.element == "bool":
        _need_values(cx, value)
    if value.type.element == "bool" and isinstance(value.known, Array):
        value = _marked(cx, value, axis, item)
    expr, verify = check_index(cx, value, axis, item)
    verify_index(cx, base, position, value.levels, item)
    return Position(ir.Pick(expr, verify), value.known)


def _marked(cx: Context, mask: Tensor, axis: Axis, item: tree.Node) -> Tensor:
    """A mask that is known: the positions that it marks, where it is written out."""
    marks = cast(Array, mask.known).values
    if isinstance(axis.size, int) and marks.shape != (axis.size,):
        cx.fail(item, f"a mask has one truth value for each element: found {marks.size}, and {axis.size} elements")
    if not isinstance(mask.expr, ir.Stack):
        return mask
    positions = np.flatnonzero(marks).astype(np.int64) + 1
    return numbers_tensor(positions, (Axis(f"{axis.name}_of_{positions.size}", int(positions.size)),))


def _need_values(cx: Context, *parts: Tensor) -> None:
    """Have a loop that runs in order lowered one by one where how much is indexed differs, and data are there.

    Raises:
        NeedsValues: it does.
    """
    stepped = {node.name for part in parts for node in ir.walk(part.expr) if isinstance(node, ir.Ref)}
    if cx.known_arguments and not stepped.isdisjoint(cx.sequential) and any(part.known is None for part in parts):
        raise NeedsValues


def _is_whole(value: Tensor) -> bool:
    if isinstance(value.known, float):
        return value.known.is_integer()
    return False


def _walk(expr: ir.Expr) -> tuple[ir.Counter, ir.Expr] | None:
    """The counter and first position of `i`, `i + c`, `i - c`, with step 1."""
    if isinstance(expr, ir.Counter):
        return (expr, expr.start) if isinstance(expr.step, ir.Const) and expr.step.value == 1 else None
    if isinstance(expr, ir.Map) and expr.op in ("+", "-") and len(expr.args) == 2:
        first, second = expr.args
        if expr.op == "+" and isinstance(second, ir.Counter):
            first, second = second, first
        if isinstance(first, ir.Counter) and second.type.is_scalar and ir.is_data(second) and _walk(first):
            return first, _shift(first.start, expr.op, second)
    return None


def _shift(start: ir.Expr, op: str, by: ir.Expr) -> ir.Expr:
    if isinstance(start, ir.Const) and isinstance(by, ir.Const):
        value = start.value + by.value if op == "+" else start.value - by.value
        return constant(value).expr
    return ir.Map(op, (start, by), ir.Type("int"))


def _walk_item(cx: Context, value: Tensor, walked: tuple[ir.Counter, ir.Expr], axis: Axis, item: tree.Node) -> Position:
    counter, start = walked
    first = start.value if isinstance(start, ir.Const) else None
    expr, verify = check_index(cx, value, axis, item)
    if expr is not value.expr or verify:
        return Position(ir.Pick(expr, verify))
    if counter.axis.labels and first == 1 and counter.axis.size == axis.size:
        verify_aligned(cx, (counter.axis, axis), "for", item)
        if not axis.labels:
            cx.axis_labels.setdefault(axis.name, counter.axis.labels)
    return Position(ir.Slice(start, counter.start, counter.axis))


def gather(cx: Context, base: Tensor, positions: Sequence[Position], node: tree.Node) -> Tensor:
    """`base[positions]`, the positions lowered."""
    items = tuple(position.item for position in positions)
    if all(isinstance(item, ir.Keep) for item in items):
        return replace(base, home=None)  # `x[:]` is a copy
    known = _known_gather(cx, base, positions, node)
    levels = selected(base.levels, base, positions[-1].known)
    if known is not None:
        kind = _known_kind(cx, base, items, known)
        return with_levels(known_tensor(ir.Gather(base.expr, items, kind), known), levels)
    axes: list[Axis] = []
    for axis, item in zip(base.type.axes, items, strict=True):
        axes += _kept_axes(cx, axis, item)
    loops = cx.loop_axes([base.type, *map(_item_type, items)])
    type_ = ir.Type(base.type.element, loops, tuple(axes), base.type.low, base.type.high)
    return Tensor(ir.Gather(base.expr, items, type_), levels=levels)


def _known_kind(cx: Context, base: Tensor, items: tuple[ir.IndexItem, ...], known: Array | Scalar) -> ir.Type:
    """The type of an indexed value that is known; a part of an axis is an axis of its own."""
    if not isinstance(known, Array):
        return ir.Type(base.type.element)
    type_ = known_type(known)
    sizes = {axis.name: axis.size for axis in base.type.axes}
    if all(sizes.get(axis.name, axis.size) == axis.size for axis in type_.axes):
        return type_
    named = [axis.name for old, item in zip(base.type.axes, items, strict=True) for axis in _kept_axes(cx, old, item)]
    parts = zip(named, type_.axes, strict=True)
    return replace(type_, axes=tuple(axis if sizes.get(axis.name) == axis.size else replace(axis, name=name)
                                     for name, axis in parts))  # fmt: skip


def _item_type(item: ir.IndexItem) -> ir.Type:
    if isinstance(item, ir.Pick):
        return item.index.type
    return ir.Type(loops=(item.loop,)) if isinstance(item, ir.Slice) and item.loop else ir.Type()


def _kept_axes(cx: Context, axis: Axis, item: ir.IndexItem) -> list[Axis]:
    if isinstance(item, ir.Keep):
        return [axis]
    if isinstance(item, ir.Pick):
        if item.index.type.element == "bool" and item.index.type.rank == 1:
            return [Axis(cx.fresh(f"{axis.name}_kept"), f"count({axis.name})")]
        return list(item.index.type.axes)
    return [] if item.loop is not None else [_sliced_axis(axis, item)]


def _sliced_axis(axis: Axis, item: ir.Slice) -> Axis:
    if isinstance(item.start, ir.Const) and isinstance(item.stop, ir.Const):
        first, last = int(item.start.value), int(item.stop.value)
        labels = axis.labels[first - 1 : last] if axis.labels else None
        return Axis(f"{axis.name}_{first}_{last}", max(0, last - first + 1), labels)
    return Axis(f"{axis.name}_part", f"part of {axis.size}")


def _known_gather(cx: Context, base: Tensor, positions: Sequence[Position], node: tree.Node) -> Array | Scalar | None:
    if not isinstance(base.known, Array) or any(position.known is None for position in positions):
        return None
    indices = tuple(position.known for position in positions)
    return known_value(cx, lambda x: julia.index(x, indices), [base], node)


def range_tensor(cx: Context, value: RangeValue, node: tree.Node) -> Tensor:
    """A range as a vector of integers (or reals)."""
    if any(end.type.loops for end in (value.start, value.stop, value.step)):
        raise Carried
    start, stop, step = value.start.known, value.stop.known, value.step.known
    exprs = (value.start.expr, value.stop.expr, value.step.expr)
    if any(isinstance(end, float) for end in (start, stop, step)):
        reals = known_value(cx, julia.colon, (value.start, value.stop, value.step), node)
        if isinstance(reals, Array):
            return known_tensor(ir.Call("range", exprs, known_type(reals)), reals)
    count = value.count
    if count is not None:
        start, stop = cast(int, start), cast(int, stop)
        axis = value.over if value.over is not None and value.over.size == count else Axis("element", count)
        known = julia.colon(start, stop, cast(int, step))
        type_ = ir.Type("int", (), (axis,), min(start, stop), max(start, stop))
        return Tensor(ir.Call("range", exprs, type_), known if isinstance(known, Array) else None)
    if step == 0:
        cx.fail(node, "a range's step is not 0")
    element: ir.Element = "int" if value.start.type.element == "int" and value.step.type.element == "int" else "real"
    axis = value.over or Axis(cx.fresh("element"), f"{start}:{stop}:{step}")
    return Tensor(ir.Call("range", exprs, ir.Type(element, (), (axis,))))
