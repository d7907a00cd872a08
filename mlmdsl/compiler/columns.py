"""Functions of data alone: `dummies(c)`, `levels(c)`, `lag(c, k)`, which stand in the `@data` block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlmdsl.compiler import ir
from mlmdsl.compiler.calls import known_call, known_of
from mlmdsl.compiler.context import Context
from mlmdsl.compiler.elementwise import constant, known_tensor, known_type
from mlmdsl.compiler.values import Nothing, Tensor, TupleValue, Value, describe
from mlmdsl.language import julia, tree
from mlmdsl.language.functions import Function
from mlmdsl.language.types import Array, Axis

Keywords = Mapping[str, Value]


def data_call(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`dummies(c)`, `levels(c)`, `lag(c, k)`: computed when data are bound; their shape is all that is known before."""
    keywords = {name: value for name, value in keywords.items() if not isinstance(value, Nothing)}
    numbers = [arg for arg in args if isinstance(arg, Tensor)]
    if any(not arg.is_data for arg in numbers):
        cx.fail(node, f"{row.name} is a function of data, and this value is not known before sampling")
    if row.name == "nrow":
        return cx.scope.get("nrow()") or Tensor(ir.Ref("nrow", ir.Type("int"), data=True))
    if cx.in_model and row.name == "levels" and len(args) == 1 and not keywords:
        return _distinct(cx, numbers, args, node)
    if row.name == "levels" and not cx.in_model and _is_shared(keywords) and len(args) > 1:
        return _shared_levels(cx, args, keywords)
    known = known_call(cx, row.name, args, keywords, node)
    exprs = tuple(arg.expr for arg in numbers)
    if cx.in_model and isinstance(known, bool | int | float):
        return constant(known)
    if cx.in_model:
        hint = "give its result a name there, as an argument"
        cx.fail(node, f"`{row.name}` stands in the `@data` block only", _IN_A_MODEL.get(row.name, hint))
    if known is not None:
        type_ = known_type(known) if isinstance(known, Array) else known_type(known)
        return known_tensor(ir.Call(row.name, exprs, type_), known)
    return _unknown_data(cx, row, numbers, exprs, node)


def _distinct(cx: Context, numbers: Sequence[Tensor], args: Sequence[Value], node: tree.Node) -> Value:
    """`levels(x)` in a model: the distinct values in order."""
    if not numbers or not numbers[0].rank:
        cx.fail(node, f"levels is a function of an array, found {describe(args[0])}")
    from mlmdsl.compiler.special import distinct

    return distinct(cx, "levels", numbers[0], node)


_IN_A_MODEL = {"levels": "number the groups there, as an argument; in the model `length(unique(idx))` counts them"}


def _is_shared(keywords: Keywords) -> bool:
    shared = keywords.get("shared")
    return isinstance(shared, Tensor) and shared.known is True


def _shared_levels(cx: Context, args: Sequence[Value], keywords: Keywords) -> TupleValue:
    """`levels(a, b; shared=true)`: a tuple, its codes one set of levels."""
    values = [known_of(arg) for arg in args]
    exprs = tuple(arg.expr for arg in args if isinstance(arg, Tensor))
    if any(value is None for value in values):
        rows = exprs[0].type.axes[:1] if exprs and exprs[0].type.rank else (Axis("row", "nrow()"),)
        name = "_".join(expr.name if isinstance(expr, ir.Ref) else "column" for expr in exprs)
        codes = Tensor(ir.Call("levels", exprs, ir.Type("int", (), rows, 1)), levels=Axis(name, f"levels of {name}"))
        return TupleValue((codes,) * len(args))
    found = julia.call("levels", values, {key: known_of(value) for key, value in keywords.items()})  # type: ignore[arg-type, misc]
    assert isinstance(found, tuple)
    arrays = [item for item in found if isinstance(item, Array)]
    return TupleValue(tuple(known_tensor(ir.Call("levels", exprs, known_type(item)), item) for item in arrays))


def _unknown_data(
    cx: Context, row: Function, args: Sequence[Tensor], exprs: tuple[ir.Expr, ...], node: tree.Node
) -> Tensor:
    rows = args[0].type.axes[:1] if args and args[0].rank else (Axis("row", "nrow()"),)
    name = "_".join(arg.expr.name if isinstance(arg.expr, ir.Ref) else "column" for arg in args) or "column"
    if row.name == "dummies":
        levels = Axis(name, f"levels of {name}")
        return Tensor(ir.Call("dummies", exprs, ir.Type("real", (), (*rows, levels), 0, 1)))
    if row.name in ("levels", "interaction"):
        levels = Axis(name, f"levels of {name}")
        return Tensor(ir.Call("levels", exprs, ir.Type("int", (), rows, 1)), levels=levels)
    element: ir.Element = "bool" if row.name == "ismissing" else "any"
    return Tensor(ir.Call(row.name, exprs, ir.Type(element, (), args[0].type.axes if args else ())))
