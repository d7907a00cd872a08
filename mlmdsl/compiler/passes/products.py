"""An expression as a sum of products, so that terms can be compared factor by factor.

Sums and products are multiplied out; what only rearranges (an index, a transpose, a loop turned into an array) is applied
to every factor, so that `(τ .* z)[idx]` is τ times `z[idx]`. Non-Goals: simplification, powers, quotients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product

from mlmdsl.compiler import ir
from mlmdsl.compiler.passes.affine import is_free

MOST_TERMS = 64
"""A product of sums that would have more terms is left as it is."""

Rearrangement = ir.Gather | ir.Lift | ir.Permute


@dataclass(frozen=True)
class Product:
    """One term of a sum: the product of its factors, or its negative."""

    factors: tuple[ir.Expr, ...]
    negative: bool = False

    def is_free(self, name: str) -> bool:
        """Whether a name does not occur in it."""
        return all(is_free(factor, frozenset({name})) for factor in self.factors)

    def without(self, divisors: Sequence[ir.Expr]) -> tuple[ir.Expr, ...] | None:
        """The factors that are left once each of the divisors is taken out; None where one is not there."""
        left = list(self.factors)
        for divisor in divisors:
            if divisor not in left:
                return None
            left.remove(divisor)
        return tuple(left)


def terms(expr: ir.Expr) -> list[Product]:
    """The terms of an expression; a single one where it is no sum."""
    if isinstance(expr, ir.Map) and expr.op == "+":
        return [term for arg in expr.args for term in terms(arg)]
    if isinstance(expr, ir.Map) and expr.op == "-":
        first, *rest = expr.args if len(expr.args) > 1 else (None, *expr.args)
        negated = [replace(term, negative=not term.negative) for arg in rest if arg is not None for term in terms(arg)]
        return [*(terms(first) if first is not None else ()), *negated]
    if isinstance(expr, ir.Map) and expr.op == "*":
        parts = [terms(arg) for arg in expr.args]
        if reduce(lambda count, part: count * len(part), parts, 1) <= MOST_TERMS:
            return [_multiplied(chosen) for chosen in product(*parts)]
    if isinstance(expr, Rearrangement):
        return [replace(t, factors=tuple(_rearranged(f, expr) for f in t.factors)) for t in terms(expr.x)]
    return [Product((expr,))]


def _multiplied(parts: Sequence[Product]) -> Product:
    negative = sum(part.negative for part in parts) % 2 == 1
    return Product(tuple(factor for part in parts for factor in part.factors), negative)


def _rearranged(factor: ir.Expr, outer: Rearrangement) -> ir.Expr:
    return factor if factor.type.is_scalar else replace(outer, x=factor)


def rearranges(expr: ir.Expr, name: str) -> bool:
    """Whether an expression is what stands for a name, at most rearranged."""
    while isinstance(expr, Rearrangement):
        expr = expr.x
    return isinstance(expr, ir.Ref) and expr.name == name


def alongside(factor: ir.Expr, other: ir.Expr) -> ir.Expr | None:
    """A factor as it stood beside another before both were rearranged in the same way; None where they were not."""
    while isinstance(other, Rearrangement):
        if not isinstance(factor, Rearrangement) or replace(factor, x=other.x) != other:
            return None
        factor, other = factor.x, other.x
    return factor


def merged(op: str, parts: Sequence[ir.Expr]) -> ir.Expr:
    """The parts joined by an operation; their axes are aligned from the first, as the operation does it."""

    def join(left: ir.Expr, right: ir.Expr) -> ir.Expr:
        axes = max(left.type.axes, right.type.axes, key=len)
        return ir.Map(op, (left, right), ir.Type("real", (), axes))

    return reduce(join, parts)
