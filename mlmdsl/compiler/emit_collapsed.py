"""A likelihood with its effects integrated out, as Python: the effects as a function of standard normals, the rows as sums."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from mlmdsl.compiler import ir
from mlmdsl.compiler.layout import permuted
from mlmdsl.compiler.passes.effects import drawn
from mlmdsl.compiler.passes.grouping import grouped_sizes, size_of
from mlmdsl.compiler.python_text import Code, call, form, literal, name, slice_of, subscript, text
from mlmdsl.language.source import Span

if TYPE_CHECKING:
    from mlmdsl.compiler.emit_expressions import Emitter

Write = Callable[[int, str, Span | None], None]


def write_collapsed(em: Emitter, write: Write, node: ir.Collapsed, indent: int) -> None:
    """The statements of a collapsed likelihood."""
    own, rows = em.names.fresh("effects"), em.names.fresh("rows")
    _write_effects(em, write, node, indent, own)
    em.statistics[rows] = _statistics(em, node)
    if node.groups is None:
        size = sum(size_of(effect.axes) for effect in node.effects)
        made = form(f"runtime.CollapsedNormal({own}, {{0}}, {rows}, {{1}})", literal(size), em.tensor(node.scale))
    else:
        dense, each = map(literal, grouped_sizes(node.effects, node.groups))
        made = form(f"runtime.GroupedNormal({own}, ({{0}}, {{1}}), {rows}, {{2}})", dense, each, em.tensor(node.scale))
    sample = form("pyro.sample({0}, {1}, obs={2})", literal(node.target), made, em.tensor(node.observed))
    write(indent, text(sample), node.span)


# ── the effects ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _write_effects(em: Emitter, write: Write, node: ir.Collapsed, indent: int, own: str) -> None:
    """`def effects(u)`, or `def effects(u, v)` where v (s, J) are the normals of groups."""
    normals = [em.names.fresh(letter) for letter in ("u", "v")[: 1 if node.groups is None else 2]]
    write(indent, f"def {own}({', '.join(normals)}):", node.span)
    starts = [0, 0]
    for effect, place in zip(node.effects, _places(node, node.effects), strict=True):
        which = 0 if place is None else 1
        count = size_of(effect.axes) if place is None else size_of([*effect.axes[:place], *effect.axes[place + 1 :]])
        part = _part(em, normals[which], effect, starts[which], count, place)
        write(indent + 1, f"{em.names(effect.name)} = {text(_drawn(em, effect, part))}", node.span)
        starts[which] += count
    named = ", ".join(f"{effect.name!r}: {em.names(effect.name)}" for effect in node.effects)
    placed = list(zip(node.terms, _places(node, node.terms), strict=True))
    dense = ", ".join(text(em.tensor(term.coefficients)) for term, place in placed if place is None)
    given = f"return {{{named}}}, [{dense}]"
    if node.groups is not None:
        grouped = (_groups_last(em, term.coefficients, place) for term, place in placed if place is not None)
        given += f", [{', '.join(map(text, grouped))}]"
    write(indent + 1, given, node.span)


def _places(node: ir.Collapsed, of: Sequence[ir.Effect] | Sequence[ir.LinearTerm]) -> Sequence[int | None]:
    """For each effect or term, the axis with the groups."""
    if node.groups is None:
        return [None] * len(of)
    return node.groups.effects if of is node.effects else node.groups.terms


def _part(em: Emitter, normals: str, effect: ir.Effect, start: int, count: int, place: int | None) -> Code:
    """The standard normals of an effect, with its axes; those of groups come with the groups last."""
    axes = [axis for position, axis in enumerate(effect.axes) if position != place]
    if not axes:
        return subscript(name(normals), [literal(start)])
    part: Code = subscript(name(normals), [slice_of(literal(start), literal(start + count))])
    if len(axes) > 1:
        last = [] if place is None else [effect.axes[place]]
        part = call(form("{0}.reshape", part), *(em.size(axis) for axis in (*axes, *last)))
    if place is None:
        return part
    return permuted(part, [*range(place), len(axes), *range(place, len(axes))])


def _drawn(em: Emitter, effect: ir.Effect, part: Code) -> Code:
    """location + spread · u."""
    standard = em.names.fresh(f"{em.names(effect.name)}_standard")
    em.names.alias(standard)
    code = em.code(drawn(effect, ir.Ref(standard, ir.Type("real", (), effect.axes))))
    return _Replaced(standard, part).visit(code)  # type: ignore[no-any-return]


class _Replaced(ast.NodeTransformer):
    """Puts code in the place of a name."""

    def __init__(self, wanted: str, code: Code) -> None:
        self.wanted, self.code = wanted, code

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The name becomes the code."""
        return self.code if node.id == self.wanted else node


def _groups_last(em: Emitter, coefficients: ir.Expr, place: int) -> Code:
    rank = coefficients.type.rank
    return permuted(em.tensor(coefficients), [*range(place), *range(place + 1, rank), place])


# ── the rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _statistics(em: Emitter, node: ir.Collapsed) -> Code:
    """The sums over the rows, in the function that computes constants: there are the arguments, but no statements."""
    hoisting, sizes = em.hoisting, em.sizes
    em.hoisting, em.sizes = False, {axis: size for axis, size in sizes.items() if _of_arguments(em, size)}
    placed = list(zip(node.terms, _places(node, node.terms), strict=True))
    arguments = [em.tensor(node.observed), _listed(_term(em, term, None) for term, place in placed if place is None)]
    if node.groups is not None:
        index = node.groups.index
        arguments.append(_listed(_term(em, term, index) for term, place in placed if place is not None))
        arguments.append(ast.Tuple([em.code(index), em.size(node.groups.axis)], ast.Load()))
    function = "runtime.row_statistics" if node.groups is None else "runtime.group_statistics"
    known = {} if node.known_scale is None else {"scale": em.tensor(node.known_scale)}
    code = call(form(function), *arguments, **known)
    em.hoisting, em.sizes = hoisting, sizes
    return code


def _of_arguments(em: Emitter, size: ir.Expr) -> bool:
    return all(node.name in em.arguments for node in ir.walk(size) if isinstance(node, ir.Ref))


def _listed(items: Iterable[Code]) -> Code:
    return ast.List(list(items), ast.Load())


def _term(em: Emitter, term: ir.LinearTerm, groups: ir.Expr | None) -> Code:
    """`runtime.Term(…)`; without the index by which the rows are in groups."""
    parts = {} if term.dense is None else {"dense": em.tensor(term.dense)}
    axes = term.coefficients.type.axes[term.coefficients.type.rank - len(term.picks) :]
    pairs = list(zip(term.picks, axes, strict=True))
    if groups is not None:
        pairs.pop(term.picks.index(groups))
    if pairs:
        parts["picks"] = _listed(ast.Tuple([em.code(index), em.size(axis)], ast.Load()) for index, axis in pairs)
    if term.scale is not None:
        parts["scale"] = em.tensor(term.scale)
    return call(form("runtime.Term"), **parts)
