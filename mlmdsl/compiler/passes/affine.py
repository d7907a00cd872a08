"""Whether an expression is affine in some variables: a proof from its form, never a numeric guess.

e is affine in z if it is free of z; a variable of z; a sum or difference of affine parts; a product, contraction or quotient
of one affine part with parts free of z (a divisor always free); or an affine part re-indexed, transposed, stacked or summed.
Anything else is taken not to be. Non-Goal: algebra (z − z, (z + 1)² − z²).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlmdsl.compiler import ir

_REARRANGING = frozenset(
    {"vec", "reshape", "row", "hcat", "vcat", "repeat", "fill", "diagm", "diag", "identity", "float"}
)
_SUMMING = frozenset({"sum", "mean", "cumsum"})


def is_free(expr: ir.Expr | ir.Dist, names: frozenset[str]) -> bool:
    """Whether none of the names occurs."""
    return not any(isinstance(node, ir.Ref) and node.name in names for node in ir.walk(expr))


def is_affine(expr: ir.Expr, names: frozenset[str]) -> bool:
    """Whether an expression is affine in the names, jointly."""
    if is_free(expr, names):
        return True
    rule = _RULES.get(type(expr))
    return rule is not None and rule(expr, names)


def _map(expr: ir.Map, names: frozenset[str]) -> bool:
    if expr.op in ("+", "-"):
        return all(is_affine(arg, names) for arg in expr.args)
    if expr.op == "*":
        return _one_affine(expr.args, names)
    if expr.op == "/":
        return is_affine(expr.args[0], names) and is_free(expr.args[1], names)
    return False


def _one_affine(args: tuple[ir.Expr, ...], names: frozenset[str]) -> bool:
    bound = [arg for arg in args if not is_free(arg, names)]
    return len(bound) == 1 and is_affine(bound[0], names)


def _contract(expr: ir.Contract, names: frozenset[str]) -> bool:
    return _one_affine((expr.a, expr.b), names)


def _gather(expr: ir.Gather, names: frozenset[str]) -> bool:
    free = all(is_free(item.index, names) for item in expr.index if isinstance(item, ir.Pick))
    return free and is_affine(expr.x, names)


def _inner(expr: ir.Permute | ir.Lift, names: frozenset[str]) -> bool:
    return is_affine(expr.x, names)


def _stack(expr: ir.Stack, names: frozenset[str]) -> bool:
    return all(is_affine(item, names) for item in expr.items)


def _call(expr: ir.Call, names: frozenset[str]) -> bool:
    if expr.function in _REARRANGING or expr.function in _SUMMING:
        return all(is_affine(arg, names) for arg in expr.args)
    if expr.function == "ifelse":
        return is_free(expr.args[0], names) and all(is_affine(arg, names) for arg in expr.args[1:])
    return False


_RULES: dict[type, Callable[[Any, frozenset[str]], bool]] = {
    ir.Ref: lambda expr, names: expr.name in names,
    ir.Map: _map,
    ir.Contract: _contract,
    ir.Gather: _gather,
    ir.Permute: _inner,
    ir.Lift: _inner,
    ir.Stack: _stack,
    ir.Call: _call,
}
