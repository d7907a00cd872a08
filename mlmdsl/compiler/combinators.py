"""Distributions of distributions: truncated, censored, filldist, arraydist, mixtures, ordered, affine forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.bounds import bounds_of
from mlmdsl.compiler.context import Context, keyword_part, part
from mlmdsl.compiler.elementwise import broadcast_axes, constant, elementwise
from mlmdsl.compiler.families import check_support, family_draw
from mlmdsl.compiler.operators import tensor, unary
from mlmdsl.compiler.parts import settled_size, verify_size
from mlmdsl.compiler.values import (
    Draw,
    FamilyName,
    Nothing,
    Tensor,
    TupleValue,
    TypeName,
    Value,
    describe,
    describe_type,
)
from mlmdsl.language import tree
from mlmdsl.language.distributions import DISTRIBUTIONS, Parameter
from mlmdsl.language.errors import did_you_mean
from mlmdsl.language.types import Axis

Keywords = Mapping[str, Value]


def combine(cx: Context, name: str, args: Sequence[Value], keywords: Keywords, dotted: bool, node: tree.Node) -> Value:
    """A call of a combinator."""
    if name in ("truncated", "Truncated", "censored"):
        return _bounded(cx, name.lower(), args, keywords, dotted, node)
    if keywords:
        unknown = next(iter(keywords))
        cx.fail(keyword_part(node, unknown), f"{name} takes no keyword `{unknown}`", "its arguments are positional")
    if name == "filldist":
        return _fill(cx, args, node)
    if name in ("arraydist", "product_distribution", "Product"):
        return _array(cx, name, args, node)
    if name in ("MixtureModel", "UnivariateMixture"):
        return _mixture(cx, args, node)
    if name == "ordered":
        return _ordered(cx, "ordered", _draw(cx, _only(cx, name, args, node), name, node), node)
    if name == "OrderedBijector":
        return FamilyName("OrderedBijector")
    if name == "transformed":
        return _transformed(cx, args, node)
    return _location_scale(cx, args, dotted, node)


def _only(cx: Context, name: str, args: Sequence[Value], node: tree.Node) -> Value:
    if len(args) != 1:
        cx.fail(node, f"{name} takes one argument, found {len(args)}")
    return args[0]


def _draw(cx: Context, value: Value, name: str, node: tree.Node) -> ir.Dist:
    if isinstance(value, Draw):
        return value.dist
    return cast(ir.Dist, cx.fail(node, f"{name} needs a distribution, found {describe(value)}"))


def _univariate(cx: Context, value: Value, name: str, node: tree.Node) -> ir.Dist:
    dist = _draw(cx, value, name, node)
    if dist.event or dist.plates:
        cx.fail(node, f"{name} needs a distribution of one number", f"apply {name} inside `filldist` or `arraydist`")
    return dist


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _bounded(cx: Context, name: str, args: Sequence[Value], keywords: Keywords, dotted: bool, node: tree.Node) -> Draw:
    """`truncated(d; lower, upper)`, `truncated(d, l, u)`, `censored(…)` likewise."""
    for keyword in keywords:
        if keyword not in ("lower", "upper"):
            offered = did_you_mean(keyword, ("lower", "upper")) or "its keywords are `lower` and `upper`"
            cx.fail(keyword_part(node, keyword), f"{name} has no keyword `{keyword}`", offered)
    if not args or len(args) not in (1, 3):
        cx.fail(node, f"{name} takes (d; lower, upper) or (d, lower, upper), found {len(args)} arguments")
    base = _univariate(cx, args[0], name, part(node, 0))
    if base.family in ("Flat", "FlatPos"):
        cx.fail(part(node, 0), f"`{base.family}` has no distribution function: it cannot be cut", "write `FlatPos(l)`")
    lower, upper = (args[1], args[2]) if len(args) == 3 else (keywords.get("lower"), keywords.get("upper"))
    low, high = _bound(cx, lower, -inf, node), _bound(cx, upper, inf, node)
    if isinstance(low.known, int | float) and isinstance(high.known, int | float) and low.known >= high.known:
        cx.fail(node, f"the lower bound {low.known:g} is not below the upper bound {high.known:g}", "swap them")
    collection = base.collection
    if dotted or low.rank or high.rank:
        collection = broadcast_axes(cx, [_stand_in(base.collection), low, high], name, node)
    return Draw(
        replace(
            base,
            family=name,
            args=(replace(base, collection=()), low.expr, high.expr),
            options=(),
            loops=cx.loop_axes([ir.Type(loops=base.loops), low.type, high.type]),
            collection=collection,
            low=max(base.low, low.type.low),
            high=min(base.high, high.type.high),
        )
    )


def _bound(cx: Context, value: Value | None, default: float, node: tree.Node) -> Tensor:
    if value is None or isinstance(value, Nothing):
        return constant(default)
    bound = tensor(cx, value, node)
    infinite = isinstance(bound.known, float) and bound.known in (-inf, inf)
    return constant(cast(float, bound.known)) if infinite else bound


def _stand_in(axes: tuple[Axis, ...]) -> Tensor:
    """A tensor that has these axes, to broadcast with."""
    return Tensor(ir.Const(0, ir.Type("real", (), axes)))


# ── arrays of draws ──────────────────────────────────────────────────────────────────────────────────────────────────


def _fill(cx: Context, args: Sequence[Value], node: tree.Node) -> Draw:
    """`filldist(d, n…)`: independent copies of d."""
    if len(args) < 2:
        cx.fail(node, "filldist takes a distribution and at least one size: `filldist(Normal(0, 1), n)`")
    base = _draw(cx, args[0], "filldist", part(node, 0))
    if base.collection:
        cx.fail(part(node, 0), "filldist repeats one distribution, found an array of them", "write `arraydist(…)`")
    axes = _axes_of_sizes(cx, args[1:], node)
    if not base.event and not base.plates:
        return Draw(replace(base, plates=axes))
    return Draw(_columns(base, axes))


def filled_draw(cx: Context, args: Sequence[Value], node: tree.Node) -> Draw:
    """`fill(d, n…)`: an array of equal distributions."""
    base = _draw(cx, args[0], "fill", node)
    if base.collection or len(args) < 2:
        cx.fail(node, "fill takes one distribution and at least one size: `fill(Normal(0, 1), n)`")
    return Draw(replace(joint(base), collection=_axes_of_sizes(cx, args[1:], node)))


def _axes_of_sizes(cx: Context, args: Sequence[Value], node: tree.Node) -> tuple[Axis, ...]:
    sizes = [_size(cx, value, node) for value in args]
    names = [_size_name(size, position) for position, size in enumerate(sizes)]
    return tuple(cx.axis(name, size) for name, size in zip(names, sizes, strict=True))


def _size(cx: Context, value: Value, node: tree.Node) -> Tensor:
    size = settled_size(cx, tensor(cx, value, node), node)
    if size.rank or size.type.loops or not size.is_data or size.type.element not in ("int", "any"):
        cx.fail(node, f"a size is a whole number known from the data, found {describe(size)}")
    if isinstance(size.known, int) and size.known < 0:
        cx.fail(node, f"a size is not negative, found {size.known}")
    verify_size(cx, size, node)
    return size


def _size_name(size: Tensor, position: int) -> str:
    if isinstance(size.expr, ir.Ref):
        return size.expr.name
    known = size.known if isinstance(size.known, int) else None
    return f"of_{known}" if known is not None else f"axis_{position + 1}"


def _columns(base: ir.Dist, axes: tuple[Axis, ...]) -> ir.Dist:
    """Copies of a vector distribution: the columns of a matrix."""
    return replace(joint(base), plates=axes, columns=True)


def joint(base: ir.Dist) -> ir.Dist:
    """A distribution of arrays as one of whole draws: its plates become axes of the event."""
    if not base.plates:
        return base
    return replace(base, family="independent", args=(base,), plates=(), event=base.axes, columns=False, options=())


def _array(cx: Context, name: str, args: Sequence[Value], node: tree.Node) -> Draw:
    """`arraydist(ds)`: the distributions of an array, independent of each other."""
    if len(args) != 1 and all(isinstance(arg, Draw) for arg in args):
        args = [TupleValue(tuple(args))]
    value = _only(cx, name, args, node)
    if isinstance(value, TupleValue) and value.items:
        value = Draw(_stacked(cx, [_draw(cx, item, name, node) for item in value.items], node))
    dist = _draw(cx, value, name, node)
    if not dist.collection:
        cx.fail(
            node,
            f"{name} needs an array of distributions, found one",
            f"write `{name}([Normal(μ[i], σ) for i in 1:n])`, `{name}(Normal.(μ, σ))`, or `filldist(d, n)`",
        )
    whole = replace(dist, collection=())
    if not whole.event and not whole.plates:
        return Draw(replace(whole, plates=dist.collection))
    return Draw(_columns(whole, dist.collection))


def _stacked(cx: Context, dists: Sequence[ir.Dist], node: tree.Node) -> ir.Dist:
    """Distributions written one by one, as an array: one family with stacked arguments, or a mixed stack."""
    axis = cx.axis("item", constant(len(dists)))
    first = dists[0]
    loops = cx.loop_axes(ir.Type(loops=dist.loops) for dist in dists)
    low, high = min(dist.low for dist in dists), max(dist.high for dist in dists)
    element = "int" if all(dist.element == "int" for dist in dists) else "real"
    alike = all(_same_shape(first, dist) for dist in dists)
    if alike:
        arguments = zip(*(cast(tuple[ir.Expr, ...], dist.args) for dist in dists), strict=True)
        args = tuple(_stack(cx, argument, axis) for argument in arguments)
        return replace(first, args=args, loops=loops, collection=(axis,), low=low, high=high)
    if any(dist.collection for dist in dists):
        cx.fail(node, "an array of distributions is made of distributions, found an array of them in it")
    parts = tuple(joint(dist) for dist in dists)
    event = _event_of(cx, parts, node)
    return ir.Dist(
        "stacked", (parts,), cast(ir.Element, element), loops, event=event, collection=(axis,), low=low, high=high
    )


def _event_of(cx: Context, parts: Sequence[ir.Dist], node: tree.Node) -> tuple[Axis, ...]:
    """The axes of a draw, which are those of every part's."""
    shapes = [describe_type(ir.Type(dist.element, (), dist.event)) for dist in parts]
    for dist, shape in zip(parts[1:], shapes[1:], strict=True):
        sizes = zip(parts[0].event, dist.event, strict=False)
        differ = any(isinstance(a.size, int) and isinstance(b.size, int) and a.size != b.size for a, b in sizes)
        if differ or len(dist.event) != len(parts[0].event):
            cx.fail(node, f"these distributions differ in shape: one of {shapes[0]}, one of {shape}")
    return parts[0].event


def _same_shape(first: ir.Dist, other: ir.Dist) -> bool:
    simple = not (other.event or other.plates or other.collection)
    plain = all(not isinstance(arg, ir.Dist | tuple) and arg.type.rank == 0 for arg in other.args)
    return simple and plain and first.family == other.family and first.options == other.options and bool(other.args)


def _stack(cx: Context, items: Sequence[ir.Expr], axis: Axis) -> ir.Expr:
    loops = cx.loop_axes(item.type for item in items)
    low, high = min(item.type.low for item in items), max(item.type.high for item in items)
    return ir.Stack(tuple(items), ir.Type("real", loops, (axis,), low, high))


# ── mixtures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _mixture(cx: Context, args: Sequence[Value], node: tree.Node) -> Draw:
    """`MixtureModel(ds, w)`, `MixtureModel(Normal, [(μ₁, σ₁), …], w)`."""
    if args and isinstance(args[0], FamilyName | TypeName):
        args = _mixture_of_family(cx, args, node)
    if not 1 <= len(args) <= 2:
        cx.fail(node, f"MixtureModel takes (components, weights), found {len(args)} arguments")
    components = _components(cx, args[0], node)
    count: Axis = (
        components[0].collection[0]
        if len(components) == 1 and components[0].collection
        else cx.axis("component", constant(len(components)))
    )
    weights = _weights(cx, args[1] if len(args) == 2 else None, count, node)
    loops = cx.loop_axes([*(ir.Type(loops=dist.loops) for dist in components), weights.type])
    element = "int" if all(dist.element == "int" for dist in components) else "real"
    low, high = min(dist.low for dist in components), max(dist.high for dist in components)
    event = _event_of(cx, components, node)
    return Draw(
        ir.Dist(
            "mixture",
            (tuple(components), weights.expr),
            cast(ir.Element, element),
            loops,
            event=event,
            low=low,
            high=high,
        )
    )


def _mixture_of_family(cx: Context, args: Sequence[Value], node: tree.Node) -> list[Value]:
    if not isinstance(args[0], FamilyName) or args[0].name not in DISTRIBUTIONS:
        cx.fail(part(node, 0), f"MixtureModel needs a distribution's name, found {describe(args[0])}")
    name = args[0].name
    if len(args) > 1 and isinstance(args[1], Tensor) and args[1].rank == 1:
        return [family_draw(cx, name, args[1:2], True, node), *args[2:]]
    if len(args) < 2 or not isinstance(args[1], TupleValue):
        cx.fail(node, f"MixtureModel({name}, …) takes a vector of parameter tuples: `[(0.0, 1.0), (3.0, 1.0)]`")
    draws = []
    for item in args[1].items:
        parameters = item.items if isinstance(item, TupleValue) else (item,)
        draws.append(family_draw(cx, name, parameters, False, node))
    return [TupleValue(tuple(draws)), *args[2:]]


def _components(cx: Context, value: Value, node: tree.Node) -> list[ir.Dist]:
    if isinstance(value, TupleValue):
        dists = [joint(_draw(cx, item, "MixtureModel", node)) for item in value.items]
        if not dists or any(dist.collection for dist in dists):
            cx.fail(node, "MixtureModel mixes distributions of one number or one array each")
        return dists
    whole = _draw(cx, value, "MixtureModel", node)
    if len(whole.collection) != 1:
        cx.fail(node, "MixtureModel needs a vector of distributions", "write `[d₁, d₂]` or `Normal.(μ, σ)`")
    return [replace(joint(replace(whole, collection=())), collection=whole.collection)]


def _weights(cx: Context, value: Value | None, axis: Axis, node: tree.Node) -> Tensor:
    if value is None:
        size = axis.size if isinstance(axis.size, int) else 1
        return Tensor(ir.Call("fill", (constant(1 / size).expr,), ir.Type("real", (), (axis,), 0, 1)))
    weights = tensor(cx, value, node)
    if weights.rank != 1:
        cx.fail(node, f"the weights of a mixture are a vector, found {describe(weights)}")
    found = weights.type.axes[0].size
    if isinstance(found, int) and isinstance(axis.size, int) and found != axis.size:
        cx.fail(node, f"a mixture needs one weight a component: {axis.size} components, {found} weights")
    check_support(cx, "MixtureModel", Parameter("weights", "simplex", 1), weights, node)
    return weights


# ── transformations ──────────────────────────────────────────────────────────────────────────────────────────────────


def _ordered(cx: Context, family: str, base: ir.Dist, node: tree.Node) -> Draw:
    if len(base.axes) != 1 or base.collection:
        cx.fail(
            node, "an ordered distribution is made of a distribution of vectors: `ordered(filldist(Normal(0, 1), n))`"
        )
    if base.low > -inf or base.high < inf:
        cx.fail(
            node,
            "an ordered distribution is made of one over all real vectors, this one is bounded",
            "order an unbounded distribution, such as `filldist(Normal(0, 1), n)`",
        )
    low = -inf
    return Draw(ir.Dist(family, (base,), loops=base.loops, event=base.axes, low=low))


def _transformed(cx: Context, args: Sequence[Value], node: tree.Node) -> Draw:
    bijector = args[1] if len(args) == 2 else None
    if not (isinstance(bijector, FamilyName) and bijector.name == "OrderedBijector"):
        cx.fail(node, "transformed takes a distribution and a bijector", "write `transformed(d, OrderedBijector())`")
    return _ordered(cx, "pushed_ordered", _draw(cx, args[0], "transformed", node), node)


def _location_scale(cx: Context, args: Sequence[Value], dotted: bool, node: tree.Node) -> Draw:
    """`LocationScale(μ, σ, d)`: the distribution of μ + σX."""
    if len(args) != 3:
        cx.fail(node, f"LocationScale takes (μ, σ, d), found {len(args)} arguments")
    location, scale = tensor(cx, args[0], node), tensor(cx, args[1], node)
    return _affine(cx, location, scale, _univariate(cx, args[2], "LocationScale", node), dotted, node)


def affine(cx: Context, op: str, left: Value, right: Value, dotted: bool, node: tree.Node) -> Draw:
    """`d * s`, `s * d`, `d / s`, `μ + d`, `d - μ`: affine forms of a distribution."""
    if isinstance(left, Draw) and isinstance(right, Draw):
        cx.fail(node, f"`{op}` of two distributions has no meaning here", "draw from each, then combine the values")
    draw, other = (left, right) if isinstance(left, Draw) else (right, left)
    base = _univariate(cx, draw, f"`{op}`", node)
    number = tensor(cx, other, node)
    zero, one = constant(0), constant(1)
    if op == "*":
        return _affine(cx, zero, number, base, dotted, node)
    if op == "/" and isinstance(left, Draw):
        return _affine(cx, zero, elementwise(cx, "/", [one, number], True, node), base, dotted, node)
    if op == "+":
        return _affine(cx, number, one, base, dotted, node)
    if op == "-" and isinstance(left, Draw):
        return _affine(cx, cast(Tensor, unary(cx, "-", number, True, node)), one, base, dotted, node)
    if op == "-":
        return _affine(cx, number, constant(-1), base, dotted, node)
    return cast(Draw, cx.fail(node, f"`{op}` does not apply to a distribution", "affine forms are `μ + σ * d`"))


def _affine(cx: Context, location: Tensor, scale: Tensor, base: ir.Dist, dotted: bool, node: tree.Node) -> Draw:
    """μ + σX; affine forms of affine forms are one."""
    if (location.rank or scale.rank) and not dotted:
        cx.fail(node, "a vector with one distribution needs a dot", "write `.+`, `.*` or `LocationScale.(…)`")
    if scale.known == 0:
        cx.fail(node, "a distribution times 0 is no distribution", "write `Dirac(x)` for a fixed value")
    if base.family == "affine" and location.known == 0 or base.family == "affine" and scale.known == 1:
        location, scale, base = _merged(cx, location, scale, base, node)
    collection = broadcast_axes(cx, [_stand_in(base.collection), location, scale], "LocationScale", node)
    loops = cx.loop_axes([ir.Type(loops=base.loops), location.type, scale.type])
    low, high = _affine_bounds(location, scale, base)
    inner = replace(base, collection=())
    return Draw(
        replace(
            base,
            family="affine",
            args=(location.expr, scale.expr, inner),
            loops=loops,
            options=(),
            collection=collection,
            low=low,
            high=high,
        )
    )


def _merged(
    cx: Context, location: Tensor, scale: Tensor, base: ir.Dist, node: tree.Node
) -> tuple[Tensor, Tensor, ir.Dist]:
    """a + b(μ + σX) as (a + bμ) + (bσ)X."""
    inner_location, inner_scale = (Tensor(cast(ir.Expr, arg)) for arg in base.args[:2])
    shifted = location
    if not (isinstance(inner_location.expr, ir.Const) and inner_location.expr.value == 0):
        moved = elementwise(cx, "*", [scale, inner_location], True, node)
        shifted = moved if location.known == 0 else elementwise(cx, "+", [location, moved], True, node)
    scaled = inner_scale if scale.known == 1 else elementwise(cx, "*", [scale, inner_scale], True, node)
    return shifted, scaled, replace(cast(ir.Dist, base.args[2]), collection=base.collection)


def _affine_bounds(location: Tensor, scale: Tensor, base: ir.Dist) -> tuple[float, float]:
    spread = bounds_of("*", [(scale.type.low, scale.type.high), (base.low, base.high)])
    low, high = bounds_of("+", [(location.type.low, location.type.high), spread])
    return low, high
