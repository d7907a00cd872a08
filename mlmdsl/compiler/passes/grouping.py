"""Which effects belong to the groups of one factor: those that block elimination removes group by group.

A factor is an index along the rows that picks coefficients. Its groups can be eliminated one by one if the coefficients
that it picks at level j depend, of the effects that have its levels along one of their axes, on those at level j alone
(`parallel`), and all else depends on none of them. The factor chosen is the one with the most such effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import prod
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.passes.parallel import is_along
from mlmdsl.language.types import Axis


def groups_of(effects: Sequence[ir.Effect], terms: Sequence[ir.LinearTerm]) -> ir.Groups | None:
    """The factor with the most effects, or None where no factor has any."""
    indices = dict.fromkeys(chain.from_iterable(term.picks for term in terms))
    found = [_by(index, effects, terms) for index in indices]
    best = max(found, key=lambda groups: _normals(effects, groups), default=None)
    return best if best is not None and _normals(effects, best) else None


def grouped_sizes(effects: Sequence[ir.Effect], groups: ir.Groups) -> tuple[int, int]:
    """The number of normals that are in no group, and that of each group."""
    own = _normals(effects, groups)
    return sum(size_of(effect.axes) for effect in effects) - own, own // cast(int, groups.axis.size)


def column_counts(terms: Sequence[ir.LinearTerm], groups: ir.Groups) -> tuple[int, int]:
    """The number of columns of the design that all rows share, and that of each group."""
    columns = [size_of(term.coefficients.type.axes) for term in terms]
    own = sum(count for count, place in zip(columns, groups.terms, strict=True) if place is not None)
    return sum(columns) - own, own // cast(int, groups.axis.size)


def size_of(axes: Sequence[Axis]) -> int:
    """The number of elements along axes of known size."""
    return prod(cast(int, axis.size) for axis in axes)


def _normals(effects: Sequence[ir.Effect], groups: ir.Groups) -> int:
    own = (effect for effect, place in zip(effects, groups.effects, strict=True) if place is not None)
    return sum(size_of(effect.axes) for effect in own)


def _by(index: ir.Expr, effects: Sequence[ir.Effect], terms: Sequence[ir.LinearTerm]) -> ir.Groups:
    """The effects of a factor's groups: from the last to the first, each that can join those after it."""
    places = tuple(_place(term, index) for term in terms)
    axis = next(t.coefficients.type.axes[p] for t, p in zip(terms, places, strict=True) if p is not None)
    joined: dict[str, int] = {}
    for effect in reversed(effects):
        for position, own in enumerate(effect.axes):
            trial = {**joined, effect.name: position}
            if own.size == axis.size and position != effect.event and _is_parallel(trial, effects, terms, places):
                joined = trial
                break
    return ir.Groups(index, axis, tuple(joined.get(effect.name) for effect in effects), places)


def _place(term: ir.LinearTerm, index: ir.Expr) -> int | None:
    """The axis of a term's coefficients that an index picks from."""
    if index not in term.picks:
        return None
    return term.coefficients.type.rank - len(term.picks) + term.picks.index(index)


def _is_parallel(
    joined: dict[str, int],
    effects: Sequence[ir.Effect],
    terms: Sequence[ir.LinearTerm],
    places: Sequence[int | None],
) -> bool:
    """Whether nothing mixes the groups of the effects that joined."""
    locations = all(is_along(effect.location, joined, joined.get(effect.name)) for effect in effects)
    return locations and all(
        is_along(term.coefficients, joined, place) for term, place in zip(terms, places, strict=True)
    )
