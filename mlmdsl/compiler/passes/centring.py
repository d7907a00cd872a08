"""Group effects whose centring can be chosen: which there are, and the model with each of them written centred.

An effect x ~ Normal(μ, s) whose location or scale depends on other parameters can be sampled as it is (centred), as
(x − μ)/s (not centred), or in between. Which is best depends on the data, so the author's way of writing it should not
decide. Here every such effect is brought to one form, from which the sampler goes where it wants (`inference.centring`):

    x ~ Normal(μ, s), y ~ d(δ + x[j])            →   w ~ Normal(μ + δ, s),  x = w − δ
    z ~ Normal(0, 1), y ~ d(δ + s * z[j])        →   w ~ Normal(δ, s),      z = (w − δ) / s

δ, what is added to the effect wherever it is used, such as an intercept, moves into the location: a group's own level
is then what is sampled, and the intercept no longer depends on the sum of its deviations. A change of variables is
exact whatever s and δ are; what this pass finds decides how well the sampler moves, never what it samples.

Non-Goals: multivariate effects, effects drawn one after another in a loop, δ that varies along the groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, prod
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.passes.affine import is_free
from mlmdsl.compiler.passes.design import inlined
from mlmdsl.compiler.passes.products import Product, alongside, merged, rearranges, terms

FAMILIES = frozenset({"Normal", "Laplace", "Cauchy", "Logistic", "Gumbel"})
"""Families whose first two arguments are a location and a scale; `μ + σ * TDist(ν)` is one more."""


@dataclass(frozen=True)
class Recentred:
    """An effect by the author's name, and the site of the program in its place."""

    name: str
    site: str


@dataclass(frozen=True)
class _Use:
    """A term that an effect stands in: what it is multiplied by, and the terms beside it."""

    scales: tuple[ir.Expr, ...]
    others: tuple[ir.Expr, ...]
    beside: tuple[Product, ...]


@dataclass(frozen=True)
class _Effect:
    """A draw to be written centred. `standard`: it is a standard normal, and `scale` what multiplies it."""

    sample: ir.Sample
    standard: bool
    scale: ir.Expr | None
    addends: tuple[ir.Expr, ...]


def recentre(model: ir.Model) -> tuple[ir.Model, tuple[Recentred, ...]]:
    """The model with its effects written centred, and these effects in the author's order."""
    roots = list(_roots(model))
    settled = _settled(model)
    taken: set[ir.Expr] = set()
    body, found = list(model.body), {}
    effects = [_effect(sample, lets, roots, settled) for sample, lets in _draws(model)]
    for effect in sorted((effect for effect in effects if effect is not None), key=_size):
        wanted = replace(effect, addends=tuple(a for a in effect.addends if a not in taken))
        placed = _placed(body, wanted) or _placed(body, replace(wanted, addends=()))
        if placed is not None:
            site, body = placed
            taken.update(wanted.addends)
            found[effect.sample.target] = site
    names = [sample.target for sample, _ in _draws(model) if sample.target in found]
    return replace(model, body=tuple(body)), tuple(Recentred(name, found[name]) for name in names)


def _size(effect: _Effect) -> float:
    """Few groups first: the fewer, the further an intercept can drift against their mean."""
    sizes = [axis.size for axis in effect.sample.type.axes]
    return prod(size for size in sizes if isinstance(size, int)) if all(isinstance(s, int) for s in sizes) else inf


# ── finding ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _draws(model: ir.Model) -> Iterator[tuple[ir.Sample, Mapping[str, ir.Expr]]]:
    """The parameters drawn as a whole, each with what the names before it stand for."""
    lets: dict[str, ir.Expr] = {}
    for node in model.body:
        if isinstance(node, ir.Let):
            lets[node.name] = inlined(node.value, lets)
        elif isinstance(node, ir.Sample) and node.observed is None and not node.index and not node.loops:
            yield node, dict(lets)


def _roots(model: ir.Model) -> Iterator[ir.Expr | ir.Dist]:
    """What the density reads, with the names of statements replaced by what they stand for."""
    lets: dict[str, ir.Expr] = {}
    for node in model.body:
        if isinstance(node, ir.Let):
            lets[node.name] = inlined(node.value, lets)
            continue
        for inner in ir.statements((node,)):
            yield from (inlined(cast(ir.Expr, child), lets) for child in ir.children(inner))


def _settled(model: ir.Model) -> frozenset[str]:
    """Parameters whose name never stands for anything else: they may be referred to from anywhere."""
    nodes = list(ir.statements(model.body))
    changed = {node.name for node in nodes if isinstance(node, ir.Let | ir.SetIndex)}
    drawn = [node.target for node in nodes if isinstance(node, ir.Sample)]
    whole = {sample.target for sample, _ in _draws(model)}
    return frozenset(name for name in whole if name not in changed and drawn.count(name) == 1)


def _effect(
    sample: ir.Sample, lets: Mapping[str, ir.Expr], roots: Sequence[ir.Expr | ir.Dist], settled: frozenset[str]
) -> _Effect | None:
    """The draw as an effect; None where it is none."""
    dist = sample.dist
    if not _has_location_and_scale(dist) or sample.target not in settled:
        return None
    location, scale = (inlined(cast(ir.Expr, arg), lets) for arg in dist.args[:2])
    standard = dist.family == "Normal" and _is(location, 0) and _is(scale, 1)
    if not standard and ir.is_data(location) and ir.is_data(scale):
        return None
    uses = [use for root in roots for use in _uses(root, sample.target)]
    found = [s for s in uses[0].scales if all(s in use.scales for use in uses)] if standard and uses else []
    scales = [s for s in found if _refers_to(s, settled) and not (s.type.axes and dist.walked)]
    if standard and not scales:
        return None
    shifts = [set(_shifts(use, scales)) for use in uses] if sample.type.axes else []
    common = [a for a in _shifts(uses[0], scales) if all(a in s for s in shifts)] if shifts else []
    product = merged("*", scales) if standard else None
    return _Effect(sample, standard, product, tuple(a for a in common if _refers_to(a, settled)))


def _has_location_and_scale(dist: ir.Dist) -> bool:
    if dist.family == "affine":
        _, scale, base = cast(tuple[ir.Expr, ir.Expr, ir.Dist], dist.args)
        return base.family == "TDist" and scale.type.low >= 0
    return dist.family in FAMILIES


def _is(expr: ir.Expr, number: float) -> bool:
    return isinstance(expr, ir.Const) and expr.value == number


def _refers_to(expr: ir.Expr, names: frozenset[str]) -> bool:
    """Whether an expression is of these parameters and data, and of one parameter at least."""
    refs = [node for node in ir.walk(expr) if isinstance(node, ir.Ref)]
    return all(ref.data or ref.name in names for ref in refs) and not ir.is_data(expr)


def _uses(expr: ir.Expr | ir.Dist, name: str) -> Iterator[_Use]:
    """Every term that the effect stands in."""
    if is_free(expr, frozenset({name})):
        return
    if isinstance(expr, ir.Dist):
        for child in ir.children(expr):
            yield from _uses(child, name)
        return
    summed = terms(expr)
    own = [term for term in summed if not term.is_free(name)]
    beside = tuple(term for term in summed if term.is_free(name)) if len(own) == 1 else ()
    for term in own:
        bound = [factor for factor in term.factors if not is_free(factor, frozenset({name}))]
        if len(bound) == 1 and rearranges(bound[0], name):
            yield _use(term, bound[0], beside)
            continue
        for factor in bound:
            for child in ir.children(factor):
                yield from _uses(child, name)


def _use(term: Product, effect: ir.Expr, beside: tuple[Product, ...]) -> _Use:
    scales, others = [], []
    for factor in (factor for factor in term.factors if factor is not effect):
        scale = factor if factor.type.is_scalar else alongside(factor, effect)
        if scale is not None and not ir.is_data(scale) and scale.type.low >= 0:
            scales.append(scale)
        else:
            others.append(factor)
    signed = tuple(replace(other, negative=other.negative != term.negative) for other in beside)
    return _Use(tuple(scales), tuple(others), signed)


def _shifts(use: _Use, scales: Sequence[ir.Expr]) -> list[ir.Expr]:
    """What is added to the effect, as numbers: the other terms, less the factors that they share with its own."""
    shared = [*use.others, *(scale for scale in use.scales if scale not in scales)]
    found = []
    for term in use.beside:
        left = term.without(shared)
        if left is not None and left and all(factor.type.is_scalar for factor in left):
            number = merged("*", left)
            if not ir.is_data(number):
                found.append(ir.Map("-", (number,), _REAL) if term.negative else number)
    return found


_REAL = ir.Type("real")


# ── rewriting ────────────────────────────────────────────────────────────────────────────────────────────────────────


def site_of(name: str) -> str:
    """The site that stands in the place of an effect: a name that no author can write."""
    return f"{name} centred"


def _placed(body: Sequence[ir.Statement], effect: _Effect) -> tuple[str, list[ir.Statement]] | None:
    """The body with the effect written centred, after all that it then depends on; None where that is too late."""
    name = effect.sample.target
    if not effect.standard and not effect.addends:
        return name, list(body)
    needed = {ref.name for expr in _added(effect) for ref in ir.walk(expr) if isinstance(ref, ir.Ref) and not ref.data}
    own = next(k for k, node in enumerate(body) if node is effect.sample)
    place = max([own, *(k for k, node in enumerate(body) if _defined(node) in needed)])
    if any(_mentions(node, name) for node in body[own + 1 : place + 1]):
        return None
    written = _written(effect)
    return site_of(name), [*body[:own], *body[own + 1 : place + 1], *written, *body[place + 1 :]]


def _added(effect: _Effect) -> tuple[ir.Expr, ...]:
    return (*effect.addends, *((effect.scale,) if effect.scale is not None else ()))


def _defined(node: ir.Statement) -> str | None:
    if isinstance(node, ir.Sample):
        return node.target
    return node.name if isinstance(node, ir.Let) else None


def _mentions(node: ir.Statement, name: str) -> bool:
    alone = frozenset({name})
    return any(not is_free(child, alone) for inner in ir.statements((node,)) for child in ir.children(inner))


def _written(effect: _Effect) -> tuple[ir.Sample, ir.Let]:
    sample = effect.sample
    site, type_ = site_of(sample.target), sample.type
    location, scale, *rest = cast(tuple[ir.Expr, ...], sample.dist.args)
    value: ir.Expr = ir.Ref(site, type_)
    if effect.addends:
        shift = merged("+", effect.addends)
        location = shift if _is(location, 0) else ir.Map("+", (location, shift), _united(location))
        value = ir.Map("-", (value, shift), type_)
    if effect.scale is not None:
        scale, value = effect.scale, ir.Map("/", (value, effect.scale), type_)
    dist = replace(sample.dist, args=(location, scale, *rest))
    return (
        replace(sample, target=site, dist=dist),
        ir.Let(name=sample.target, value=value, tracked=True, span=sample.span),
    )


def _united(location: ir.Expr) -> ir.Type:
    return replace(location.type, element="real", low=-inf, high=inf)
