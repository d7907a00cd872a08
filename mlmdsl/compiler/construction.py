"""Construction of arrays: filled, joined, reshaped, repeated, ranges, conversions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.calls import call_function, known_call, with_known
from mlmdsl.compiler.combinators import filled_draw
from mlmdsl.compiler.context import Context, key_of
from mlmdsl.compiler.elementwise import constant, elementwise
from mlmdsl.compiler.indexing import axis_size, vectorized
from mlmdsl.compiler.labels import joined_levels, side_by_side, with_levels
from mlmdsl.compiler.operators import binary, tensor
from mlmdsl.compiler.parts import settled_size, verify_size
from mlmdsl.compiler.references import apart, viewed
from mlmdsl.compiler.values import (
    Draw,
    Nothing,
    RangeValue,
    RowVector,
    ScaledIdentity,
    Tensor,
    Text,
    TupleValue,
    TypeName,
    Value,
    describe,
)
from mlmdsl.language import tree
from mlmdsl.language.functions import Function
from mlmdsl.language.types import Array, Axis

Keywords = Mapping[str, Value]
MOST_COPIES = 1000
"""The most copies of an array that `repeat(X, n, m)` writes out along an axis."""
Rule = Callable[[Context, Function, Sequence[Value], Keywords, tree.Node], Value]


def _filled(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`zeros(n)`, `ones(n, m)`, `fill(v, n)`, `zeros(Int, n)`, `trues(n)`."""
    if row.name == "fill" and isinstance(args[0], Draw):
        return filled_draw(cx, args, node)
    element: ir.Element = "bool" if row.name in ("trues", "falses") else "real"
    value: Tensor | None = None
    if row.name == "fill":
        value, args = tensor(cx, args[0], node), args[1:]
        element = value.type.element
    elif args and isinstance(args[0], TypeName):
        element, args = ("int" if args[0].name.startswith("Int") else "real"), args[1:]
    if not args:
        cx.fail(node, f"{row.name} takes at least one size", "write the length of each axis")
    sizes = [tensor(cx, size, node) for arg in args for size in (arg.items if isinstance(arg, TupleValue) else (arg,))]
    axes = tuple(_axis_of_size(cx, size, position, node) for position, size in enumerate(sizes))
    known = known_call(cx, row.name, [*([value] if value else []), *sizes], {}, node) if sizes else None
    number = {"ones": 1.0, "trues": 1.0}.get(row.name, 0.0)
    low, high = (value.type.low, value.type.high) if value else (number, number)
    type_ = ir.Type(element, value.type.loops if value else (), axes, low, high)
    return Tensor(ir.Call(row.name, (value.expr,) if value else (), type_), known)


def _axis_of_size(cx: Context, size: Tensor, position: int, node: tree.Node) -> Axis:
    size = settled_size(cx, size, node)
    if size.rank or size.type.element not in ("int", "any") or not size.is_data:
        cx.fail(node, f"a size is a whole number known from the data, found {describe(size)}")
    if isinstance(size.known, int) and size.known < 0:
        cx.fail(node, f"a size is not negative, found {size.known}")
    name = size.expr.name if isinstance(size.expr, ir.Ref) else f"of_{size.known}" if size.known is not None else "axis"
    return cx.axis(name, size)


def _undefined(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`Vector{Float64}(undef, n)`: zeros, to be overwritten; `Matrix(a, b, c)`, `Matrix(X)`: columns."""
    if isinstance(args[0], Nothing) and args[0].name in ("undef", "missing"):
        from mlmdsl.language.functions import FUNCTIONS

        if len(args) == 1:
            cx.fail(node, "an array that is yet to be filled has a size", f"write `{row.name}{{Float64}}(undef, n)`")
        return _filled(cx, FUNCTIONS["zeros"], args[1:], {}, node)
    if isinstance(args[0], ScaledIdentity) and len(args) > 1:
        return _identity_matrix(cx, args[0], args[1:], node)
    if row.name == "Matrix":
        known = known_call(cx, "Matrix", args, {}, node)
        if known is not None:
            parts = [tensor(cx, arg, node) for arg in args]
            type_ = ir.Type("real", (), cast(Array, known).axes)
            columns = with_known(ir.Call("hcat", tuple(part.expr for part in parts), type_), known)
            return with_levels(columns, side_by_side(parts))
        return _hcat(cx, row, args, keywords, node)
    return apart(tensor(cx, args[0], node))


def _identity_matrix(cx: Context, identity: ScaledIdentity, sizes: Sequence[Value], node: tree.Node) -> Tensor:
    """`Matrix(λ * I, n, n)`."""
    verify_size(cx, tensor(cx, sizes[-1], node), node)
    axis = cx.axis("dimension", tensor(cx, sizes[-1], node))
    eye = Tensor(ir.Call("eye", (), ir.Type("real", (), (axis, axis))))
    return elementwise(cx, "*", [identity.scale, eye], True, node) if identity.scale.known != 1 else eye


def _similar(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    x = tensor(cx, args[0], node)
    for position, axis in enumerate(x.type.axes):
        named = isinstance(x.expr, ir.Ref) or not isinstance(axis.size, int)
        size = axis_size(cx, x, position) if named else constant(cast(int, axis.size))
        cx.axis_sizes.setdefault(key_of(axis), size.expr)
    return Tensor(ir.Call("zeros", (), ir.Type("real", (), x.type.axes, 0, 0)))


def _hcat(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """Columns side by side; a number fills a column."""
    parts = [tensor(cx, arg, node) for arg in args]
    known = known_call(cx, "hcat", parts, {}, node)
    rows = next((part.type.axes[0] for part in parts if part.rank), None)
    if rows is None:
        return Tensor(
            ir.Call(
                "hcat", tuple(p.expr for p in parts), ir.Type("real", (), (Axis("one", 1), Axis("column", len(parts))))
            ),
            known,
        )
    _same_size(cx, [part.type.axes[0] for part in parts if part.rank], "hcat", "rows", node)
    columns = _sum_axis(cx, "column", [part.type.axes[1] if part.rank > 1 else None for part in parts])
    loops = cx.loop_axes(part.type for part in parts)
    type_ = ir.Type("real", loops, (rows, columns))
    if isinstance(known, Array):
        type_ = ir.Type("real", loops, known.axes)
    return with_levels(
        with_known(ir.Call("hcat", tuple(part.expr for part in parts), type_), known), side_by_side(parts)
    )


def _vcat(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """Arrays one below the other."""
    parts = [tensor(cx, arg, node) for arg in args]
    known = known_call(cx, "vcat", parts, {}, node)
    rank = max(part.rank for part in parts)
    if rank == 2:
        if any(part.rank == 0 for part in parts):
            cx.fail(node, "vcat needs rows of one length, found a number among matrices")
        _same_size(cx, [part.type.axes[-1] for part in parts], "vcat", "columns", node)
    loops = cx.loop_axes(part.type for part in parts)
    axis = _sum_axis(cx, "element", [part.type.axes[0] if part.rank else None for part in parts])
    rest = next(part for part in parts if part.rank == rank).type.axes[1:] if rank else ()
    low, high = min(part.type.low for part in parts), max(part.type.high for part in parts)
    element: ir.Element = "int" if all(part.type.element == "int" for part in parts) else "real"
    type_ = ir.Type(element, loops, (axis, *rest), low, high)
    joined = with_known(ir.Call("vcat", tuple(part.expr for part in parts), type_), known)
    return with_levels(joined, joined_levels(cx, parts, "vcat", node))


def _same_size(cx: Context, axes: Sequence[Axis], name: str, what: str, node: tree.Node) -> None:
    sizes = sorted({axis.size for axis in axes if isinstance(axis.size, int)})
    if len(sizes) > 1:
        cx.fail(node, f"{name} needs arrays of one number of {what}, found {' and '.join(map(str, sizes))}")


def _sum_axis(cx: Context, name: str, axes: Sequence[Axis | None]) -> Axis:
    sizes = [1 if axis is None else axis.size for axis in axes]
    numbers = [size for size in sizes if isinstance(size, int)]
    if len(numbers) == len(sizes):
        return cx.axis(name, constant(sum(numbers)))
    return Axis(name, " + ".join(str(size) for size in sizes))


def _reshape(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    x = tensor(cx, args[0], node)
    given = [size for arg in args[1:] for size in (arg.items if isinstance(arg, TupleValue) else (arg,))]
    if any(isinstance(size, Text) for size in given):
        given = [_rest(cx, x, given, node) if isinstance(size, Text) else size for size in given]
    sizes = [tensor(cx, size, node) for size in given]
    axes = tuple(_axis_of_size(cx, size, position, node) for position, size in enumerate(sizes))
    known = known_call(cx, "reshape", [x, *sizes], {}, node)
    counts = [axis.size for axis in axes], [axis.size for axis in x.type.axes]
    if all(isinstance(size, int) for sizes_ in counts for size in sizes_) and _product(counts[0]) != _product(
        counts[1]
    ):
        cx.fail(
            node,
            f"reshape keeps the number of elements: {_product(counts[1])} of them do not fill {_product(counts[0])}",
        )
    type_ = ir.Type(x.type.element, x.type.loops, axes, x.type.low, x.type.high)
    return viewed(with_known(ir.Call("reshape", (x.expr, *(size.expr for size in sizes)), type_), known), x)


def _rest(cx: Context, x: Tensor, given: Sequence[Value], node: tree.Node) -> Value:
    """What `:` is among the sizes of `reshape`: the number of elements over the product of the others."""
    from mlmdsl.language.functions import FUNCTIONS

    size = call_function(cx, FUNCTIONS["length"], [x], {}, False, node)
    for other in given:
        if not isinstance(other, Text):
            size = call_function(cx, FUNCTIONS["div"], [size, other], {}, False, node)
    return size


def _product(sizes: Sequence[int | str]) -> int:
    result = 1
    for size in sizes:
        result *= int(size)
    return result


def _vec(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    if isinstance(args[0], RowVector):
        return args[0].vector
    x = tensor(cx, args[0], node)
    if x.rank == 0:
        cx.fail(node, f"vec is for arrays, found {describe(x)}")
    return vectorized(cx, x) if x.rank == 1 else viewed(vectorized(cx, x), x)


def _repeat(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`repeat(x, n)`, `repeat(x, n, m)`, `repeat(x; inner=n)`."""
    x = tensor(cx, args[0], node)
    if (len(args) == 3 or (len(args) == 2 and x.rank == 2)) and x.rank in (1, 2) and not keywords:
        return _tiled(cx, x, [tensor(cx, count, node) for count in args[1:]], node)
    times = args[1] if len(args) > 1 else keywords.get("outer", keywords.get("inner"))
    if times is None or x.rank != 1 or len(args) > 2 or len(keywords) > 1:
        cx.fail(node, "repeat takes a vector and one count: `repeat(x, n)`, `repeat(x; inner=n)`")
    count = tensor(cx, times, node)
    known = known_call(cx, "repeat", args, keywords, node)
    size = binary(cx, "*", axis_size(cx, x, 0), count, False, node)
    axis = cx.axis("repeated", cast(Tensor, size)) if known is None else cast(Array, known).axes[0]
    inner = "inner" in keywords
    type_ = ir.Type(x.type.element, x.type.loops, (axis,), x.type.low, x.type.high)
    return with_known(ir.Call("repeat", (x.expr, count.expr), type_, (("inner", inner),)), known)


def _tiled(cx: Context, x: Tensor, counts: Sequence[Tensor], node: tree.Node) -> Value:
    """`repeat(X, n, m)`: n copies below one another, m such columns of copies side by side."""
    for count in counts:
        if not isinstance(count.known, int) or not 1 <= count.known <= MOST_COPIES:
            cx.fail(
                node, f"the counts of `repeat(X, n, m)` are whole numbers from 1 to {MOST_COPIES} known from the data"
            )
    down, *across = (cast(int, count.known) for count in counts)
    from mlmdsl.language.functions import FUNCTIONS

    column = _vcat(cx, FUNCTIONS["vcat"], [x] * down, {}, node) if down > 1 else x
    return (
        _hcat(cx, FUNCTIONS["hcat"], [column] * across[0], {}, node)
        if across and across[0] > 1 or x.rank == 1
        else column
    )


def _range(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`range(a, b; length=n)`, `range(a; stop=b, length=n)`."""
    ends = [*args, *([keywords["stop"]] if "stop" in keywords else [])]
    length = keywords.get("length", ends[2] if len(ends) == 3 else None)
    if len(ends) < 2 or (length is None and "step" not in keywords):
        if len(ends) == 2:
            return RangeValue(tensor(cx, ends[0], node), tensor(cx, ends[1], node), constant(1))
        cx.fail(node, "range takes its ends and a length: `range(0, 1; length=n)`")
    if length is None:
        return RangeValue(tensor(cx, ends[0], node), tensor(cx, ends[1], node), tensor(cx, keywords["step"], node))
    count = tensor(cx, length, node)
    first, last = (tensor(cx, end, node) for end in ends[:2])
    known = known_call(cx, "range", [first, last], {"length": count}, node)
    axis = _axis_of_size(cx, count, 0, node)
    return with_known(ir.Call("linspace", (first.expr, last.expr, count.expr), ir.Type("real", (), (axis,))), known)


def _convert(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`Float64(x)`, `Int(x)`."""
    x = tensor(cx, args[0], node)
    if row.name == "Float64":
        return apart(x)
    type_ = ir.Type("int", x.type.loops, x.type.axes, x.type.low, x.type.high)
    if isinstance(x.known, float) and not x.known.is_integer():
        cx.fail(node, f"`Int` of {x.known:g}, which is not a whole number", "write `round(Int, x)`")
    known = int(x.known) if isinstance(x.known, int | float) else None
    return Tensor(ir.Call("to_int", (x.expr,), type_), known, x.counts, x.levels)


CONSTRUCTION: dict[str, Rule] = {
    "zeros": _filled,
    "ones": _filled,
    "fill": _filled,
    "falses": _filled,
    "trues": _filled,
    "similar": _similar,
    "hcat": _hcat,
    "vcat": _vcat,
    "reshape": _reshape,
    "vec": _vec,
    "repeat": _repeat,
    "range": _range,
    "Vector": _undefined,
    "Matrix": _undefined,
    "Array": _undefined,
    "Float64": _convert,
    "Int": _convert,
}
"""The rules by the function's name."""
