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
from mlmdsl.compiler.passes.design import NotLinear, Rows, Term, inlined, terms_of
from mlmdsl.language.types import Axis

MOST_NORMALS = 400
"""Beyond so many the dense algebra of one gradient costs more than the rows do."""
MOST_NUMBERS = 30_000_000
"""The entries of the design that is built once, at binding."""


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
    parts = _taken_apart(model)
    names = _integrable(parts)
    rows = _rows(parts.likelihood)
    lets = _inlinable(model, names, rows)
    terms = _linear_terms(parts.likelihood, lets, rows)
    scale = inlined(cast(ir.Expr, parts.likelihood.dist.args[1]), lets)
    weighted = rows.has(scale)
    if weighted and not ir.is_data(scale):
        raise NotCollapsible("the likelihood's scale varies along the rows and is not data")
    effects = tuple(_effect(parts.latents[name], lets) for name in parts.latents if name in names)
    _check_size(effects, terms, rows)
    node = ir.Collapsed(
        target=parts.likelihood.target,
        effects=effects,
        terms=tuple(ir.LinearTerm(t.coefficients, t.dense, t.picks, t.scale) for t in terms),
        rows=rows.axis,
        observed=cast(ir.Expr, parts.likelihood.observed),
        scale=ir.Const(1.0, ir.Type(low=1, high=1)) if weighted else scale,
        weights=scale if weighted else None,
        span=parts.likelihood.span,
    )
    body = tuple(_kept(model.body, parts, names, node))
    return replace(model, body=body, returned=None)


def collapsed_names(model: ir.Model) -> tuple[str, ...]:
    """The names of the parameters that a collapsed model integrates out."""
    return tuple(effect.name for node in model.body if isinstance(node, ir.Collapsed) for effect in node.effects)


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
    names = frozenset(name for name, dist in dists.items() if _is_normal(dist, parts.latents[name]))
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


def _is_normal(dist: ir.Dist, sample: ir.Sample) -> bool:
    if dist.family == "Normal":
        lifted = {axis.name for axis in dist.plates}
        loops = {axis.name for arg in dist.args for axis in cast(ir.Expr, arg).type.loops}
        return loops <= lifted and (not loops or len(dist.plates) == 1) and not dist.loops
    plain = dist.family == "MvNormal" and not dist.loops and not any(cast(ir.Expr, arg).type.loops for arg in dist.args)
    return plain and (not dist.plates or (dist.columns and len(dist.plates) == 1))


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


def _linear_terms(likelihood: ir.Sample, lets: Mapping[str, ir.Expr], rows: Rows) -> list[Term]:
    try:
        return terms_of(inlined(cast(ir.Expr, likelihood.dist.args[0]), lets), rows)
    except NotLinear as error:
        raise NotCollapsible(str(error)) from None


def _needing(lets: Mapping[str, ir.Expr], names: frozenset[str]) -> dict[str, ir.Expr]:
    """The statements that depend on what is integrated out: they are no more."""
    return {name: value for name, value in lets.items() if not is_free(value, names)}


def _effect(sample: ir.Sample, lets: Mapping[str, ir.Expr]) -> ir.Effect:
    """z = location + scale · u, with u standard normal."""
    dist = _whole(sample.dist, lets)
    location, spread = (_lifted(cast(ir.Expr, arg)) for arg in dist.args)
    kind = "scale" if dist.family == "Normal" else dict(dist.options).get("form", "covariance")
    return ir.Effect(sample.target, location, spread, kind, sample.type.axes)


def _lifted(arg: ir.Expr) -> ir.Expr:
    """A parameter given for each step of a loop, as an array."""
    if not arg.type.loops:
        return arg
    return ir.Lift(arg, arg.type.loops, replace(arg.type, loops=(), axes=(*arg.type.loops, *arg.type.axes)))


def _count(axes: Sequence[Axis]) -> int:
    total = 1
    for axis in axes:
        if not isinstance(axis.size, int):
            raise NotCollapsible("the sizes are not known before data are bound")
        total *= axis.size
    return total


def _check_size(effects: Sequence[ir.Effect], terms: Sequence[Term], rows: Rows) -> None:
    normals = sum(_count(effect.axes) for effect in effects)
    columns = sum(_count(term.coefficients.type.axes) for term in terms)
    if not normals:
        raise NotCollapsible("there are no effects")
    if normals > MOST_NORMALS or columns * _count((rows.axis,)) > MOST_NUMBERS:
        raise NotCollapsible(f"there are too many effects for dense algebra: {normals}")


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
