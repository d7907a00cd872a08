"""Integrating Gaussian effects out: which can be, by proof, and the collapsed model.

A parameter can be integrated out exactly if it is normal given the rest, its location is affine in other such parameters,
it reaches the one normal likelihood affinely through the mean, and nothing else depends on it. Non-Goals: more than one
normal likelihood, scales that vary along the rows unless they are data, loops that run in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.passes.affine import is_affine, is_free
from mlmdsl.compiler.passes.design import NotLinear, Rows, inlined, scale_of, terms_of
from mlmdsl.compiler.passes.effects import effect_of, is_effect
from mlmdsl.compiler.passes.grouping import column_counts, grouped_sizes, groups_of
from mlmdsl.language.types import Axis

FEW_NORMALS = 30
"""Up to so many, dense algebra is faster than block elimination, and its program shorter."""
MOST_NORMALS = 400
"""Beyond so many, the dense algebra of one gradient costs more than the rows do."""
MOST_NUMBERS = 30_000_000
"""The products of groups with dense effects that one gradient may take: some tenths of a second, and 240 MB."""


class NotCollapsible(Exception):
    """Nothing is integrated out; the message says why."""


@dataclass(frozen=True)
class _Parts:
    """A model taken apart: its draws, its one normal likelihood, everything else that reads parameters."""

    lets: Mapping[str, ir.Expr]
    latents: Mapping[str, ir.Sample]
    likelihood: ir.Sample
    others: tuple[ir.Sample | ir.Factor, ...]


def collapse(model: ir.Model) -> ir.Model:
    """The model with its Gaussian effects integrated out.

    Raises:
        NotCollapsible: nothing can be.
    """
    model = _without_placeholders(model)
    parts = _taken_apart(model)
    names = _integrable(parts)
    rows = _rows(parts.likelihood)
    lets = _inlinable(model, names, rows)
    mean, spread = (inlined(cast(ir.Expr, arg), lets) for arg in parts.likelihood.dist.args)
    try:
        terms = tuple(ir.LinearTerm(t.coefficients, t.dense, t.picks, t.scale) for t in terms_of(mean, rows))
        scale, known = scale_of(spread, rows)
    except NotLinear as error:
        raise NotCollapsible(str(error)) from None
    effects = tuple(effect_of(parts.latents[name], lets) for name in parts.latents if name in names)
    node = ir.Collapsed(
        target=parts.likelihood.target,
        effects=effects,
        terms=terms,
        rows=rows.axis,
        observed=inlined(cast(ir.Expr, parts.likelihood.observed), lets),
        scale=scale,
        known_scale=known,
        groups=_groups(effects, terms),
        span=parts.likelihood.span,
    )
    body = tuple(_kept(model.body, parts, names, node))
    return replace(model, body=body, returned=None)


def collapsed_names(model: ir.Model) -> tuple[str, ...]:
    """The names of the parameters that a collapsed model integrates out."""
    return tuple(effect.name for node in model.body if isinstance(node, ir.Collapsed) for effect in node.effects)


def _without_placeholders(model: ir.Model) -> ir.Model:
    """The model without the arrays that a loop or `.~` then draws: `α = zeros(J)`."""
    drawn = {node.target for node in model.body if isinstance(node, ir.Sample) and node.observed is None}
    waiting: set[str] = set()
    body: list[ir.Statement] = []
    for node in model.body:
        read = {part.name for part in ir.walk(node) if isinstance(part, ir.Ref)} & waiting
        if read:
            raise NotCollapsible(f"{min(read)} is read before it is drawn")
        if isinstance(node, ir.Let) and node.name in drawn:
            waiting.add(node.name)
            continue
        if isinstance(node, ir.Sample):
            waiting.discard(node.target)
        body.append(node)
    return replace(model, body=tuple(body))


def _taken_apart(model: ir.Model) -> _Parts:
    lets: dict[str, ir.Expr] = {}
    latents: dict[str, ir.Sample] = {}
    likelihoods: list[ir.Sample] = []
    others: list[ir.Sample | ir.Factor] = []
    for node in model.body:
        if isinstance(node, ir.Let):
            lets[node.name] = inlined(node.value, lets)
        elif isinstance(node, ir.Factor):
            others.append(node)
        elif not isinstance(node, ir.Sample) or node.index or node.missing is not None:
            raise NotCollapsible("the model has a loop that runs in order, or missing entries")
        elif node.observed is None:
            latents[node.target] = node
        elif node.dist.family == "Normal":
            likelihoods.append(node)
        else:
            others.append(node)
    if len(likelihoods) != 1:
        raise NotCollapsible(
            "there is no normal likelihood" if not likelihoods else "there are several normal likelihoods"
        )
    return _Parts(lets, latents, likelihoods[0], tuple(others))


def _whole(dist: ir.Dist, lets: Mapping[str, ir.Expr]) -> ir.Dist:
    """A distribution with the names of statements replaced."""
    return cast(ir.Dist, inlined(cast(ir.Expr, dist), lets))


def _integrable(parts: _Parts) -> frozenset[str]:
    """The parameters that qualify, before the likelihood's mean is looked at term by term."""
    dists = {name: _whole(sample.dist, parts.lets) for name, sample in parts.latents.items()}
    names = frozenset(name for name, dist in dists.items() if is_effect(parts.latents[name], dist))
    likelihood = _whole(parts.likelihood.dist, parts.lets)
    mean, scale = cast(tuple[ir.Expr, ir.Expr], likelihood.args)
    outside = [
        _whole(node.dist, parts.lets) if isinstance(node, ir.Sample) else inlined(node.value, parts.lets)
        for node in parts.others
    ]
    while True:
        barred = _barred(names, dists, [*outside, scale])
        barred |= _not_affine(names - barred, mean, parts.latents)
        if not barred:
            break
        names -= barred
    names = frozenset(name for name in names if not _unused(name, names, dists, mean))
    if not names:
        raise NotCollapsible("no normal parameter reaches the likelihood through an affine mean alone")
    return names


def _barred(
    names: frozenset[str], dists: Mapping[str, ir.Dist], outside: Sequence[ir.Expr | ir.Dist]
) -> frozenset[str]:
    """Names that something other than a mean depends on."""
    barred = {name for name in names for part in outside if not is_free(part, frozenset({name}))}
    for name, dist in dists.items():
        location, *rest = cast(tuple[ir.Expr, ...], dist.args) if name in names else (None, dist)
        for other in names:
            alone = frozenset({other})
            if any(not is_free(part, alone) for part in rest):
                barred.add(other)
        if location is not None and not is_affine(location, names):
            barred |= {other for other in names if not is_free(location, frozenset({other}))}
    return frozenset(barred)


def _not_affine(names: frozenset[str], mean: ir.Expr, latents: Mapping[str, ir.Sample]) -> frozenset[str]:
    """What to give up so that the mean is affine: what is not by itself, else the smaller part of a product."""
    if is_affine(mean, names):
        return frozenset()
    alone = frozenset(name for name in names if not is_affine(mean, frozenset({name})))
    if alone:
        return alone
    smallest = min(names, key=lambda name: _count(latents[name].type.axes))
    return frozenset({smallest})


def _unused(name: str, names: frozenset[str], dists: Mapping[str, ir.Dist], mean: ir.Expr) -> bool:
    """Whether a parameter reaches the likelihood neither by itself nor through another."""
    alone = frozenset({name})
    return is_free(mean, alone) and all(is_free(dists[other], alone) for other in names if other != name)


def _rows(likelihood: ir.Sample) -> Rows:
    """The rows of the likelihood: one axis, of a loop or of the array."""
    if len(likelihood.loops) == 1 and not likelihood.dist.plates:
        return Rows(likelihood.loops[0].name, likelihood.loops[0])
    if likelihood.loops or len(likelihood.dist.plates) != 1:
        raise NotCollapsible("the likelihood is not along one axis")
    plate = likelihood.dist.plates[0]
    loops = {axis.name for arg in likelihood.dist.args for axis in cast(ir.Expr, arg).type.loops}
    return Rows(plate.name if plate.name in loops else None, plate)


def _inlinable(model: ir.Model, names: frozenset[str], rows: Rows) -> dict[str, ir.Expr]:
    """The statements that the collapsed likelihood cannot refer to by name: of effects, of data alone, of the rows."""
    lets: dict[str, ir.Expr] = {}
    for node in model.body:
        if isinstance(node, ir.Let):
            value = inlined(node.value, lets)
            if not is_free(value, names) or ir.is_data(value) or rows.has(value) or value.type.loops:
                lets[node.name] = value
    return lets


def _needing(lets: Mapping[str, ir.Expr], names: frozenset[str]) -> dict[str, ir.Expr]:
    """The statements that depend on what is integrated out: they are no more."""
    return {name: value for name, value in lets.items() if not is_free(value, names)}


def _count(axes: Sequence[Axis]) -> int:
    total = 1
    for axis in axes:
        if not isinstance(axis.size, int):
            raise NotCollapsible("the sizes are not known before data are bound")
        total *= axis.size
    return total


def _groups(effects: Sequence[ir.Effect], terms: Sequence[ir.LinearTerm]) -> ir.Groups | None:
    """The groups by which to eliminate, if dense algebra is not as good.

    Raises:
        NotCollapsible: what is left for dense algebra is too much of it.
    """
    normals = sum(_count(effect.axes) for effect in effects)
    if not normals:
        raise NotCollapsible("there are no effects")
    if normals <= FEW_NORMALS:
        return None
    groups = groups_of(effects, terms)
    dense, own = (normals, 0) if groups is None else grouped_sizes(effects, groups)
    if dense > MOST_NORMALS:
        kind = "effects" if groups is None else f"effects beside those of the {groups.axis.size} groups"
        raise NotCollapsible(f"there are too many {kind} for dense algebra: {dense}, the most is {MOST_NORMALS}")
    if groups is not None:
        _check_numbers(groups, (1 + dense) * own, terms)
    return groups


def _check_numbers(groups: ir.Groups, products: int, terms: Sequence[ir.LinearTerm]) -> None:
    columns, each = column_counts(terms, groups)
    numbers = cast(int, groups.axis.size) * max(products, (1 + columns + each) * each)
    if numbers > MOST_NUMBERS:
        raise NotCollapsible(f"there are too many effects beside those of the groups: {numbers} products a gradient")


def _kept(body: Sequence[ir.Statement], parts: _Parts, names: frozenset[str], node: ir.Collapsed) -> list[ir.Statement]:
    """The statements of the collapsed model: what depends on the effects is gone."""
    gone = names | _needing(parts.lets, names).keys()
    kept: list[ir.Statement] = []
    for statement in body:
        if statement is parts.likelihood:
            kept.append(node)
        elif isinstance(statement, ir.Let):
            kept += [] if statement.name in gone else [replace(statement, tracked=False)]
        elif not (isinstance(statement, ir.Sample) and statement.target in names):
            kept.append(statement)
    return kept
