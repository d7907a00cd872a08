"""What a distribution says of a value: its density, its distribution function and both tails, its quantiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.calls import call_function
from mlmdsl.compiler.context import Context, part
from mlmdsl.compiler.elementwise import broadcast_axes
from mlmdsl.compiler.labels import verify_order
from mlmdsl.compiler.operators import tensor
from mlmdsl.compiler.values import Draw, Tensor, Value, describe
from mlmdsl.language import tree
from mlmdsl.language.functions import FUNCTIONS, Function

Keywords = Mapping[str, Value]
Rule = Callable[[Context, Function, Sequence[Value], Keywords, tree.Node], Value]

_BOUNDS = {"cdf": (0.0, 1.0), "ccdf": (0.0, 1.0), "logcdf": (-inf, 0.0), "logccdf": (-inf, 0.0), "pdf": (0.0, inf)}
DOTTED_DENSITIES = frozenset({"logpdf", "pdf", "quantile"} | _BOUNDS.keys())
"""Those that are applied to each element with a dot."""

_WITHOUT_TAILS = frozenset({"Flat", "FlatPos"})
"""Improper: no probability is below a value."""

QUANTILES = frozenset(
    {"Normal", "Cauchy", "Laplace", "Logistic", "Gumbel", "Uniform", "Exponential", "LogNormal", "Weibull", "Pareto"}
)
"""Families whose quantiles have a closed form."""


def dotted_density(cx: Context, row: Function, args: Sequence[Value], node: tree.Node) -> Value:
    """`logpdf.(d, x)`, `cdf.(d, x)`: one number for each element."""
    if row.name == "pdf":
        return _exponential(cx, _log_density(cx, args, node, summed=False), True, node)
    if row.name == "logpdf":
        return _log_density(cx, args, node, summed=False)
    return _of_one_number(cx, row, args, True, node)


def _density(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    dist = args[0].dist if isinstance(args[0], Draw) else None
    rank = args[1].rank if isinstance(args[1], Tensor) else 0
    if row.name == "loglikelihood" and dist is not None and not dist.event and rank > len(dist.axes):
        each = _log_density(cx, args, node, summed=False)
        return call_function(cx, FUNCTIONS["sum"], [each], {}, False, node)
    logarithm = _log_density(cx, args, node, summed=True)
    return _exponential(cx, logarithm, False, node) if row.name == "pdf" else logarithm


def _exponential(cx: Context, value: Value, dotted: bool, node: tree.Node) -> Value:
    return call_function(cx, FUNCTIONS["exp"], [value], {}, dotted, node)


def _dist(cx: Context, name: str, value: Value, node: tree.Node) -> ir.Dist:
    if not isinstance(value, Draw):
        cx.fail(part(node, 0), f"{name} takes a distribution first, found {describe(value)}")
    return value.dist


def _log_density(cx: Context, args: Sequence[Value], node: tree.Node, summed: bool) -> Value:
    """`logpdf(d, x)`: a number; `logpdf.(d, x)`: one for each element."""
    dist, value = _dist(cx, "logpdf", args[0], node), tensor(cx, args[1], node)
    verify_order(cx, dist, value, part(node, 1))
    axes = dist.plates or dist.collection or (value.type.axes if not dist.event else ())
    if summed and not dist.plates and not dist.event and value.rank:
        cx.fail(node, f"this distribution is of a number, found {describe(value)}", "write `logpdf.(d, x)`")
    loops = cx.loop_axes([ir.Type(loops=dist.loops), value.type])
    type_ = ir.Type("real", loops, () if summed else axes, -inf, inf)
    options = (("summed", summed), ("plates", len(axes)))
    return Tensor(ir.Call("logpdf", (cast(ir.Expr, dist), value.expr), type_, options))


def _tails(cx: Context, row: Function, args: Sequence[Value], keywords: Keywords, node: tree.Node) -> Value:
    """`cdf(d, x)`, `ccdf`, `logcdf`, `logccdf`: P(X ≤ x), P(X > x) and their logarithms."""
    return _of_one_number(cx, row, args, False, node)


def quantile_of(cx: Context, row: Function, args: Sequence[Value], node: tree.Node) -> Value:
    """`quantile(d, p)`: the value below which the probability is p."""
    return _of_one_number(cx, row, args, False, node)


def _of_one_number(cx: Context, row: Function, args: Sequence[Value], dotted: bool, node: tree.Node) -> Value:
    dist, value = _dist(cx, row.name, args[0], node), tensor(cx, args[1], part(node, 1))
    verify_order(cx, dist, value, part(node, 1))
    _verify_family(cx, row.name, dist, node)
    if not dotted and (dist.collection or value.rank):
        found = describe(value) if value.rank else "an array of distributions"
        cx.fail(node, f"{row.name} is of one distribution at one number, found {found}", f"write `{row.name}.(d, x)`")
    stand_in = Tensor(ir.Const(0, ir.Type("real", (), dist.collection)))
    axes = broadcast_axes(cx, [stand_in, value], row.name, node)
    loops = cx.loop_axes([ir.Type(loops=dist.loops), value.type])
    low, high = _BOUNDS.get(row.name, (dist.low, dist.high))
    name = "quantile_of" if row.name == "quantile" else row.name
    options = (("summed", False), ("plates", len(axes)))
    return Tensor(ir.Call(name, (cast(ir.Expr, dist), value.expr), ir.Type("real", loops, axes, low, high), options))


def _verify_family(cx: Context, name: str, dist: ir.Dist, node: tree.Node) -> None:
    """Refuse what has no distribution function, or no quantiles in closed form."""
    where = part(node, 0)
    if dist.event or dist.plates:
        cx.fail(where, f"{name} is of a distribution of one number", f"for several, write `{name}.(ds, x)`")
    if name == "quantile" and dist.family not in QUANTILES:
        cx.fail(
            where,
            f"quantile of a distribution is there for {', '.join(sorted(QUANTILES))}, found `{dist.family}`",
            "compute it in closed form where there is one",
        )
    if _base_of(dist).family in _WITHOUT_TAILS:
        cx.fail(where, f"`{_base_of(dist).family}` has no distribution function: it is improper")


def _base_of(dist: ir.Dist) -> ir.Dist:
    """The distribution that is truncated, shifted or scaled."""
    inner = next((arg for arg in dist.args if isinstance(arg, ir.Dist)), None)
    return dist if inner is None else _base_of(inner)


DENSITIES: dict[str, Rule] = {
    "logpdf": _density,
    "loglikelihood": _density,
    "pdf": _density,
    **dict.fromkeys(("cdf", "ccdf", "logcdf", "logccdf"), _tails),
}
"""The rules by the function's name."""
