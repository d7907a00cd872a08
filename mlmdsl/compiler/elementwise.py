"""Known numbers as tensors, and operators element by element: shapes that broadcast from the first axis, types, bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from typing import cast

import numpy as np

from mlmdsl.compiler import ir
from mlmdsl.compiler.bounds import Bounds, bounds_of, bounds_of_power
from mlmdsl.compiler.context import Context, part
from mlmdsl.compiler.labels import verify_aligned, verify_compared
from mlmdsl.compiler.values import Tensor, describe
from mlmdsl.language import julia, tree
from mlmdsl.language.rows import converted
from mlmdsl.language.types import Array, Axis, Extent, Scalar

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
LOGICAL = COMPARISONS | {"&&", "||", "!"}


def constant(value: int | float | bool) -> Tensor:
    """A number of the author's, or one that follows from such alone."""
    element = "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "real"
    type_ = ir.Type(cast(ir.Element, element), low=float(value), high=float(value)) if value == value else ir.Type()
    return Tensor(ir.Const(value, type_), known=value)


def known_type(value: Scalar | Array) -> ir.Type:
    """The type of data whose value is known."""
    if isinstance(value, Array):
        kinds = {"f": "real", "i": "int", "u": "int", "b": "bool"}
        element = cast(ir.Element, kinds.get(value.values.dtype.kind, "text"))
        low, high = _data_bounds(value) if element in ("real", "int") else (-inf, inf)
        return ir.Type(element, (), tuple(named_axis(axis) for axis in value.axes), low, high)
    if isinstance(value, str):
        return ir.Type("text")
    element = "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "real"
    return ir.Type(cast(ir.Element, element), low=float(value), high=float(value)) if value == value else ir.Type()


def named_axis(axis: Axis) -> Axis:
    """An axis that no column named gets a name by its size."""
    return axis if axis.name else replace(axis, name=f"of_{axis.size}")


def known_tensor(expr: ir.Expr, value: Scalar | Array) -> Tensor:
    """A tensor whose value is known: what it counts and what it indexes follow from the value."""
    counts = named_axis(value.axis) if isinstance(value, Extent) else None
    levels = value.levels if isinstance(value, Array) else None
    if isinstance(value, int | float) and value == value:
        expr = replace(expr, type=replace(expr.type, low=float(value), high=float(value)))
    return Tensor(expr, value, counts, levels)


def _data_bounds(value: Array) -> Bounds:
    if value.missing is None:
        return (float(value.values.min()), float(value.values.max())) if value.values.size else (-inf, inf)
    numbers, present = converted(value.values, "float64"), ~value.missing
    low, high = float(np.min(numbers, where=present, initial=inf)), float(np.max(numbers, where=present, initial=-inf))
    return (low, high) if low <= high else (-inf, inf)


def elementwise(cx: Context, op: str, args: Sequence[Tensor], dotted: bool, node: tree.Node) -> Tensor:
    """An elementwise operator: with a dot by broadcasting, without one for numbers, and arrays of one shape for ±."""
    if not dotted:
        _check_undotted(cx, op, args, node)
    if op not in ("==", "!=", "in"):
        verify_numbers(cx, args, node)
    if op in COMPARISONS:
        verify_compared(cx, args, op, node)
    elif op in LOGICAL:
        _verify_truths(cx, op, args, node)
    axes = broadcast_axes(cx, args, op, node)
    low, high = _bounds(op, args)
    type_ = ir.Type(_element(op, args), cx.loop_axes(arg.type for arg in args), axes, low, high)
    expr = ir.Map(op, tuple(arg.expr for arg in args), type_)
    known = known_value(cx, lambda *values: _operate(op, values, dotted), args, node)
    if known is not None:
        return known_tensor(_with_type(expr, known), known)
    if all(isinstance(arg.expr, ir.Const) for arg in args):
        return Tensor(expr)
    return Tensor(expr)


def verify_numbers(cx: Context, args: Sequence[Tensor], node: tree.Node) -> None:
    """Refuse arithmetic on text."""
    for position, arg in enumerate(args):
        if arg.type.element == "text":
            verify_readable(cx, arg, part(node, position))
            cx.fail(
                part(node, position),
                f"expected numbers, found {describe(arg)}",
                "make it numbers in `@data`: `levels(…)`, `dummies(…)`, or a comparison",
            )


def verify_readable(cx: Context, value: Tensor, node: tree.Node) -> None:
    """Refuse a column that is text since some of its cells are no numbers: it says which."""
    named = (cx.scope.get(ref.name) for ref in ir.walk(value.expr) if isinstance(ref, ir.Ref))
    for whole in (value, *named):
        known = whole.known if isinstance(whole, Tensor) else None
        if isinstance(known, Array) and known.odd is not None and known.values.dtype == object:
            cx.fail_data(node, *known.odd)


def verify_condition(cx: Context, condition: Tensor, of: str, node: tree.Node) -> None:
    """Refuse a condition that is not one truth value."""
    if condition.rank or condition.type.element not in ("bool", "any"):
        hint = "write `ifelse.(condition, a, b)`" if condition.rank else "compare it: `x > 0`, `x == 1`"
        cx.fail(node, f"the condition of `{of}` is one truth value, found {describe(condition)}", hint)


def _operate(op: str, values: Sequence[Scalar | Array], dotted: bool) -> object:
    """The operator on data; a whole number as exponent is taken as written."""
    if len(values) == 1:
        return julia.unary(op, values[0], dotted=dotted)
    return julia.operator(op, values[0], values[1], dotted=dotted)


def _verify_truths(cx: Context, op: str, args: Sequence[Tensor], node: tree.Node) -> None:
    """Refuse reals where truth values belong."""
    for position, arg in enumerate(args):
        if arg.type.element == "real":
            hint = "compare it with something: `x > 0`"
            cx.fail(part(node, position), f"`{op}` takes truth values, found {describe(arg)}", hint)


def known_value(cx: Context, function: object, args: Sequence[Tensor], node: tree.Node) -> Scalar | Array | None:
    """A function's value on data, where every argument is known; Julia's own error where it has one."""
    if any(arg.known is None or arg.type.loops for arg in args):
        return None
    result = function(*(arg.known for arg in args))  # type: ignore[operator]
    return result if isinstance(result, Array | int | float | bool | str) else None


def _with_type(expr: ir.Map, known: Scalar | Array) -> ir.Map:
    return ir.Map(expr.op, expr.args, known_type(known) if isinstance(known, Array) else expr.type)


def broadcast_axes(cx: Context, args: Sequence[Tensor], op: str, node: tree.Node) -> tuple[Axis, ...]:
    """The axes of a broadcast: aligned from the first; an axis of size 1 stretches."""
    rank = max(arg.rank for arg in args)
    along = [[arg.type.axes[position] for arg in args if arg.rank > position] for position in range(rank)]
    for axes in along:
        verify_aligned(cx, [axis for axis in axes if axis.size != 1], op, node, args)
    return tuple(_common_axis(cx, axes, op, node) for axes in along)


def _common_axis(cx: Context, axes: Sequence[Axis], op: str, node: tree.Node) -> Axis:
    wide = [axis for axis in axes if axis.size != 1] or list(axes)
    sizes = {axis.size for axis in wide if isinstance(axis.size, int)}
    if len(sizes) > 1:
        first, second = (axis.size for axis in wide[:2])
        cx.fail(node, f"the shapes do not fit: `{op}` needs axes of one length here, found {first} and {second}")
    labelled = [axis for axis in wide if axis.labels]
    known = [axis for axis in wide if isinstance(axis.size, int)]
    return (labelled or known or wide)[0]


def _check_undotted(cx: Context, op: str, args: Sequence[Tensor], node: tree.Node) -> None:
    ranks = [arg.rank for arg in args]
    if not any(ranks) or len(args) == 1 and op == "-":
        return
    if op in ("+", "-") and len(set(ranks)) == 1:
        for first, second in zip(args[0].type.axes, args[1].type.axes, strict=True):
            if isinstance(first.size, int) and isinstance(second.size, int) and first.size != second.size:
                cx.fail(
                    node, f"`{op}` needs two arrays of one shape, found {describe(args[0])} and {describe(args[1])}"
                )
        return
    found = " and ".join(describe(arg) for arg in args)
    spelling = {"&&": ".&", "||": ".|", "!": ".!"}.get(op, f".{op}")
    cx.fail(
        node,
        f"`{op}` without a dot is for {'numbers' if op not in '+-' else 'two numbers or two arrays of one shape'}, found {found}",
        f"write `{spelling}` to apply it element by element",
    )


def _element(op: str, args: Sequence[Tensor]) -> ir.Element:
    if op in LOGICAL:
        return "bool"
    elements = {arg.type.element for arg in args}
    if "any" in elements:
        return "any"
    return "int" if elements <= {"int", "bool"} and op != "/" and op != "\\" else "real"


def _bounds(op: str, args: Sequence[Tensor]) -> Bounds:
    bounds = [(arg.type.low, arg.type.high) for arg in args]
    if op == "^":
        return bounds_of_power(bounds[0], float(args[1].known) if isinstance(args[1].known, int | float) else None)
    if op == "*" and args[0].expr == args[1].expr:
        return bounds_of_power(bounds[0], 2.0)
    return bounds_of(op, bounds)
