"""Functions with a typing rule of their own: shapes, iteration, densities, and those of two files beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.calls import call_function, known_call, with_known
from mlmdsl.compiler.construction import CONSTRUCTION
from mlmdsl.compiler.context import Context
from mlmdsl.compiler.densities import DENSITIES, DOTTED_DENSITIES, dotted_density
from mlmdsl.compiler.elementwise import constant
from mlmdsl.compiler.indexing import axis_size, range_tensor, vectorized
from mlmdsl.compiler.linear_algebra import LINEAR_ALGEBRA
from mlmdsl.compiler.operators import binary, lifted, tensor, transposed
from mlmdsl.compiler.values import (
    Builtin,
    Closure,
    Enumerated,
    FamilyName,
    Nested,
    OperatorFunction,
    RangeValue,
    Rows,
    RowVector,
    Tensor,
    TupleValue,
    Value,
    Zipped,
    describe,
)
from mlmdsl.language import julia, tree
from mlmdsl.language.functions import Function
from mlmdsl.language.types import Array, Axis

Keywords = Mapping[str, Value]
Rule = Callable[[Context, Function, Sequence[Value], Keywords, tree.Node], Value]


def special_call(
    cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, dotted: bool, node: tree.Node
) -> Value:
    """A call of a function with a rule of its own."""
    if dotted and row.name not in _DOTTED:
        cx.fail(node, f"`{row.name}.(…)` is not supported", "write a comprehension: `[f(x) for x in xs]`")
    if dotted:
        return _dotted(cx, row, args, node)
    return _RULES[row.name](cx, row, args, keywords, node)


_DOTTED = frozenset({"Float64", "Int", "broadcast", "length"}) | DOTTED_DENSITIES


def _dotted(cx: Context, row: Function, args: Sequence[Value], node: tree.Node) -> Value:
    if row.name in DOTTED_DENSITIES:
        return dotted_density(cx, row, args, node)
    return _RULES[row.name](cx, row, args, {}, node)


# ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _length(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    value = args[0]
    if isinstance(value, TupleValue):
        return constant(len(value.items))
    if isinstance(value, Tensor) and isinstance(value.expr, ir.Call) and value.expr.function in ("unique", "levels"):
        return _count_unique(cx, value)
    if isinstance(value, RangeValue):
        value = range_tensor(cx, value, node)
    if isinstance(value, RowVector):
        value = value.vector
    if isinstance(value, Rows):
        return axis_size(cx, value.matrix, value.axis)
    numbers = tensor(cx, value, node)
    if numbers.rank == 0:
        return constant(1)
    if numbers.rank == 1:
        return axis_size(cx, numbers, 0)
    total: Value = axis_size(cx, numbers, 0)
    for position in range(1, numbers.rank):
        total = binary(cx, "*", total, axis_size(cx, numbers, position), False, node)
    return total


def _count_unique(cx: Context, value: Tensor) -> Tensor:
    """`length(unique(idx))`: the size of the axis that idx indexes."""
    axis = value.type.axes[0]
    known = axis.size if isinstance(axis.size, int) else None
    expr = ir.Call("length", (value.expr,), ir.Type("int", low=0))
    counted = with_known(
        expr, known_call(cx, "length", [value], {}, cast(tree.Node, None)) if known is not None else None
    )
    return Tensor(expr, counted.known, counts=counted.counts or axis)


def _size(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    matrix = tensor(cx, args[0], node)
    if len(args) == 1:
        return TupleValue(tuple(axis_size(cx, matrix, position) for position in range(matrix.rank)))
    dimension = args[1].known if isinstance(args[1], Tensor) else None
    if not isinstance(dimension, int) or dimension < 1:
        cx.fail(node, "the dimension of `size` is a known integer from 1")
    return axis_size(cx, matrix, dimension - 1) if dimension <= matrix.rank else constant(1)


def _ndims(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    return constant(tensor(cx, args[0], node).rank)


def _indices(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`eachindex(x)`, `axes(x, d)`."""
    value = args[0]
    if isinstance(value, TupleValue):
        return RangeValue(constant(1), constant(len(value.items)), constant(1))
    array = tensor(cx, value, node)
    if array.rank == 0:
        cx.fail(node, f"{row.name} is for arrays, found {describe(array)}")
    ranges = [
        RangeValue(constant(1), axis_size(cx, array, position), constant(1), array.type.axes[position])
        for position in range(array.rank)
    ]
    if len(args) == 2:
        dimension = args[1].known if isinstance(args[1], Tensor) else None
        if not isinstance(dimension, int) or not 1 <= dimension <= array.rank:
            cx.fail(node, f"the dimension of `axes` is an integer from 1 to {array.rank}")
        return ranges[dimension - 1]
    if row.name == "eachindex" and array.rank > 1:
        return RangeValue(constant(1), cast(Tensor, _length(cx, row, [array], {}, node)), constant(1))
    return ranges[0] if row.name == "eachindex" else TupleValue(tuple(ranges))


def _unique(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    return distinct(cx, "unique", tensor(cx, args[0], node), node)


def distinct(cx: Context, name: str, x: Tensor, node: tree.Node) -> Tensor:
    """`unique(x)` in the order of first appearance, `levels(x)` sorted and without `missing`."""
    if not x.is_data:
        cx.fail(node, f"{name} is for data: how many values there are must be known before sampling")
    known = known_call(cx, "unique", [x], {}, node)
    if isinstance(known, Array) and name == "levels":
        present = known if known.missing is None else cast(Array, julia.index(known, [_present(known)]))
        known = cast(Array, julia.call("sort", [present]))
    axis = x.levels or Axis("level", "unique")
    if isinstance(known, Array):
        axis = known.axes[0]
    type_ = ir.Type(x.type.element, (), (axis,), x.type.low, x.type.high)
    return Tensor(ir.Call(name, (x.expr,), type_), known, levels=x.levels)


def _present(x: Array) -> Array:
    """Mask of the entries that are not missing."""
    missing = julia.call("ismissing", [x])
    return cast(Array, julia.unary("!", missing, dotted=True))


# ── iteration ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rows(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    matrix = tensor(cx, args[0], node)
    if matrix.rank != 2:
        cx.fail(node, f"{row.name} is for matrices, found {describe(matrix)}")
    return Rows(matrix, 0 if row.name == "eachrow" else 1)


def _enumerate(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    return Enumerated(args[0])


def _zip(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    return Zipped(tuple(args))


def is_function(value: Value) -> bool:
    """Whether a value can be called."""
    return isinstance(value, Builtin | OperatorFunction | Closure | FamilyName)


def apply_function(cx: Context, function: Value, args: Sequence[Value], dotted: bool, node: tree.Node) -> Value:
    """Call a function that is a value."""
    from mlmdsl.compiler.application import call_value

    return call_value(cx, function, list(args), {}, dotted, node)


def _map(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`map(f, xs)`: f of each element, as a comprehension gives it."""
    from mlmdsl.compiler.comprehensions import comprehend

    function = args[0]
    if not is_function(function):
        cx.fail(node, f"{row.name} takes a function first, found {describe(function)}")
    if row.name == "broadcast":
        return apply_function(cx, function, args[1:], True, node)
    iterable = args[1] if len(args) == 2 else Zipped(tuple(args[1:]))

    def body(items: Sequence[Value]) -> Value:
        return apply_function(cx, function, items, False, node)

    return comprehend(cx, [("x", iterable)], lambda bound: body(_spread(bound[0], len(args) - 1)), node)


def _spread(item: Value, count: int) -> Sequence[Value]:
    return item.items if count > 1 and isinstance(item, TupleValue) else [item]


def _reduce(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`reduce(+, xs)`, `reduce(hcat, vectors)`."""
    function, items = args
    name = (
        function.row.name
        if isinstance(function, Builtin)
        else function.op
        if isinstance(function, OperatorFunction)
        else ""
    )
    if isinstance(items, Nested) and name in ("hcat", "vcat"):
        whole = lifted(items.item, (items.axis,))
        return transposed(whole) if name == "hcat" else vectorized(cx, transposed(whole))
    if isinstance(items, TupleValue):
        if not items.items:
            cx.fail(node, "reduce of nothing has no value", "give it at least one item")
        result = items.items[0]
        for item in items.items[1:]:
            result = apply_function(cx, function, [result, item], False, node)
        return result
    from mlmdsl.language.functions import FUNCTIONS

    reductions = {"+": "sum", "*": "prod", "max": "maximum", "min": "minimum", "vcat": "collect"}
    if name in reductions:
        return call_function(cx, FUNCTIONS[reductions[name]], [items], {}, False, node)
    return cast(Value, cx.fail(node, "reduce takes `+`, `*`, `max`, `min`, `hcat` or `vcat` over an array",
                               "write the recursion as a `for` loop"))  # fmt: skip


def _extrema(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    from mlmdsl.language.functions import FUNCTIONS

    return TupleValue(
        tuple(call_function(cx, FUNCTIONS[name], args, {}, False, node) for name in ("minimum", "maximum"))
    )


_RULES: dict[str, Rule] = {
    **LINEAR_ALGEBRA,
    **CONSTRUCTION,
    **DENSITIES,
    "length": _length,
    "size": _size,
    "ndims": _ndims,
    "eachindex": _indices,
    "axes": _indices,
    "unique": _unique,
    "eachrow": _rows,
    "eachcol": _rows,
    "enumerate": _enumerate,
    "zip": _zip,
    "map": _map,
    "broadcast": _map,
    "reduce": _reduce,
    "extrema": _extrema,
}
