"""Distributions as Pyro writes them.

Parameters are brought to one batch shape: loop axes, then plates, then the event.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.layout import Key, Placed, arranged, keys_of
from mlmdsl.compiler.python_text import Code, call, form, literal
from mlmdsl.language.distributions import DISTRIBUTIONS
from mlmdsl.language.types import Axis

if TYPE_CHECKING:
    from mlmdsl.compiler.emit_expressions import Emitter

Batch = Sequence[Key | None]
"""The keys of a batch shape: a loop axis by name, an array axis of the parameters by position, None for neither."""


def batch_keys(loops: Sequence[Axis], plates: Sequence[Axis], walked: frozenset[str]) -> list[Key]:
    """The keys of the batch axes: loops, then plates; plates that were loops (`walked`) stay loops."""
    keys: list[Key] = [axis.name for axis in loops]
    arrays = 0
    for axis in plates:
        if axis.name in walked:
            keys.append(axis.name)
        else:
            keys.append(arrays)
            arrays += 1
    return keys


def dist_code(em: Emitter, dist: ir.Dist, batch: Batch) -> Code:
    """A distribution whose parameters broadcast to a batch."""
    rule = _RULES.get(dist.family)
    if rule is not None:
        return rule(em, dist, batch)
    return _family(em, dist, batch)


def _family(em: Emitter, dist: ir.Dist, batch: Batch) -> Code:
    row = DISTRIBUTIONS[dist.family]
    args = cast(tuple[ir.Expr, ...], dist.args)
    codes: list[Code] = []
    numbers_only = all(em.is_python(arg) for arg in args)
    for parameter, arg in zip(row.parameters, args, strict=True):
        if parameter.name == "d":
            codes.append(em.integer(arg))
        elif parameter.name == "η" and dist.family.startswith("LKJ") or dist.family in ("FlatPos", "Dirac"):
            codes.append(_parameter(em, arg, 0, batch, as_tensor=True))
        else:
            codes.append(_parameter(em, arg, parameter.rank, batch, as_tensor=numbers_only))
            numbers_only = False
    if dist.family == "Flat":
        return ast.Call(form("runtime.Flat"), [], [ast.keyword(None, form("REAL"))])
    return form(row.pyro, *codes)


def _parameter(em: Emitter, arg: ir.Expr, rank: int, batch: Batch, as_tensor: bool = False) -> Code:
    code = em.tensor(arg) if as_tensor else em.real(arg)
    keys = keys_of(arg.type)
    if rank == 0:
        return arranged(Placed(code, keys), batch)
    loops_only = [key if isinstance(key, str) else None for key in batch]
    return arranged(Placed(code, keys), [*loops_only, *range(rank)])


def _multivariate(em: Emitter, dist: ir.Dist, batch: Batch) -> Code:
    *degrees, mean, matrix = cast(tuple[ir.Expr, ...], dist.args)
    codes = [_parameter(em, arg, 0, batch, as_tensor=True) for arg in degrees]
    codes += [_parameter(em, mean, 1, batch), _parameter(em, matrix, 2, batch)]
    factored = dict(dist.options).get("form") == "scale_tril"
    if dist.family == "MvNormal":
        kind = "scale_tril" if factored else "covariance_matrix"
        return form(f"dist.MultivariateNormal({{0}}, {kind}={{1}})", *codes)
    factor = codes[2] if factored else form("torch.linalg.cholesky({0})", codes[2])
    return form("dist.MultivariateStudentT({0}, {1}, {2})", codes[0], codes[1], factor)


def _truncated(em: Emitter, dist: ir.Dist, batch: Batch) -> Code:
    base, lower, upper = cast(tuple[ir.Dist, ir.Expr, ir.Expr], dist.args)
    half = {"Normal": "dist.HalfNormal({0})", "Cauchy": "dist.HalfCauchy({0})"}.get(base.family)
    if dist.family == "truncated" and half and _is(base.args[0], 0) and _is(lower, 0) and _is(upper, inf):
        return form(half, _parameter(em, cast(ir.Expr, base.args[1]), 0, batch, as_tensor=True))
    kind = "Truncated" if dist.family == "truncated" else "Censored"
    bounds = [
        (key, bound)
        for key, bound in (("lower", lower), ("upper", upper))
        if not _is(bound, inf) and not _is(bound, -inf)
    ]
    made = call(form(f"runtime.{kind}"), dist_code(em, base, batch))
    for key, bound in bounds:
        cast(ast.Call, made).keywords.append(ast.keyword(key, _parameter(em, bound, 0, batch)))
    return made


def _is(arg: object, number: float) -> bool:
    return isinstance(arg, ir.Const) and arg.value == number


def _affine(em: Emitter, dist: ir.Dist, batch: Batch) -> Code:
    location, scale, base = cast(tuple[ir.Expr, ir.Expr, ir.Dist], dist.args)
    codes = [_parameter(em, location, 0, batch), _parameter(em, scale, 0, batch)]
    if base.family == "TDist" and scale.type.low >= 0:
        degrees = _parameter(em, cast(ir.Expr, base.args[0]), 0, batch, as_tensor=True)
        return form("dist.StudentT({0}, {1}, {2})", degrees, *codes)
    return form("runtime.LocationScale({0}, {1}, {2})", *codes, dist_code(em, base, batch))


def _mixture(em: Emitter, dist: ir.Dist, batch: Batch) -> Code:
    components, weights = cast(tuple[tuple[ir.Dist, ...], ir.Expr], dist.args)
    weight_code = _parameter(em, weights, 1, batch, as_tensor=True)
    loops_only = [key if isinstance(key, str) else None for key in batch]
    if len(components) == 1 and components[0].collection:
        part = components[0]
        lifted = part.collection[0].name
        inner: Key = lifted if _has_loop(part, lifted) else 0
        return form(
            "runtime.Mixture({0}, {1})", dist_code(em, replace(part, collection=()), [*loops_only, inner]), weight_code
        )
    parts = [dist_code(em, part, batch) for part in components]
    return form("runtime.Mixture({0}, {1})", ast.List(parts, ast.Load()), weight_code)


def _has_loop(dist: ir.Dist, name: str) -> bool:
    return any(axis.name == name for axis in _loops_of(dist))


def _of_vectors(kind: str) -> Callable[[Emitter, ir.Dist, Batch], Code]:
    def rule(em: Emitter, dist: ir.Dist, batch: Batch) -> Code:
        return form(f"runtime.{kind}({{0}})", event_code(em, cast(ir.Dist, dist.args[0]), batch))

    return rule


def _independent(em: Emitter, dist: ir.Dist, batch: Batch) -> Code:
    return event_code(em, cast(ir.Dist, dist.args[0]), batch)


def _stacked(em: Emitter, dist: ir.Dist, batch: Batch) -> Code:
    parts = [dist_code(em, part, batch[:-1]) for part in cast(tuple[tuple[ir.Dist, ...]], dist.args)[0]]
    return form("runtime.Stacked({0})", ast.List(parts, ast.Load()))


def event_code(em: Emitter, dist: ir.Dist, outer: Batch) -> Code:
    """A distribution whose plates are axes of its event."""
    if not dist.plates:
        return dist_code(em, dist, outer)
    order = -1 if dist.columns else 1  # each Columns takes the last batch axis and puts it last
    plates, keys = dist.plates[::order], batch_keys((), dist.plates, dist.walked)[::order]
    loops = [key if isinstance(key, str) else None for key in outer]
    code = dist_code(em, dist, [*loops, *keys])
    covered = _covered(dist)
    if not all(key in covered for key in keys):
        while loops and loops[0] is None:
            loops.pop(0)
        sizes = [_loop_size(em, dist, key) for key in loops]
        sizes += [em.size(axis) for axis in plates]
        code = form("{0}.expand({1})", code, ast.List(sizes, ast.Load()))
    if dist.columns:
        for _ in plates:
            code = form("runtime.Columns({0})", code)
        return code
    return form("{0}.to_event({1})", code, literal(len(dist.plates)))


def _loop_size(em: Emitter, dist: ir.Dist, name: str | None) -> Code:
    """The size of a batch along a loop: 1 where no parameter varies along it."""
    axis = next((axis for axis in _loops_of(dist) if axis.name == name), None)
    return em.size(axis) if axis is not None else literal(1)


def _loops_of(dist: ir.Dist) -> Iterator[Axis]:
    """The loop axes of the parameters."""
    for node in ir.walk(dist):
        if not isinstance(node, ir.Dist):
            yield from getattr(node, "type", ir.Type()).loops


def _covered(dist: ir.Dist) -> set[Key]:
    """The batch axes that some parameter has at full size."""
    found: set[Key] = {len(dist.plates) - 1} if dist.family == "stacked" else set()
    own_axes = dist.family in _OWN_AXES
    for arg, rank in _leaves(dist):
        keys = keys_of(arg.type)
        found |= {key for key in keys if isinstance(key, str)}
        found |= {key for key in keys if isinstance(key, int) and rank == 0 and not own_axes}
    return found


_OWN_AXES = frozenset({"independent", "ordered", "pushed_ordered", "mixture", "stacked"})
"""Families whose components have array axes of their own, which are none of the plates."""


def _leaves(dist: ir.Dist) -> Iterator[tuple[ir.Expr, int]]:
    row = DISTRIBUTIONS.get(dist.family)
    for position, arg in enumerate(dist.args):
        if isinstance(arg, ir.Dist):
            yield from _leaves(arg)
        elif isinstance(arg, tuple):
            for part in arg:
                yield from _leaves(part)
        else:
            yield arg, row.parameters[position].rank if row else 1 if dist.family == "mixture" else 0


def density_code(em: Emitter, expr: ir.Call) -> Code:
    """`logpdf(d, x)` and `logpdf.(d, x)`; the distribution function and quantiles likewise."""
    dist, value = cast(ir.Dist, expr.args[0]), expr.args[1]
    loops = [axis.name for axis in expr.type.loops]
    if dict(expr.options)["summed"]:
        wanted = [*loops, *range(value.type.rank)]
        density = event_code(em, dist, loops)
    else:
        rank = cast(int, dict(expr.options)["plates"])
        axes = dist.plates or dist.collection
        keys = batch_keys(expr.type.loops, axes, dist.walked) if axes else [*loops, *range(rank)]
        density, wanted = (
            dist_code(em, replace(dist, plates=(), collection=()), keys),
            [*loops, *range(value.type.rank)],
        )
    return form(_FORMS[expr.function], density, arranged(Placed(em.tensor(value), keys_of(value.type)), wanted))


_FORMS = {
    "logpdf": "{0}.log_prob({1})",
    "cdf": "runtime.log_tails({0}, {1})[0].exp()",
    "ccdf": "runtime.log_tails({0}, {1})[1].exp()",
    "logcdf": "runtime.log_tails({0}, {1})[0]",
    "logccdf": "runtime.log_tails({0}, {1})[1]",
    "quantile_of": "{0}.icdf({1})",
}


_RULES: dict[str, Callable[[Emitter, ir.Dist, Batch], Code]] = {
    "MvNormal": _multivariate,
    "MvTDist": _multivariate,
    "truncated": _truncated,
    "censored": _truncated,
    "affine": _affine,
    "mixture": _mixture,
    "ordered": _of_vectors("Ordered"),
    "pushed_ordered": _of_vectors("PushedOrdered"),
    "independent": _independent,
    "stacked": _stacked,
}
