"""Functions with a typing rule of their own: shapes, linear algebra, construction of arrays, iteration, densities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.calls import call_function, known_call, with_known
from mlmdsl.compiler.combinators import filled_draw
from mlmdsl.compiler.context import Context
from mlmdsl.compiler.indexing import axis_size, range_tensor, vectorized
from mlmdsl.compiler.operators import adjoint, binary, constant, dot, elementwise, lifted, tensor, transposed
from mlmdsl.compiler.values import (
    Builtin,
    Closure,
    DiagonalMatrix,
    Draw,
    Enumerated,
    Factorization,
    FamilyName,
    Nested,
    Nothing,
    OperatorFunction,
    OrthogonalTriangular,
    RangeValue,
    Rows,
    RowVector,
    ScaledIdentity,
    Tensor,
    Text,
    TupleValue,
    TypeName,
    Value,
    Zipped,
    describe,
)
from mlmdsl.language import tree
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


_DOTTED = frozenset({"logpdf", "Float64", "Int", "broadcast", "length"})


def _dotted(cx: Context, row: Function, args: Sequence[Value], node: tree.Node) -> Value:
    if row.name == "logpdf":
        return _log_density(cx, args, node, summed=False)
    return _RULES[row.name](cx, row, args, {}, node)


# ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _length(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    value = args[0]
    if isinstance(value, TupleValue):
        return constant(len(value.items))
    if isinstance(value, Tensor) and isinstance(value.expr, ir.Call) and value.expr.function == "unique":
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
    x = tensor(cx, args[0], node)
    if not x.is_data:
        cx.fail(node, "unique is for data: how many values there are must be known before sampling")
    known = known_call(cx, "unique", [x], {}, node)
    axis = x.levels or Axis("level", "unique")
    if isinstance(known, Array):
        axis = known.axes[0]
    type_ = ir.Type(x.type.element, (), (axis,), x.type.low, x.type.high)
    return Tensor(ir.Call("unique", (x.expr,), type_), known, levels=x.levels)


# ── linear algebra ───────────────────────────────────────────────────────────────────────────────────────────────────


def _dot(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    return dot(cx, tensor(cx, args[0], node), tensor(cx, args[1], node), node)


def _transpose(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    return adjoint(cx, args[0], node)


def _square(cx: Context, value: Value, name: str, node: tree.Node) -> Tensor:
    matrix = tensor(cx, value, node)
    sizes = {axis.size for axis in matrix.type.axes if isinstance(axis.size, int)}
    if matrix.rank != 2 or len(sizes) > 1:
        cx.fail(node, f"{name} needs a square matrix, found {describe(matrix)}")
    return matrix


def _diag(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    if isinstance(args[0], DiagonalMatrix):
        return args[0].diagonal
    matrix = tensor(cx, args[0], node)
    if matrix.rank != 2:
        cx.fail(
            node,
            f"diag takes the diagonal of a matrix, found {describe(matrix)}",
            "`Diagonal(v)` makes a matrix of a vector",
        )
    type_ = ir.Type(matrix.type.element, matrix.type.loops, matrix.type.axes[:1], matrix.type.low, matrix.type.high)
    return with_known(ir.Call("diag", (matrix.expr,), type_), known_call(cx, "diag", [matrix], {}, node))


def _diagonal(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`Diagonal(v)`, `diagm(v)`: structure, written out only where nothing else is possible."""
    if isinstance(args[0], DiagonalMatrix):
        return args[0]
    vector = tensor(cx, args[0], node)
    if vector.rank == 2:
        vector = cast(Tensor, _diag(cx, row, args, keywords, node))
    if vector.rank != 1:
        cx.fail(node, f"{row.name} makes a matrix of a vector, found {describe(vector)}")
    return DiagonalMatrix(vector)


def _identity(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    axis = cx.axis("dimension", tensor(cx, args[0], node))
    return DiagonalMatrix(Tensor(ir.Call("ones", (), ir.Type("real", (), (axis,), 1, 1))))


def _positive_definite(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`PDMat(Cholesky(L))`: L·Lᵀ; `PDMat(Σ)`: Σ itself."""
    value = args[0]
    if isinstance(value, Factorization):
        return Factorization(value.lower, matrix=True)
    if isinstance(value, DiagonalMatrix | ScaledIdentity):
        return value
    return _square(cx, value, "PDMat", node)


def _cholesky_of_factor(
    cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node
) -> Value:
    """`Cholesky(L)`: the factorisation whose lower factor is L."""
    upper = len(args) > 1 and getattr(args[1], "text", "L") in ("U", "upper")
    factor = _square(cx, args[0], "Cholesky", node)
    return Factorization(transposed(factor) if upper else factor)


def _cholesky(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    if isinstance(args[0], Factorization):
        return Factorization(args[0].lower)
    matrix = _square(cx, args[0], "cholesky", node)
    return Factorization(
        Tensor(ir.Call("cholesky", (matrix.expr,), ir.Type("real", matrix.type.loops, matrix.type.axes)))
    )


def _qr(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    return OrthogonalTriangular(tensor(cx, args[0], node))


def _determinant(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """det, logdet, logabsdet, tr: of a matrix, a number."""
    if isinstance(args[0], Factorization) and row.name == "logdet":
        diagonal = _diag(cx, row, [args[0].lower], {}, node)
        from mlmdsl.language.functions import FUNCTIONS

        logs = call_function(cx, FUNCTIONS["log"], [diagonal], {}, True, node)
        return binary(cx, "*", constant(2), call_function(cx, FUNCTIONS["sum"], [logs], {}, False, node), False, node)
    matrix = _square(cx, args[0], row.name, node)
    if row.name == "logabsdet":
        signed = ir.Type("real", matrix.type.loops, low=-1, high=1)
        absolute = Tensor(ir.Call("logabsdet", (matrix.expr,), ir.Type("real", matrix.type.loops)))
        return TupleValue((absolute, Tensor(ir.Call("sign_of_det", (matrix.expr,), signed))))
    known = known_call(cx, row.name, [matrix], {}, node)
    return with_known(ir.Call(row.name, (matrix.expr,), ir.Type("real", matrix.type.loops)), known)


def _covariance(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """cor, cov: of data."""
    known = known_call(cx, row.name, args, {}, node)
    exprs = tuple(tensor(cx, arg, node).expr for arg in args)
    if not all(ir.is_data(expr) for expr in exprs):
        cx.fail(node, f"{row.name} is for data")
    axis = tensor(cx, args[0], node).type.axes[-1:]
    type_ = ir.Type("real", (), axis * 2 if len(args) == 1 else ())
    return with_known(ir.Call(row.name, exprs, type_), known)


# ── construction ─────────────────────────────────────────────────────────────────────────────────────────────────────


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
            exprs = tuple(tensor(cx, arg, node).expr for arg in args)
            return with_known(ir.Call("hcat", exprs, ir.Type("real", (), cast(Array, known).axes)), known)
        return _hcat(cx, row, args, keywords, node)
    return tensor(cx, args[0], node)


def _identity_matrix(cx: Context, identity: ScaledIdentity, sizes: Sequence[Value], node: tree.Node) -> Tensor:
    """`Matrix(λ * I, n, n)`."""
    axis = cx.axis("dimension", tensor(cx, sizes[-1], node))
    eye = Tensor(ir.Call("eye", (), ir.Type("real", (), (axis, axis))))
    return elementwise(cx, "*", [identity.scale, eye], True, node) if identity.scale.known != 1 else eye


def _similar(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    x = tensor(cx, args[0], node)
    for position, axis in enumerate(x.type.axes):
        named = isinstance(x.expr, ir.Ref) or not isinstance(axis.size, int)
        size = axis_size(cx, x, position) if named else constant(cast(int, axis.size))
        cx.axis_sizes.setdefault(axis.name, size.expr)
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
    return with_known(ir.Call("hcat", tuple(part.expr for part in parts), type_), known)


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
    return with_known(ir.Call("vcat", tuple(part.expr for part in parts), type_), known)


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
    return with_known(ir.Call("reshape", (x.expr, *(size.expr for size in sizes)), type_), known)


def _rest(cx: Context, x: Tensor, given: Sequence[Value], node: tree.Node) -> Value:
    """What `:` is among the sizes of `reshape`: the number of elements over the product of the others."""
    from mlmdsl.language.functions import FUNCTIONS

    size = _length(cx, FUNCTIONS["length"], [x], {}, node)
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
    return vectorized(cx, x)


def _repeat(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`repeat(x, n)`, `repeat(x; inner=n)`."""
    x = tensor(cx, args[0], node)
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
        return x
    type_ = ir.Type("int", x.type.loops, x.type.axes, x.type.low, x.type.high)
    if isinstance(x.known, float) and not x.known.is_integer():
        cx.fail(node, f"`Int` of {x.known:g}, which is not a whole number", "write `round(Int, x)`")
    known = int(x.known) if isinstance(x.known, int | float) else None
    return Tensor(ir.Call("to_int", (x.expr,), type_), known, x.counts, x.levels)


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
    from mlmdsl.compiler.expressions import call_value

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


# ── densities ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _density(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    dist = args[0].dist if isinstance(args[0], Draw) else None
    rank = args[1].rank if isinstance(args[1], Tensor) else 0
    if row.name == "loglikelihood" and dist is not None and not dist.event and rank > len(dist.axes):
        from mlmdsl.language.functions import FUNCTIONS

        each = _log_density(cx, args, node, summed=False)
        return call_function(cx, FUNCTIONS["sum"], [each], {}, False, node)
    return _log_density(cx, args, node, summed=True)


def _log_density(cx: Context, args: Sequence[Value], node: tree.Node, summed: bool) -> Value:
    """`logpdf(d, x)`: a number; `logpdf.(d, x)`: one for each element."""
    if not isinstance(args[0], Draw):
        cx.fail(node, f"logpdf takes a distribution first, found {describe(args[0])}")
    dist, value = args[0].dist, tensor(cx, args[1], node)
    axes = dist.plates or dist.collection or (value.type.axes if not dist.event else ())
    if summed and not dist.plates and not dist.event and value.rank:
        cx.fail(node, f"this distribution is of a number, found {describe(value)}", "write `logpdf.(d, x)`")
    loops = cx.loop_axes([ir.Type(loops=dist.loops), value.type])
    type_ = ir.Type("real", loops, () if summed else axes, -inf, inf)
    options = (("summed", summed), ("plates", len(axes)))
    return Tensor(ir.Call("logpdf", (cast(ir.Expr, dist), value.expr), type_, options))


_RULES: dict[str, Rule] = {
    "length": _length, "size": _size, "ndims": _ndims, "eachindex": _indices, "axes": _indices, "unique": _unique,
    "dot": _dot, "transpose": _transpose, "adjoint": _transpose, "diag": _diag, "diagm": _diagonal,
    "Diagonal": _diagonal, "I": _identity, "PDMat": _positive_definite, "Cholesky": _cholesky_of_factor,
    "cholesky": _cholesky, "qr": _qr, "det": _determinant, "logdet": _determinant, "logabsdet": _determinant,
    "tr": _determinant, "cor": _covariance, "cov": _covariance, "zeros": _filled, "ones": _filled, "fill": _filled,
    "falses": _filled, "trues": _filled, "similar": _similar, "hcat": _hcat, "vcat": _vcat, "reshape": _reshape,
    "vec": _vec, "repeat": _repeat, "range": _range, "Vector": _undefined, "Matrix": _undefined, "Array": _undefined,
    "Float64": _convert, "Int": _convert, "eachrow": _rows, "eachcol": _rows, "enumerate": _enumerate, "zip": _zip,
    "map": _map, "broadcast": _map, "reduce": _reduce, "extrema": _extrema, "logpdf": _density,
    "loglikelihood": _density,
}  # fmt: skip
