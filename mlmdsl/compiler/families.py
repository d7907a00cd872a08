"""Distributions by name: `Normal(μ, σ)`, `Normal.(μ, σ)`, `MvNormal(ŷ, σ^2 * I)`, with their parameters checked.

A multivariate normal whose covariance is a multiple of the identity or a diagonal matrix is independent normals: it
becomes those, and no covariance is built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, sqrt

import numpy as np

from mlmdsl.compiler import ir
from mlmdsl.compiler.bounds import interval_text
from mlmdsl.compiler.context import Context, part
from mlmdsl.compiler.elementwise import broadcast_axes, constant, elementwise
from mlmdsl.compiler.operators import tensor
from mlmdsl.compiler.parts import settled_size
from mlmdsl.compiler.values import DiagonalMatrix, Draw, Factorization, ScaledIdentity, Tensor, Value, describe
from mlmdsl.language import tree
from mlmdsl.language.distributions import DISTRIBUTIONS, PARAMETER_BOUNDS, Family, Parameter
from mlmdsl.language.types import Array, Axis

_REMEDIES = {
    "positive": "give it a positive prior (`truncated(…; lower=0)`, `Exponential(…)`) or write `exp(…)`",
    "nonnegative": "give it a positive prior, or model its logarithm",
    "unit": "give it a prior on (0, 1) such as `Beta(1, 1)`, or write `logistic(…)`",
    "count": "it counts something: give a whole number that is not negative",
    "simplex": "its entries are probabilities that add to 1: `Dirichlet(…)` or `softmax(…)`",
}


_OF_ONE_ARGUMENT: dict[str, Callable[[Value], list[Value]]] = {
    "Beta": lambda a: [a, a],
    "DiscreteUniform": lambda b: [constant(0), b],
    "SkewNormal": lambda alpha: [constant(0.0), constant(1.0), alpha],
}
"""Constructors whose one argument is not their first parameter alone."""


def family_draw(cx: Context, name: str, args: Sequence[Value], dotted: bool, node: tree.Node) -> Draw:
    """A distribution of the table, given its arguments."""
    if name in ("MvNormal", "MvTDist"):
        return Draw(_multivariate(cx, name, args, node))
    if name in ("Dirichlet", "Categorical", "Multinomial") and args:
        args = _sized(cx, name, args, node)
    if name == "MvNormalCanon" and len(args) == 1:
        args = [_zero_mean(cx, name, args[0], node), args[0]]
    family = DISTRIBUTIONS[name]
    given = _with_defaults(cx, family, args, node)
    nodes = [part(node, position) for position in range(len(given))] if len(args) == len(given) else [node] * len(given)
    numbers = [tensor(cx, value, place) for value, place in zip(given, nodes, strict=True)]
    for parameter, value, place in zip(family.parameters, numbers, nodes, strict=True):
        if value.type.element == "text":
            cx.fail(place, f"{name}'s {parameter.name} is a number, found {describe(value)}")
        check_support(cx, name, parameter, value, place)
    return Draw(_family_dist(cx, family, numbers, dotted, node))


def _with_defaults(cx: Context, family: Family, args: Sequence[Value], node: tree.Node) -> list[Value]:
    """The arguments with the defaults of those left out, as Distributions.jl fills them."""
    parameters = family.parameters
    if len(args) > len(parameters):
        cx.fail(node, f"{family.name} takes {_signature(family)}, found {len(args)} arguments")
    if len(args) == 1 and family.name in _OF_ONE_ARGUMENT:
        return _OF_ONE_ARGUMENT[family.name](args[0])
    missing = parameters[len(args) :]
    if any(parameter.default is None for parameter in missing) or len(args) in family.no_method:
        cx.fail(
            node, f"{family.name} takes {_signature(family)}, found {len(args)} argument{'s' if len(args) != 1 else ''}"
        )
    return [*args, *(constant(parameter.default) for parameter in missing if parameter.default is not None)]


def _signature(family: Family) -> str:
    names = ", ".join(parameter.name for parameter in family.parameters)
    return f"({names})" if names else "no arguments"


def _sized(cx: Context, name: str, args: Sequence[Value], node: tree.Node) -> list[Value]:
    """`Dirichlet(d, α)`, `Categorical(k)`, `Multinomial(n, k)`: a size in place of a vector."""
    numbers = [tensor(cx, value, node) for value in args]
    wanted = 1 if name == "Categorical" else 2
    if len(numbers) != wanted or any(value.rank for value in numbers):
        return list(args)
    size = settled_size(cx, numbers[1] if name == "Multinomial" else numbers[0], node)
    if not size.is_data or size.type.element not in ("int", "any") or size.type.loops or size.type.high < 1:
        cx.fail(node, f"{name}'s number of categories is a whole number known from the data, found {describe(size)}")
    axis = cx.axis("category", size)
    if name == "Dirichlet":
        type_ = ir.Type("real", numbers[1].type.loops, (axis,), numbers[1].type.low, numbers[1].type.high)
        return [Tensor(ir.Call("fill", (numbers[1].expr,), type_))]
    share = elementwise(cx, "/", [constant(1.0), size], False, node)
    return [*args[: wanted - 1], Tensor(ir.Call("fill", (share.expr,), ir.Type("real", (), (axis,), 0, 1)))]


def _family_dist(cx: Context, family: Family, args: Sequence[Tensor], dotted: bool, node: tree.Node) -> ir.Dist:
    extra = [arg for parameter, arg in zip(family.parameters, args, strict=True) if arg.rank > parameter.rank]
    for position, (parameter, arg) in enumerate(zip(family.parameters, args, strict=True)):
        if arg.rank < parameter.rank or (arg.rank > parameter.rank and not (dotted and parameter.rank == 0)):
            _wrong_rank(cx, family, parameter, arg, part(node, position))
    collection = broadcast_axes(cx, extra, family.name, node) if extra else ()
    _verify_ordered_bounds(cx, family, args, node)
    low, high = _draw_bounds(family, args)
    return ir.Dist(
        family.name,
        tuple(arg.expr for arg in args),
        family.element,
        cx.loop_axes(arg.type for arg in args),
        event=_event_axes(cx, family, args, node),
        collection=collection,
        low=low,
        high=high,
    )


def _wrong_rank(cx: Context, family: Family, parameter: Parameter, arg: Tensor, node: tree.Node) -> None:
    wanted = ("a number", "a vector", "a matrix")[parameter.rank]
    hint = None
    if parameter.rank == 0:
        hint = (
            f"for one distribution an element, write `{family.name}.(…)` inside `arraydist`, or `MvNormal(μ, σ^2 * I)`"
        )
    cx.fail(node, f"{family.name}'s {parameter.name} is {wanted}, found {describe(arg)}", hint)


def _event_axes(cx: Context, family: Family, args: Sequence[Tensor], node: tree.Node) -> tuple[Axis, ...]:
    if family.event == 0:
        return ()
    if family.parameters[0].name == "d":
        return (cx.axis("dimension", args[0]),) * 2
    sized = [arg for parameter, arg in zip(family.parameters, args, strict=True) if parameter.rank]
    axes = [axis for arg in sized for axis in arg.type.axes]
    known = {axis.size for axis in axes if isinstance(axis.size, int)}
    if len(known) > 1:
        cx.fail(node, f"{family.name}'s arguments do not fit: " + " and ".join(describe(arg) for arg in sized))
    labelled = next((axis for axis in axes if axis.labels), axes[0])
    return (labelled,) * family.event


def _verify_ordered_bounds(cx: Context, family: Family, args: Sequence[Tensor], node: tree.Node) -> None:
    """Refuse `Uniform(2, 1)`."""
    if family.name not in ("Uniform", "DiscreteUniform"):
        return
    low, high = args[0].type.low, args[1].type.high
    if low > high or (low == high and family.element == "real"):
        cx.fail(node, f"{family.name}'s lower bound is not below its upper one: {low:g} and {high:g}", "swap them")


def _draw_bounds(family: Family, args: Sequence[Tensor]) -> tuple[float, float]:
    if family.name in ("Uniform", "DiscreteUniform"):
        return args[0].type.low, args[1].type.high
    if family.name == "Pareto":
        return max(0.0, args[1].type.low), inf
    if family.name == "FlatPos":
        return args[0].type.low, inf
    if family.name == "Dirac":
        return args[0].type.low, args[0].type.high
    if family.upper_parameter is not None:
        return family.low, args[family.upper_parameter].type.high
    if family.name == "Categorical" and isinstance(args[0].type.axes[0].size, int):
        return 1, float(args[0].type.axes[0].size)
    if family.name == "OrderedLogistic" and isinstance(args[1].type.axes[0].size, int):
        return 1, float(args[1].type.axes[0].size + 1)
    return family.low, family.high


def check_support(cx: Context, name: str, parameter: Parameter, value: Tensor, node: tree.Node) -> None:
    """Refuse an argument that is certain, or as drawn free, to leave the parameter's support."""
    low, high = PARAMETER_BOUNDS[parameter.support]
    strict = parameter.support == "positive"
    type_ = value.type
    outside = type_.high < low or type_.low > high or (strict and type_.high <= 0)
    if value.is_data and type_.low > -inf:
        outside = (
            outside or type_.low < low or type_.high > high or (strict and type_.low <= 0 and value.known is not None)
        )
    drawn = _drawn_name(cx, value.expr)
    if parameter.support == "simplex" and drawn is not None and _is_no_simplex(cx, drawn):
        cx.fail(
            node,
            f"{name}'s {parameter.name} must be a vector of probabilities, "
            f"but the entries of `{drawn}` do not add to 1",
            _REMEDIES["simplex"],
        )
    if outside or (drawn is not None and (type_.low < low or type_.high > high)):
        what = f"`{drawn}`" if drawn else "this"
        constant_value = type_.low == type_.high
        range_ = f" is {type_.low:g}" if constant_value else f" ranges over {interval_text((type_.low, type_.high))}"
        wanted = {"unit": "between 0 and 1", "simplex": "a vector of probabilities", "count": "a count"}
        cx.fail(
            node,
            f"{name}'s {parameter.name} must be {wanted.get(parameter.support, parameter.support)}, but {what}{range_}",
            None if constant_value else _REMEDIES.get(parameter.support),
        )
    fault = _fault_of_values(parameter, value)
    if fault is not None:
        cx.fail(node, f"{name}'s {parameter.name} {fault}", _REMEDIES.get(parameter.support))


def _fault_of_values(parameter: Parameter, value: Tensor) -> str | None:
    """What known numbers have against a parameter beside their bounds, as Distributions.jl checks them."""
    if value.known is None or value.type.element not in ("real", "int"):
        return None
    numbers = np.asarray(value.known.values if isinstance(value.known, Array) else value.known, dtype=float)
    if parameter.support == "simplex" and numbers.ndim and not np.isclose(numbers.sum(-1), 1, atol=1e-8).all():
        return f"must be a vector of probabilities, but this adds to {float(numbers.sum(-1).flat[0]):g}"
    if parameter.support == "count" and (numbers != np.round(numbers)).any():
        return f"must be a count, but this is {float(numbers[numbers != np.round(numbers)].flat[0]):g}"
    if parameter.support == "ordered" and numbers.ndim and (np.diff(numbers, axis=-1) <= 0).any():
        return "must increase from each entry to the next"
    return None


def _is_no_simplex(cx: Context, drawn: str) -> bool:
    """Whether a drawn vector has independent entries: such do not add to 1."""
    sample = next((node for node in cx.nodes if isinstance(node, ir.Sample) and node.target == drawn), None)
    return sample is not None and not sample.dist.event and bool(sample.dist.plates)


def _drawn_name(cx: Context, expr: ir.Expr) -> str | None:
    """The name of the drawn variable that an expression is, or is a part of."""
    while isinstance(expr, ir.Gather | ir.Lift | ir.Permute):
        expr = expr.x
    return expr.name if isinstance(expr, ir.Ref) and expr.name in cx.drawn else None


# ── the multivariate normal ──────────────────────────────────────────────────────────────────────────────────────────


def _multivariate(cx: Context, name: str, args: Sequence[Value], node: tree.Node) -> ir.Dist:
    """`MvNormal(μ, Σ)`, `MvNormal(Σ)`, `MvTDist(ν, μ, Σ)`, by the structure of Σ."""
    least, most = (1, 2) if name == "MvNormal" else (2, 3)
    if not least <= len(args) <= most:
        takes = "(μ, Σ) or (Σ)" if name == "MvNormal" else "(ν, μ, Σ) or (ν, Σ)"
        cx.fail(node, f"{name} takes {takes}, found {len(args)} arguments")
    degrees = [] if name == "MvNormal" else [tensor(cx, args[0], node)]
    for value in degrees:
        if value.rank:
            _wrong_rank(cx, DISTRIBUTIONS[name], DISTRIBUTIONS[name].parameters[0], value, node)
        check_support(cx, name, DISTRIBUTIONS[name].parameters[0], value, part(node, 0))
    covariance = args[-1]
    mean = tensor(cx, args[-2], part(node, -2)) if len(args) == most else _zero_mean(cx, name, covariance, node)
    if name == "MvNormal" and mean.rank == 0 and isinstance(mean.known, int) and mean.known > 0:
        mean = _zeros(cx.axis("dimension", mean))
    if mean.rank != 1:
        hint = "for a number, write `Normal(μ, σ)`" if mean.rank == 0 else None
        cx.fail(part(node, -2), f"{name}'s μ is a vector, found {describe(mean)}", hint)
    scales = _independent_scales(cx, covariance, node)
    if scales is not None and name == "MvNormal":
        return independent_normals(cx, mean, scales, node)
    return _dense(cx, name, degrees, mean, covariance, node)


def _zero_mean(cx: Context, name: str, covariance: Value, node: tree.Node) -> Tensor:
    if isinstance(covariance, DiagonalMatrix):
        axis = covariance.diagonal.type.axes[0]
    elif isinstance(covariance, Factorization):
        axis = covariance.lower.type.axes[0]
    elif isinstance(covariance, Tensor) and covariance.rank in ((1, 2) if name == "MvNormal" else (2,)):
        axis = covariance.type.axes[0]
    else:
        cx.fail(node, f"{name} of {describe(covariance)} alone has no length", f"write `{name}(zeros(n), …)`")
    return _zeros(axis)


def _zeros(axis: Axis) -> Tensor:
    return Tensor(ir.Call("zeros", (), ir.Type("real", (), (axis,), 0, 0)))


def _independent_scales(cx: Context, covariance: Value, node: tree.Node) -> Tensor | None:
    """The standard deviations where the covariance is diagonal by its structure."""
    if isinstance(covariance, ScaledIdentity):
        return _square_root(cx, covariance.scale, node)
    if isinstance(covariance, DiagonalMatrix):
        return _square_root(cx, covariance.diagonal, node)
    if isinstance(covariance, Tensor) and covariance.rank < 2:
        return covariance
    return None


def _square_root(cx: Context, variance: Tensor, node: tree.Node) -> Tensor:
    """√v; the σ of a σ² that the author wrote."""
    check_support(cx, "MvNormal", Parameter("variance", "positive"), variance, part(node, -1))
    expr = variance.expr
    if isinstance(expr, ir.Const):
        return constant(sqrt(expr.value))
    if isinstance(expr, ir.Map) and expr.op == "^" and isinstance(expr.args[1], ir.Const) and expr.args[1].value == 2:
        base = expr.args[0]
        return Tensor(base) if base.type.low >= 0 else Tensor(ir.Call("abs", (base,), _positive(base.type)))
    return Tensor(ir.Call("sqrt", (expr,), _positive(expr.type)))


def _positive(type_: ir.Type) -> ir.Type:
    return ir.Type("real", type_.loops, type_.axes, 0, inf)


def independent_normals(cx: Context, mean: Tensor, scales: Tensor, node: tree.Node) -> ir.Dist:
    """Normals along the axis of the mean."""
    check_support(cx, "MvNormal", Parameter("standard deviation", "positive"), scales, part(node, -1))
    axes = broadcast_axes(cx, [mean, scales], "MvNormal", node)
    args = (mean.expr, scales.expr)
    return ir.Dist("Normal", args, loops=cx.loop_axes([mean.type, scales.type]), plates=axes)


def _dense(
    cx: Context, name: str, degrees: Sequence[Tensor], mean: Tensor, covariance: Value, node: tree.Node
) -> ir.Dist:
    if isinstance(covariance, Factorization):
        matrix, form = covariance.lower, "scale_tril"
    else:
        matrix, form = _covariance_matrix(cx, covariance, mean, node), "covariance"
    sizes = {axis.size for value in (mean, matrix) for axis in value.type.axes if isinstance(axis.size, int)}
    if matrix.rank != 2 or len(sizes) > 1:
        cx.fail(
            node,
            f"{name} needs a vector and a square matrix of its length, found {describe(mean)} and {describe(matrix)}",
        )
    if isinstance(covariance, Factorization) and not covariance.matrix:
        cx.fail(node, f"{name}'s Σ is a matrix, found a Cholesky factorisation", "write `PDMat(…)` of it")
    args = [*degrees, mean, matrix]
    axis = mean.type.axes[0]
    event = axis if axis.labels else next((a for a in matrix.type.axes if a.labels), axis)
    return ir.Dist(
        name,
        tuple(arg.expr for arg in args),
        loops=cx.loop_axes(arg.type for arg in args),
        event=(event,),
        options=(("form", form),),
    )


def _covariance_matrix(cx: Context, covariance: Value, mean: Tensor, node: tree.Node) -> Tensor:
    if isinstance(covariance, ScaledIdentity):
        axis = mean.type.axes[0]
        filled = Tensor(
            ir.Call("fill", (covariance.scale.expr,), ir.Type("real", covariance.scale.type.loops, (axis,)))
        )
        return tensor(cx, DiagonalMatrix(filled), node)
    return tensor(cx, covariance, node)
