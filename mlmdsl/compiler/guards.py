"""Choices whose other side is undefined: `x > 0 ? log(x) : 0.0` along a loop.

A vectorised choice evaluates both sides everywhere and keeps one. Its value is right, but where the side not kept is
undefined its derivative is not a number, and 0 · NaN is NaN. So what such a function is applied to is itself chosen: the
author's value where the side is kept, a harmless number where it is not.
"""

from __future__ import annotations

from dataclasses import replace

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Context
from mlmdsl.compiler.values import Tensor

_PARTIAL = frozenset(
    {"log", "log2", "log10", "log1p", "sqrt", "logit", "asin", "acos", "loggamma", "gamma", "digamma", "inv"}
)
_HARMLESS = ir.Const(0.5, ir.Type(low=0.5, high=0.5))
"""In the domain of every function above, away from its ends."""


def guarded(cx: Context, condition: Tensor, branch: Tensor, taken: bool) -> Tensor:
    """A side of a choice that is kept where the condition is `taken`."""
    if ir.is_data(condition.expr) and condition.type.is_scalar:
        return branch  # Python's own choice: the other side is not evaluated
    return replace(branch, expr=_guard(cx, branch.expr, condition.expr, taken))


def _guard(cx: Context, expr: ir.Expr, condition: ir.Expr, taken: bool) -> ir.Expr:
    if not isinstance(expr, ir.Map | ir.Call) or any(isinstance(arg, ir.Dist) for arg in expr.args):
        return expr
    if isinstance(expr, ir.Call) and (expr.options or expr.function not in _PARTIAL | {"exp", "abs", "max", "min"}):
        return expr
    args = [_guard(cx, arg, condition, taken) for arg in expr.args]
    place = _partial_argument(expr)
    if place is not None and not _is_safe(args[place]):
        args[place] = _chosen(cx, args[place], condition, taken)
    if tuple(args) == expr.args:
        return expr
    widest = max(args, key=lambda arg: arg.type.rank).type.axes
    kind = replace(expr.type, loops=cx.loop_axes(arg.type for arg in args), axes=widest)
    return replace(expr, args=tuple(args), type=kind)


def _partial_argument(expr: ir.Map | ir.Call) -> int | None:
    """The argument in which a function is not defined everywhere."""
    if isinstance(expr, ir.Call):
        return 0 if expr.function in _PARTIAL else None
    return {"/": 1, "^": 0}.get(expr.op)


def _is_safe(arg: ir.Expr) -> bool:
    """Whether an argument stays inside: a number, or a parameter that is positive by its prior."""
    return isinstance(arg, ir.Const) or arg.type.low > 0 or (arg.type.low >= 0 and not ir.is_data(arg))


def _chosen(cx: Context, arg: ir.Expr, condition: ir.Expr, taken: bool) -> ir.Expr:
    sides = (arg, _HARMLESS) if taken else (_HARMLESS, arg)
    axes = arg.type.axes if arg.type.rank >= condition.type.rank else condition.type.axes
    kind = ir.Type("real", cx.loop_axes([arg.type, condition.type]), axes, arg.type.low, arg.type.high)
    return ir.Call("ifelse", (condition, *sides), kind)
