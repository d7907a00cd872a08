"""A likelihood with its effects integrated out, as Python: the effects as a function of standard normals, the rows as sums."""

from __future__ import annotations

import ast
from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.python_text import Code, call, form, literal, name, slice_of, subscript, text
from mlmdsl.language.source import Span

if TYPE_CHECKING:
    from mlmdsl.compiler.emit_expressions import Emitter

Write = Callable[[int, str, Span | None], None]


def write_collapsed(em: Emitter, write: Write, node: ir.Collapsed, indent: int) -> None:
    """The statements of a collapsed likelihood."""
    own = em.names.fresh("effects")
    normals = em.names.fresh("u")
    write(indent, f"def {own}({normals}):", node.span)
    start = 0
    for effect in node.effects:
        size = prod(cast(int, axis.size) for axis in effect.axes)
        write(indent + 1, f"{em.names(effect.name)} = {text(_drawn(em, effect, normals, start, size))}", node.span)
        start += size
    named = ", ".join(f"{effect.name!r}: {em.names(effect.name)}" for effect in node.effects)
    coefficients = ", ".join(text(em.tensor(term.coefficients)) for term in node.terms)
    write(indent + 1, f"return {{{named}}}, [{coefficients}]", node.span)
    rows = em.names.fresh("rows")
    em.statistics[rows] = _statistics(em, node)
    made = form(f"runtime.CollapsedNormal({own}, {{0}}, {rows}, {{1}})", literal(start), em.tensor(node.scale))
    drawn = form("pyro.sample({0}, {1}, obs={2})", literal(node.target), made, em.tensor(node.observed))
    write(indent, text(drawn), node.span)


def _drawn(em: Emitter, effect: ir.Effect, normals: str, start: int, size: int) -> Code:
    """location + spread · u."""
    standard = em.names.fresh(f"{em.names(effect.name)}_standard")
    type_ = ir.Type("real", (), effect.axes)
    noise = ir.Ref(standard, type_)
    em.names.alias(standard)
    spread: ir.Expr
    if effect.kind == "scale" and isinstance(effect.spread, ir.Const) and effect.spread.value == 1:
        spread = noise
    elif effect.kind == "scale":
        spread = ir.Map("*", (effect.spread, noise), type_)
    else:
        factor = (
            effect.spread if effect.kind == "scale_tril" else ir.Call("cholesky", (effect.spread,), effect.spread.type)
        )
        spread = ir.Contract(factor, noise, type_)
    zero = isinstance(effect.location, ir.Const) and effect.location.value == 0
    code = em.code(spread if zero else ir.Map("+", (effect.location, spread), type_))
    part: Code = subscript(
        name(normals), [literal(start) if not effect.axes else slice_of(literal(start), literal(start + size))]
    )
    if len(effect.axes) > 1:
        part = call(form("{0}.reshape", part), *(em.size(axis) for axis in effect.axes))
    return _Replaced(standard, part).visit(code)  # type: ignore[no-any-return]


class _Replaced(ast.NodeTransformer):
    """Puts code in the place of a name."""

    def __init__(self, wanted: str, code: Code) -> None:
        self.wanted, self.code = wanted, code

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The name becomes the code."""
        return self.code if node.id == self.wanted else node


def _statistics(em: Emitter, node: ir.Collapsed) -> Code:
    """The sums over the rows, in the function that computes constants."""
    hoisting, em.hoisting = em.hoisting, False
    count = em.size(node.rows)
    designs = [_design(em, term, count) for term in node.terms]
    code = form("runtime.row_statistics({0}, {1})", em.tensor(node.observed), ast.List(designs, ast.Load()))
    if node.weights is not None:
        cast(ast.Call, code).keywords.append(ast.keyword("scale", em.tensor(node.weights)))
    em.hoisting = hoisting
    return code


def _design(em: Emitter, term: ir.LinearTerm, count: Code) -> Code:
    made = cast(ast.Call, call(form("runtime.design"), count))
    if term.dense is not None:
        made.keywords.append(ast.keyword("dense", em.tensor(term.dense)))
    if term.picks:
        axes = term.coefficients.type.axes[-len(term.picks) :]
        pairs: list[ast.expr] = [
            ast.Tuple([em.code(index), em.size(axis)], ast.Load()) for index, axis in zip(term.picks, axes, strict=True)
        ]
        made.keywords.append(ast.keyword("picks", ast.List(pairs, ast.Load())))
    if term.scale is not None:
        made.keywords.append(ast.keyword("scale", em.tensor(term.scale)))
    return made
