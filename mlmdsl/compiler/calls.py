"""Calls of the function table: what each gives, by its kind; those with a rule of their own are in `special.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf

import numpy as np

from mlmdsl.compiler import ir
from mlmdsl.compiler.bounds import bounds_of_exp, interval_text, union
from mlmdsl.compiler.context import Context, keyword_part, part
from mlmdsl.compiler.elementwise import broadcast_axes, constant, known_tensor, known_type, verify_readable
from mlmdsl.compiler.guards import guarded
from mlmdsl.compiler.labels import joined_levels, verify_compared, with_levels
from mlmdsl.compiler.operators import lifted, tensor
from mlmdsl.compiler.values import (
    Draw,
    Nested,
    RangeValue,
    Rows,
    Tensor,
    Text,
    TupleValue,
    TypeName,
    Value,
    Zipped,
    describe,
)
from mlmdsl.language import julia, tree
from mlmdsl.language.errors import did_you_mean
from mlmdsl.language.functions import Function
from mlmdsl.language.types import Array, Axis, Scalar

Keywords = Mapping[str, Value]


def call_function(
    cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, dotted: bool, node: tree.Node
) -> Value:
    """`f(args; keywords)` or `f.(args)`."""
    if row.name == "quantile" and args and isinstance(args[0], Draw):
        from mlmdsl.compiler.densities import dotted_density, quantile_of

        _check_arity(cx, row, args, keywords, node)
        return (dotted_density if dotted else quantile_of)(cx, row, args, node)
    if dotted and row.kind != "elementwise" and any(isinstance(arg, Rows | Nested) for arg in args):
        return _of_each(cx, row, args, keywords, node)
    _check_arity(cx, row, args, keywords, node)
    if row.name in ("round", "floor", "ceil", "trunc") and isinstance(args[0], TypeName):
        return _rounded_to_integer(cx, row, args[1:], dotted, node)
    if row.name in ("ismissing", "coalesce", "skipmissing") and not cx.data_only:
        return _about_missing(cx, row, args, dotted, node)
    if row.kind == "special":
        from mlmdsl.compiler.special import special_call

        return special_call(cx, row, args, keywords, dotted, node)
    if row.kind == "data":
        from mlmdsl.compiler.columns import data_call

        return data_call(cx, row, args, keywords, node)
    if row.kind == "elementwise":
        numbers = [tensor(cx, arg, part(node, position)) for position, arg in enumerate(args)]
        return elementwise_call(cx, row, numbers, dotted, node)
    if row.kind == "reduce":
        return _reduction(cx, row, args, keywords, node)
    return _vector_call(cx, row, args, keywords, node)


def _about_missing(cx: Context, row: Function, args: Sequence[Value], dotted: bool, node: tree.Node) -> Value:
    """`ismissing`, `coalesce`, `skipmissing` in a model."""
    from mlmdsl.compiler.missingness import coalesced, is_missing, present

    if row.name == "ismissing":
        return is_missing(cx, args[0], dotted, node)
    return coalesced(cx, args, dotted, node) if row.name == "coalesce" else present(cx, args[0], node)


def _of_each(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`sum.(eachrow(X))`: f of each array."""
    from mlmdsl.compiler.comprehensions import comprehend

    places = [position for position, arg in enumerate(args) if isinstance(arg, Rows | Nested)]
    over = args[places[0]] if len(places) == 1 else Zipped(tuple(args[place] for place in places))

    def body(items: Sequence[Value]) -> Value:
        item = items[0]
        given = dict(zip(places, item.items if isinstance(item, TupleValue) else [item], strict=True))
        filled = [given.get(position, arg) for position, arg in enumerate(args)]
        return call_function(cx, row, filled, keywords, False, node)

    return comprehend(cx, [("x", over)], body, node)


def _check_arity(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> None:
    extra = (
        1
        if row.name
        in ("round", "floor", "ceil", "trunc", "sum", "mean", "any", "all", "count", "maximum", "minimum", "prod")
        else 0
    )
    if len(args) < row.least or (row.most is not None and len(args) > row.most + extra):
        wanted = (
            str(row.least)
            if row.most == row.least
            else f"{row.least} or more"
            if row.most is None
            else f"{row.least} to {row.most}"
        )
        cx.fail(node, f"{row.name} takes {wanted} argument{'' if wanted == '1' else 's'}, found {len(args)}")
    for keyword in keywords:
        if keyword not in row.keywords:
            listed = ", ".join(f"`{name}`" for name in row.keywords)
            offered = did_you_mean(keyword, row.keywords) or (f"its keywords are {listed}" if listed else "it has none")
            cx.fail(keyword_part(node, keyword), f"{row.name} has no keyword `{keyword}`", offered)


def known_call(
    cx: Context, name: str, args: Sequence[Value], keywords: Keywords, node: tree.Node
) -> Array | Scalar | None:
    """The value of a call on data, or None where an argument is not known."""
    values = [known_of(arg) for arg in args]
    options = {key: known_of(value) for key, value in keywords.items()}
    if any(value is None for value in (*values, *options.values())) or name not in julia.DATA_FUNCTIONS:
        return None
    try:
        result = julia.call(name, values, options)  # type: ignore[arg-type]
    except julia.JuliaError:
        julia.call(name, [_by_own_name(cx, arg, value) for arg, value in zip(args, values, strict=True)], options)  # type: ignore[arg-type, misc]
        raise
    return result if isinstance(result, Array | int | float | bool | str) else None


def _by_own_name(cx: Context, arg: Value, value: object) -> object:
    """A value under the name that it has in the model, for what is said of it; in `@data` it has its column's."""
    if (
        not cx.in_model
        or not isinstance(value, Array)
        or not isinstance(arg, Tensor)
        or not isinstance(arg.expr, ir.Ref)
    ):
        return value
    return replace(value, name=arg.expr.name)


def known_of(value: Value) -> object | None:
    """The value that data decide, as the NumPy functions take it; None where they do not."""
    if isinstance(value, Tensor):
        return None if value.type.loops else value.known
    if isinstance(value, Text):
        return value.text
    if isinstance(value, TypeName):
        return julia.NUMBER_TYPES.get(value.name)
    if isinstance(value, TupleValue):
        items = tuple(known_of(item) for item in value.items)
        return None if any(item is None for item in items) else items
    if isinstance(value, RangeValue) and isinstance(value.start.known, int) and isinstance(value.stop.known, int):
        step = value.step.known if isinstance(value.step.known, int) else 1
        return julia.colon(value.start.known, value.stop.known, step)
    return None


def with_known(expr: ir.Expr, known: Array | Scalar | None, result: Tensor | None = None) -> Tensor:
    """A tensor for an expression whose value may be known."""
    if known is None:
        return result or Tensor(expr)
    return known_tensor(expr, known)


# ── elementwise ──────────────────────────────────────────────────────────────────────────────────────────────────────


def elementwise_call(cx: Context, row: Function, args: Sequence[Tensor], dotted: bool, node: tree.Node) -> Tensor:
    """A function of numbers, over arrays only with a dot."""
    if (
        not dotted
        and args[0].rank
        and row.name in ("identity", "float")
        and (row.name == "identity" or args[0].type.element == "real")
    ):
        return args[0]  # the array itself, not a new one
    if not dotted and any(arg.rank for arg in args) and row.name != "float":
        if row.name == "inv" and args[0].rank == 2:
            return _inverse(cx, args[0])
        found = " and ".join(describe(arg) for arg in args)
        cx.fail(
            node,
            f"{row.name} is a function of numbers, found {found}",
            f"write `{row.name}.(…)` to apply it element by element",
        )
    first = args[0].type
    if first.high < row.domain[0] or first.low > row.domain[1]:
        found = f"{first.low:g}" if first.low == first.high else f"a value in {interval_text((first.low, first.high))}"
        cx.fail(part(node, 0), f"{row.name} is defined on {interval_text(row.domain)}, found {found}")
    axes = broadcast_axes(cx, args, row.name, node)
    if row.name in ("max", "min"):
        verify_compared(cx, args, row.name, node)
    known = known_call(cx, row.name, args, {}, node)
    if row.name == "ifelse" and known is None:
        args = [args[0], guarded(cx, args[0], args[1], True), guarded(cx, args[0], args[2], False)]
    low, high = _elementwise_bounds(row, args)
    type_ = ir.Type(_element(row, args), cx.loop_axes(arg.type for arg in args), axes, low, high)
    if known is not None and isinstance(known, Array):
        type_ = known_type(known)
    if isinstance(known, float) and all(isinstance(arg.expr, ir.Const) for arg in args):
        return constant(known)
    result = with_known(ir.Call(row.name, tuple(arg.expr for arg in args), type_), known)
    if row.name not in ("ifelse", "identity"):
        return result
    return with_levels(result, joined_levels(cx, args[row.name == "ifelse" :], row.name, node))


def _inverse(cx: Context, matrix: Tensor) -> Tensor:
    known = None
    type_ = ir.Type("real", matrix.type.loops, matrix.type.axes)
    return with_known(ir.Call("matrix_inv", (matrix.expr,), type_), known)


def _element(row: Function, args: Sequence[Tensor]) -> ir.Element:
    if row.element != "same":
        return row.element
    branches = args[1:] if row.name == "ifelse" else args
    elements = {arg.type.element for arg in branches}
    return "int" if elements <= {"int", "bool"} else "any" if "any" in elements else "real"


def _elementwise_bounds(row: Function, args: Sequence[Tensor]) -> tuple[float, float]:
    bounds = [(arg.type.low, arg.type.high) for arg in args]
    if row.name == "exp":
        return bounds_of_exp(bounds[0])
    if row.name in ("ifelse",):
        return union(bounds[1:])
    if row.name == "max":
        return max(low for low, _ in bounds), max(high for _, high in bounds)
    if row.name == "min":
        return min(low for low, _ in bounds), min(high for _, high in bounds)
    if row.name == "clamp":
        return bounds[1][0], bounds[2][1]
    if row.name in ("identity", "float"):
        return bounds[0]
    if row.name in ("log1p", "sinh", "sqrt", "expm1") and bounds[0][0] >= 0:
        return 0, inf
    if row.name == "log" and bounds[0][0] >= 1:
        return 0, inf
    return row.low, row.high


def _rounded_to_integer(cx: Context, row: Function, args: Sequence[Value], dotted: bool, node: tree.Node) -> Tensor:
    """`round(Int, x)`."""
    if len(args) != 1:
        cx.fail(node, f"{row.name}(Int, x) takes one number")
    value = elementwise_call(cx, row, [tensor(cx, args[0], node)], dotted, node)
    type_ = ir.Type("int", value.type.loops, value.type.axes, value.type.low, value.type.high)
    known = int(value.known) if isinstance(value.known, float) else None
    if isinstance(value.known, Array):
        whole = replace(value.known, values=value.known.values.astype("int64"))
        return Tensor(ir.Call("to_int", (value.expr,), type_), whole)
    return Tensor(ir.Call("to_int", (value.expr,), type_), known)


# ── reductions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _reduction(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`mean(x)`, `sum(X; dims=1)`, `sum(f, x)`, `quantile(x, p)`."""
    from mlmdsl.compiler.special import apply_function, is_function

    if len(args) == 2 and row.least < 2 and is_function(args[0]):
        args = [apply_function(cx, args[0], [args[1]], True, node)]
    if isinstance(args[0], Nested) and row.name == "sum":
        return _sum_of_arrays(args[0])
    if isinstance(args[0], TupleValue):
        from mlmdsl.compiler.expressions import stack

        args = [stack(cx, [tensor(cx, item, node) for item in args[0].items], node), *args[1:]]
    x = tensor(cx, args[0], node)
    if x.rank == 0:
        if x.type.element == "text" or row.name not in ("sum", "prod", "mean", "minimum", "maximum", "norm", "abs"):
            cx.fail(node, f"{row.name} is a function of an array, found {describe(x)}")
        return x
    if x.type.element == "text":
        verify_readable(cx, x, part(node, 0))
        cx.fail(node, f"{row.name} needs numbers, found text")
    if row.name in ("maximum", "minimum") and any(axis.size == 0 for axis in x.type.axes):
        cx.fail(node, f"there is no {row.name} of nothing: the array has no elements")
    known = known_call(cx, row.name, [x, *args[1:]], keywords, node)
    type_, options = _reduced_type(cx, row, x, args, keywords, node)
    if isinstance(known, Array):
        type_ = known_type(known)
    exprs = (x.expr, *(tensor(cx, arg, node).expr for arg in args[1:]))
    return with_known(ir.Call(row.name, exprs, type_, options), known)


def _sum_of_arrays(nested: Nested) -> Tensor:
    whole = lifted(nested.item, (nested.axis,))
    type_ = ir.Type(whole.type.element, whole.type.loops, whole.type.axes[1:])
    return Tensor(ir.Call("sum", (whole.expr,), type_, (("axes", (0,)),)))


def _reduced_type(
    cx: Context, row: Function, x: Tensor, args: Sequence[Value], keywords: Keywords, node: tree.Node
) -> tuple[ir.Type, tuple[tuple[str, int | float | bool | str | tuple[int, ...]], ...]]:
    low, high = (
        (x.type.low, x.type.high)
        if row.name in ("mean", "minimum", "maximum", "median", "quantile")
        else (row.low, row.high)
    )
    if row.name in ("sum", "prod") and x.type.low >= 0:
        low = 0
    element: ir.Element = x.type.element if row.element == "same" else row.element
    element = "int" if element == "bool" and row.name in ("sum", "count") else element
    axes: tuple[Axis, ...] = ()
    options: list[tuple[str, int | float | bool | str | tuple[int, ...]]] = []
    if "dims" in keywords:
        dimension = _dimension(cx, keywords["dims"], x, node)
        one = Axis("one", 1)
        axes = tuple(one if position == dimension else axis for position, axis in enumerate(x.type.axes))
        options += [("axes", (dimension,)), ("keep", True)]
    if row.name == "quantile" and (p := tensor(cx, args[1], node)).rank == 1:
        axes = p.type.axes
    if row.name == "mad":
        normalize = keywords.get("normalize")
        options.append(("normalize", bool(normalize.known) if isinstance(normalize, Tensor) else True))
    return ir.Type(element, x.type.loops, axes, low, high), tuple(options)


def _dimension(cx: Context, value: Value, x: Tensor, node: tree.Node) -> int:
    number = value.known if isinstance(value, Tensor) else None
    if not isinstance(number, int) or not 1 <= number <= x.rank:
        cx.fail(node, f"`dims` is a dimension from 1 to {x.rank}")
    return number - 1


def _vector_call(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`cumsum(x)`, `sort(x; rev=true)`, `softmax(x)`: an array like the first argument."""
    if row.name == "collect" and isinstance(args[0], RangeValue):
        from mlmdsl.compiler.indexing import range_tensor

        return range_tensor(cx, args[0], node)
    if isinstance(args[0], Draw) and row.name in ("LazyArray", "collect", "copy"):
        return args[0]
    x = tensor(cx, args[0], node)
    matrices = row.name in (
        "collect",
        "copy",
        "LazyArray",
        "Symmetric",
        "LowerTriangular",
        "UpperTriangular",
        "skipmissing",
        "center",
        "standardize",
        "zscore",
    )
    if x.rank == 0 and row.name not in ("copy", "collect", "LazyArray"):
        cx.fail(node, f"{row.name} is a function of an array, found {describe(x)}")
    if x.rank > 1 and not matrices and "dims" not in keywords:
        cx.fail(node, f"{row.name} is a function of a vector, found {describe(x)}")
    known = known_call(cx, row.name, [x], keywords, node)
    if row.name == "Symmetric" and _is_same(known, x.known):
        return x
    low, high = (
        (x.type.low, x.type.high) if row.torch == "{0}" or row.name in ("sort", "reverse") else (row.low, row.high)
    )
    if row.name == "sortperm":
        size = x.type.axes[0].size
        low, high = 1, size if isinstance(size, int) else inf
    element: ir.Element = x.type.element if row.element == "same" else row.element
    type_ = known_type(known) if isinstance(known, Array) else ir.Type(element, x.type.loops, x.type.axes, low, high)
    if row.torch == "{0}":
        return Tensor(x.expr, x.known if known is None else known, levels=x.levels) if row.name != "skipmissing" else with_known(
            ir.Call("skipmissing", (x.expr,), type_), known)  # fmt: skip
    options = _vector_options(cx, row, x, keywords, node)
    return with_known(ir.Call(row.name, (x.expr,), type_, options), known)


def _is_same(one: object, other: object) -> bool:
    return isinstance(one, Array) and isinstance(other, Array) and np.array_equal(one.values, other.values)


def _vector_options(
    cx: Context, row: Function, x: Tensor, keywords: Keywords, node: tree.Node
) -> tuple[tuple[str, int | float | bool | str | tuple[int, ...]], ...]:
    if "dims" in keywords:
        return (("axes", (_dimension(cx, keywords["dims"], x, node),)),)
    if "rev" in row.keywords:
        rev = keywords.get("rev")
        return (("rev", bool(rev.known) if isinstance(rev, Tensor) else False),)
    return ()
