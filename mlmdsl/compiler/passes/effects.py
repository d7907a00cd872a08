"""Normal parameters as location + spread · u, with u standard normal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.passes.design import inlined
from mlmdsl.language.types import Axis


def is_effect(sample: ir.Sample, dist: ir.Dist) -> bool:
    """Whether a parameter has such a form: normal, or multivariate normal in vectors along one axis of a matrix at most."""
    if dist.loops or dist.family not in ("Normal", "MvNormal"):
        return False
    loops = {axis.name for axis in _loops(dist.args)}
    if dist.family == "Normal":
        return not loops or (len(dist.plates) == 1 and loops == {dist.plates[0].name})
    covariance = cast(ir.Expr, dist.args[1])
    return len(dist.plates) <= 1 and not covariance.type.loops and loops <= {axis.name for axis in dist.plates}


def effect_of(sample: ir.Sample, lets: Mapping[str, ir.Expr]) -> ir.Effect:
    """The parts of a parameter for which `is_effect` holds, in terms of what is no statement of `lets`."""
    dist = cast(ir.Dist, inlined(cast(ir.Expr, sample.dist), lets))
    location, spread = (_lifted(cast(ir.Expr, arg)) for arg in dist.args)
    if dist.family == "Normal":
        return ir.Effect(sample.target, location, spread, sample.type.axes)
    factor = spread
    if dict(dist.options).get("form", "covariance") == "covariance":
        factor = _square_root(spread) or ir.Call("cholesky", (spread,), spread.type)
    event = 0 if dist.columns or not dist.plates else 1
    return ir.Effect(sample.target, _turned(location, event, bool(dist.plates)), factor, sample.type.axes, event)


def drawn(effect: ir.Effect, noise: ir.Expr) -> ir.Expr:
    """location + spread · u for u as an expression with the axes of the effect."""
    spread: ir.Expr
    if effect.event is None:
        unit = isinstance(effect.spread, ir.Const) and effect.spread.value == 1
        spread = noise if unit else ir.Map("*", (effect.spread, noise), noise.type)
    elif effect.event == 0:
        spread = ir.Contract(effect.spread, noise, noise.type)
    else:
        spread = ir.Contract(noise, _transposed(effect.spread), noise.type)
    zero = isinstance(effect.location, ir.Const) and effect.location.value == 0
    return spread if zero else ir.Map("+", (effect.location, spread), noise.type)


def _square_root(covariance: ir.Expr) -> ir.Expr | None:
    """A where a covariance is written as A·Aᵀ, or as (t ⊙ A)·Aᵀ ⊙ tᵀ, which is `Diagonal(t) * A * A' * Diagonal(t)`.

    No factor is then computed, so that scales of 0 do no harm.
    """
    if isinstance(covariance, ir.Contract):
        return covariance.a if _is_transpose(covariance.b, covariance.a) else None
    if not isinstance(covariance, ir.Map) or covariance.op != "*" or len(covariance.args) != 2:
        return None
    inner, right = covariance.args
    if not isinstance(inner, ir.Contract) or not isinstance(right, ir.Call) or right.function != "row":
        return None
    scaled = inner.a
    whole = isinstance(scaled, ir.Map) and scaled.op == "*" and scaled.args[0] == right.args[0]
    return scaled if whole and _is_transpose(inner.b, cast(ir.Map, scaled).args[1]) else None


def _is_transpose(expr: ir.Expr, of: ir.Expr) -> bool:
    return isinstance(expr, ir.Permute) and expr.order == (1, 0) and expr.x == of


def _loops(args: tuple[object, ...]) -> Iterator[Axis]:
    for arg in args:
        yield from cast(ir.Expr, arg).type.loops


def _lifted(arg: ir.Expr) -> ir.Expr:
    """A parameter given for each step of a loop, as an array with that axis first."""
    if not arg.type.loops:
        return arg
    return ir.Lift(arg, arg.type.loops, replace(arg.type, loops=(), axes=(*arg.type.loops, *arg.type.axes)))


def _turned(location: ir.Expr, event: int, matrix: bool) -> ir.Expr:
    """A location of vectors as the matrix of draws has it."""
    if location.type.rank == 2:
        return _transposed(location) if event == 0 else location
    if event == 0 or not matrix:
        return location
    return ir.Call("row", (location,), replace(location.type, axes=(Axis("one", 1), *location.type.axes)))


def _transposed(matrix: ir.Expr) -> ir.Expr:
    return ir.Permute(matrix, (1, 0), replace(matrix.type, axes=matrix.type.axes[::-1]))
