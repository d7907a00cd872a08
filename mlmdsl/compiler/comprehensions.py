"""Comprehensions and generators: of data by value, else vectorised, else one iteration after another.

A comprehension cannot be vectorised where a branch indexes past an end, or a condition chooses the items.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from itertools import product
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.along import values_along
from mlmdsl.compiler.context import Carried, Context, Divided, LoopAxis, NeedsValues, Wrong, key_of
from mlmdsl.compiler.elementwise import constant, known_tensor, known_type, verify_condition
from mlmdsl.compiler.indexing import WHOLE, Position, gather, range_tensor
from mlmdsl.compiler.iteration import (
    bind_targets,
    check_range,
    ends_of,
    item_at,
    note_range,
    range_size,
    scope_of,
    steps_of,
    verify_steps,
    walk_axis,
)
from mlmdsl.compiler.kinds import by_kinds, one_by_one
from mlmdsl.compiler.labels import joined_levels, with_levels
from mlmdsl.compiler.operators import lifted, tensor
from mlmdsl.compiler.values import (
    Draw,
    Enumerated,
    Nested,
    RangeValue,
    Rows,
    Tensor,
    TupleValue,
    Value,
    Zipped,
)
from mlmdsl.language import julia, tree
from mlmdsl.language.types import Array, Axis, Scalar

UNWRITTEN = ir.Ref("a value without a form", ir.Type("any"), data=True)
"""Stands for the expression of data whose value is known and that the program need not compute."""


def known_items(cx: Context, iterable: Value, node: tree.Node) -> list[Value] | None:
    """The items of an iterable whose values data decide; None where they do not."""
    if isinstance(iterable, TupleValue):
        return list(iterable.items)
    if isinstance(iterable, Enumerated):
        items = known_items(cx, iterable.iterable, node)
        return None if items is None else [TupleValue((constant(k + 1), item)) for k, item in enumerate(items)]
    if isinstance(iterable, Zipped):
        parts = [known_items(cx, part, node) for part in iterable.iterables]
        return (
            None
            if any(part is None for part in parts)
            else [TupleValue(tuple(items)) for items in zip(*cast(list[list[Value]], parts), strict=False)]
        )
    if isinstance(iterable, Rows):
        size = iterable.matrix.type.axes[iterable.axis].size
        known = iterable.matrix.known is not None and isinstance(size, int)
        return [_known_row(cx, iterable, k, node) for k in range(cast(int, size))] if known else None
    vector = range_tensor(cx, iterable, node) if isinstance(iterable, RangeValue) else iterable
    if not isinstance(vector, Tensor) or not isinstance(vector.known, Array) or vector.rank != 1:
        return None
    return [replace(known_tensor(UNWRITTEN, item), levels=vector.levels) for item in vector.known.values.tolist()]


def _known_row(cx: Context, rows: Rows, position: int, node: tree.Node) -> Value:
    at = Position(ir.Pick(constant(position + 1).expr), position + 1)
    return gather(cx, rows.matrix, [at, WHOLE] if rows.axis == 0 else [WHOLE, at], node)


def known_comprehension(cx: Context, node: tree.Comprehension | tree.Generator) -> Value | None:
    """A comprehension over data, its value computed item by item; None where something is not known."""
    results: list[Value] = []
    sizes, axes = [], []
    for iterator in node.iterators:
        iterable = cx.expr(iterator.iterable)
        items = known_items(cx, iterable, iterator)
        if items is None:
            return None
        sizes.append(items)
        axes.append(_indexed_axis(iterable))
    for chosen in product(*reversed(sizes)):
        pairs = [bind_targets(cx, it, item) for it, item in zip(node.iterators, reversed(chosen), strict=True)]
        names = [name for names, _ in pairs for name in names]
        with scope_of(cx, names, [value for _, values in pairs for value in values]):
            if node.condition is None or _condition(cx, node, cx.expr(node.condition)).known is True:
                results.append(cx.expr(node.body))
    if node.condition is not None:
        return _known_result(cx, results, [len(results)], [None], node)
    return _known_result(cx, results, [len(items) for items in sizes], axes, node)


def _indexed_axis(iterable: Value) -> Axis | None:
    """The axis whose indices a range is, if it is one."""
    if not isinstance(iterable, RangeValue) or iterable.start.known != 1 or iterable.step.known != 1:
        return None
    return iterable.over or iterable.stop.counts


def _known_result(
    cx: Context, results: Sequence[Value], sizes: Sequence[int], axes: Sequence[Axis | None], node: tree.Node
) -> Value | None:
    """The scalars of a comprehension, column by column, as an array; anything else as a tuple."""
    scalars = [value.known if isinstance(value, Tensor) and value.rank == 0 else None for value in results]
    if any(scalar is None for scalar in scalars):
        return TupleValue(tuple(results)) if len(sizes) == 1 and results else None
    vector = julia.vector_literal(cast(list[Scalar], scalars))
    whole = julia.call("reshape", [vector, *sizes]) if len(sizes) > 1 else vector
    if not isinstance(whole, Array):
        return None
    whole = replace(whole, axes=tuple(axis or own for axis, own in zip(axes, whole.axes, strict=True)))
    levels = joined_levels(cx, [value for value in results if isinstance(value, Tensor)], "[…]", node)
    return with_levels(known_tensor(replace(UNWRITTEN, type=known_type(whole)), whole), levels)


def comprehension(cx: Context, node: tree.Comprehension | tree.Generator) -> Value:
    """`[body for i in a, j in b if condition]`."""
    if cx.data_only and not cx.loops:
        known = known_comprehension(cx, node)
        if known is not None:
            return known
    if node.condition is None:
        iterables = [cx.expr(iterator.iterable) for iterator in node.iterators]
        named = [
            (iterator.targets[0].id, iterable) for iterator, iterable in zip(node.iterators, iterables, strict=True)
        ]

        def body(items: Sequence[Value]) -> Value:
            pairs = [bind_targets(cx, iterator, item) for iterator, item in zip(node.iterators, items, strict=True)]
            names = [name for names, _ in pairs for name in names]
            values = [value for _, values in pairs for value in values]
            with scope_of(cx, names, values):
                return cx.expr(node.body)

        return comprehend(cx, named, body, node)
    return _filtered(cx, node)


def _filtered(cx: Context, node: tree.Comprehension | tree.Generator) -> Value:
    iterator = node.iterators[0]
    iterable = cx.expr(iterator.iterable)
    if len(node.iterators) != 1:
        cx.fail(node, "a comprehension with `if` runs over one range", "write `[f(i) for i in 1:n if condition]`")
    return _sequence(
        cx,
        iterator.targets[0].id,
        iterable,
        lambda items: _in_scope(cx, iterator, items, node.body),
        node,
        lambda items: _in_scope(cx, iterator, items, cast(tree.Expression, node.condition)),
    )


def _condition(cx: Context, node: tree.Node, value: Value) -> Tensor:
    """The condition of a comprehension, which is one truth value."""
    test = tensor(cx, value, node)
    where = node.condition if isinstance(node, tree.Comprehension | tree.Generator) else None
    verify_condition(cx, test, "if", where or node)
    return test


def _in_scope(cx: Context, iterator: tree.Iterator, items: Sequence[Value], body: tree.Expression) -> Value:
    with scope_of(cx, *bind_targets(cx, iterator, items[0])):
        return cx.expr(body)


def comprehend(
    cx: Context, iterables: Sequence[tuple[str, Value]], body: Callable[[Sequence[Value]], Value], node: tree.Node
) -> Value:
    """The values of `body` along iterables: vectorised where it can be, else one after another."""
    literal = iterables[0][1]
    if len(iterables) == 1 and isinstance(literal, TupleValue):
        return gathered(cx, [body([item]) for item in literal.items], node)
    if cx.data_only and not cx.loops and len(iterables) == 1:
        items = known_items(cx, literal, node)
        known = (
            None
            if items is None
            else _known_result(cx, [body([item]) for item in items], [len(items)], [_indexed_axis(literal)], node)
        )
        if known is not None:
            return known
    nodes = len(cx.nodes)
    try:
        with cx.attempt():
            return _vectorized(cx, iterables, body, node)
    except Divided as divided:
        if len(iterables) != 1 or any(divided.axis == loop.axis.name for loop in cx.loops):
            raise
        return by_kinds(cx, iterables[0][0], literal, body, divided, comprehend, node)
    except Carried:
        pass
    except Wrong as wrong:
        if len(iterables) != 1:
            raise
        try:
            with cx.attempt():
                result = _sequence(cx, iterables[0][0], literal, body, node)
        except (Wrong, Carried):
            raise wrong from None
        return result
    if len(iterables) != 1 or len(cx.nodes) != nodes:
        cx.fail(node, "this comprehension cannot be vectorised", "write it as a `for` loop over a range")
    return _sequence(cx, iterables[0][0], literal, body, node)


def gathered(cx: Context, values: Sequence[Value], node: tree.Node) -> Value:
    """Values written one by one as a vector: of numbers, or of anything else a tuple."""
    if values and all(isinstance(value, Tensor) and value.rank == 0 for value in values):
        from mlmdsl.compiler.expressions import stack

        return stack(cx, [cast(Tensor, value) for value in values], node)
    return TupleValue(tuple(values))


def _vectorized(
    cx: Context, iterables: Sequence[tuple[str, Value]], body: Callable[[Sequence[Value]], Value], node: tree.Node
) -> Value:
    items, axes = [], []
    depth = len(cx.loops)
    for name, iterable in iterables:
        loop, item = walk_axis(cx, name, iterable, node)
        cx.loops.append(loop)
        axes.append(loop.axis)
        items.append(item)
    nodes = len(cx.nodes)
    value = body(items)
    loops = cx.loops[depth:]
    del cx.loops[depth:]
    result_axes = tuple(_array_axis(cx, loop) for loop in loops)
    if isinstance(value, Draw):
        dist = value.dist
        rest = tuple(axis for axis in dist.loops if axis not in axes)
        if dist.collection:
            cx.fail(node, "a comprehension of arrays of distributions has no meaning")
        made = frozenset(axis.name for axis in axes)
        return Draw(replace(dist, loops=rest, collection=tuple(axes), walked=made))
    if len(cx.nodes) != nodes:
        pass
    result = tensor(cx, value, node)
    if result.rank and len(axes) > 1:
        raise Carried
    if result.rank:
        return Nested(result, axes[0])
    whole = lifted(result, tuple(axes))
    type_ = replace(whole.type, axes=result_axes)
    return Tensor(replace(whole.expr, type=type_), _known_of(cx, whole, result_axes), levels=whole.levels)


def _known_of(cx: Context, whole: Tensor, axes: tuple[Axis, ...]) -> Array | None:
    """The value of a comprehension over data."""
    if cx.loops or not whole.is_data or whole.known is not None:
        return None
    found = values_along(cx, whole.expr)
    return None if found is None or found.missing is not None else Array(found.values, axes)


def _array_axis(cx: Context, loop: LoopAxis) -> Axis:
    """The array axis that a loop becomes: the one whose indices it walked, if it walked all of it."""
    if loop.over is not None and loop.over.size == loop.axis.size:
        cx.axis_sizes.setdefault(key_of(loop.over), cx.axis_sizes[key_of(loop.axis)])
        return loop.over
    return loop.axis


def _check_each(
    cx: Context,
    iterable: Value,
    steps: RangeValue,
    body: Callable[[Sequence[Value]], Value],
    condition: Callable[[Sequence[Value]], Value] | None,
    node: tree.Node,
) -> None:
    """Raise what is wrong with a single step (an index past an end), trying the first and last few hundred of them."""
    taken = steps.integers
    if taken is None:
        return
    for number in taken if len(taken) <= _TRIED else [*taken[: _TRIED // 2], *taken[-_TRIED // 2 :]]:
        with suppress(Carried), cx.attempt():
            item = item_at(cx, iterable, constant(number), node)
            if condition is None or getattr(condition([item]), "known", None) is not False:
                body([item])
            raise Carried


_TRIED = 400


def _sequence(
    cx: Context,
    name: str,
    iterable: Value,
    body: Callable[[Sequence[Value]], Value],
    node: tree.Node,
    condition: Callable[[Sequence[Value]], Value] | None = None,
) -> Value:
    """A comprehension that runs one iteration after another."""
    steps = steps_of(cx, iterable, node)
    check_range(cx, steps, node)
    if steps.start.type.loops or steps.stop.type.loops or steps.step.type.loops:
        raise Carried
    verify_steps(cx, steps, node)
    _check_each(cx, iterable, steps, body, condition, node)
    variable = cx.fresh(name)
    low, high = ends_of(steps)
    counter = Tensor(ir.Ref(variable, ir.Type("int", low=low, high=high), data=True))
    nodes = len(cx.nodes)
    cx.sequential.append(variable)
    note_range(cx, variable, steps)
    try:
        with cx.attempt():
            item = item_at(cx, iterable, counter, node)
            test = _condition(cx, node, condition([item])) if condition else None
            if test is not None and test.type.loops:
                raise Carried
            with cx.branch(test, True) if test is not None else nullcontext():
                value = body([item])
    except NeedsValues:
        cx.sequential.remove(variable)
        return one_by_one(cx, iterable, body, node, condition)
    cx.sequential.pop()
    if len(cx.nodes) != nodes or not isinstance(value, Tensor):
        cx.fail(node, "this comprehension cannot be vectorised", "write it as a `for` loop")
    size = range_size(cx, steps, node)
    axis = Axis(cx.fresh(f"{name}_items"), "count") if test is not None else cx.axis(f"{name}_items", size)
    type_ = ir.Type(value.type.element, value.type.loops, (axis, *value.type.axes), value.type.low, value.type.high)
    expr = ir.Sequence(
        variable, steps.start.expr, steps.stop.expr, steps.step.expr, value.expr, type_, test.expr if test else None
    )
    return Tensor(expr)
