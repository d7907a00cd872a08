"""`target ~ distribution`: an observation where the target is data, else a new parameter.

In a vectorised loop `x[i] ~ d` over all of x is one draw of the whole array; elsewhere it is a draw of one element, at a
site of its own (`x[3]`), and x is updated.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.accumulate import picks_by_loop
from mlmdsl.compiler.along import values_along
from mlmdsl.compiler.combinators import joint
from mlmdsl.compiler.context import Carried, Context
from mlmdsl.compiler.definitions import forget
from mlmdsl.compiler.indexing import gather, lower_items
from mlmdsl.compiler.nested import as_rows
from mlmdsl.compiler.observed import verify_values
from mlmdsl.compiler.operators import tensor
from mlmdsl.compiler.places import Place, find_place, lower_items_of, site_index, site_of_items, target_name
from mlmdsl.compiler.references import change, drawn_array
from mlmdsl.compiler.values import Absent, Draw, Factorization, FamilyName, Tensor, Value, describe, describe_type
from mlmdsl.language import tree
from mlmdsl.language.types import Axis


def lower_tilde(cx: Context, node: tree.Tilde) -> None:
    """One `~` statement."""
    dist = _distribution(cx, node)
    name = target_name(node.target)
    if name is None or (name in cx.arguments and not isinstance(cx.scope.get(name), Absent)):
        _observe(cx, node, dist, name)
        return
    if _is_computed(cx, name):
        cx.computed.add(name)
    if isinstance(node.target, tree.Name):
        _draw_whole(cx, node, dist, name)
    else:
        target = as_rows(cx, name, cast(tree.Index, node.target), dist.axes, node)
        _draw_elements(cx, node, dist, name, target)


def _is_computed(cx: Context, name: str) -> bool:
    """Whether a name that is to be drawn has a value made of the data: who wrote that may take it for an observation."""
    value = cx.scope.get(name)
    if name in cx.arguments or not isinstance(value, Tensor) or not value.is_data:
        return False
    expr = value.expr
    if isinstance(expr, ir.Ref) and expr.name not in cx.arguments:
        expr = cx.known.lets.get(expr.name, expr)
    blank = isinstance(expr, ir.Call) and expr.function in ("zeros", "ones", "fill")
    return not blank and any(isinstance(part, ir.Ref) and part.name in cx.arguments for part in ir.walk(expr))


def _distribution(cx: Context, node: tree.Tilde) -> ir.Dist:
    value = cx.expr(node.distribution)
    if not isinstance(value, Draw):
        cx.fail(
            node.distribution,
            f"`~` needs a distribution on its right, found {describe(value)}",
            f"write `{value.name}(…)`" if isinstance(value, FamilyName) else "write `=` to give a name a value",
        )
    dist = value.dist
    if dist.collection and not node.dotted:
        cx.fail(node.distribution, "this is an array of distributions", "write `.~`, or `arraydist(…)` around it")
    if dist.collection:
        return replace(dist, plates=dist.collection, collection=())
    return dist


# ── observations ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _observe(cx: Context, node: tree.Tilde, dist: ir.Dist, name: str | None) -> None:
    """The data's own density."""
    value = tensor(cx, cx.expr(node.target), node.target)
    if not value.is_data and name not in cx.incomplete:
        cx.fail(node.target, "the left of `~` is a name, an element of an array, or data")
    _give(cx, name or "observed", node)
    if node.dotted and not dist.plates and not dist.event:
        dist = replace(dist, plates=value.type.axes)
    _check_fit(cx, node, dist, value)
    verify_values(cx, node, dist, value, name)
    site = site_index(cx, node.target, value)
    missing = _missing_mask(cx, value, name)
    loops = _loops_of(cx, dist, value.type)
    text = name or cx.fresh("observed")
    cx.nodes.append(
        ir.Sample(
            target=text,
            dist=dist,
            loops=loops,
            site=site,
            type=value.type,
            observed=value.expr,
            missing=missing,
            index=_updated_items(cx, node.target, site, missing, name),
            span=node.span,
        )
    )
    if missing is not None and name is not None:
        _complete(cx, name)


def _complete(cx: Context, name: str) -> None:
    """Data whose missing entries were drawn are no longer data alone."""
    base = cast(Tensor, cx.scope[name])
    new = Tensor(ir.Ref(name, replace(base.type, low=-inf, high=inf)), levels=base.levels)
    change(cx, name, new, keep_levels=True)
    cx.drawn.add(name)


def _updated_items(
    cx: Context, target: tree.Expression, site: ir.SiteIndex | None, missing: ir.Expr | None, name: str | None
) -> tuple[ir.IndexItem, ...]:
    """Where an array of data is completed: nowhere in particular where all of it is observed at once."""
    if missing is None or site is None or name is None or not isinstance(target, tree.Index):
        return ()
    return tuple(lower_items_of(cx, cast(Tensor, cx.scope[name]), target))


def _loops_of(cx: Context, dist: ir.Dist, type_: ir.Type) -> tuple[Axis, ...]:
    around = ir.Type(loops=tuple(loop.axis for loop in cx.loops))
    return cx.loop_axes([around, ir.Type(loops=dist.loops), type_])


def _check_fit(cx: Context, node: tree.Tilde, dist: ir.Dist, value: Tensor) -> None:
    """The shapes of the two sides are one."""
    axes = dist.axes
    if len(axes) != value.rank:
        hint = None
        if not axes and value.rank:
            hint = (
                "write `.~`, or a distribution of the whole: `filldist(d, n)`, `MvNormal(μ, σ^2 * I)`, `arraydist(…)`"
            )
        drawn = describe_type(ir.Type(dist.element, (), axes))
        cx.fail(node, f"the two sides of `~` do not fit: {describe(value)}, and a distribution of {drawn}", hint)
    for mine, theirs in zip(value.type.axes, axes, strict=True):
        if isinstance(mine.size, int) and isinstance(theirs.size, int) and mine.size != theirs.size:
            drawn = describe_type(ir.Type(dist.element, (), axes))
            cx.fail(node, f"the two sides of `~` do not fit: {describe(value)}, and a distribution of {drawn}")


def _missing_mask(cx: Context, value: Tensor, name: str | None) -> ir.Expr | None:
    """The mask of missing entries, indexed as the value is."""
    if name not in cx.incomplete or name is None:
        return None
    mask = values_along(cx, _masked(value.expr, name))
    if mask is not None and mask.values.size and not mask.values.any():
        return None
    return _masked(value.expr, name)


def _masked(expr: ir.Expr, name: str) -> ir.Expr:
    if isinstance(expr, ir.Gather):
        type_ = replace(expr.type, element="bool")
        return replace(expr, x=_masked(expr.x, name), type=type_)
    return ir.Ref(ir.mask_of(name), replace(expr.type, element="bool", low=0, high=1), data=True)


# ── parameters ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _give(cx: Context, name: str, node: tree.Tilde) -> None:
    """Note that a variable got its distribution; twice is an error."""
    key = _place_key(cx, node.target)
    if (name, key) in cx.given or (key is not None and (name, None) in cx.given):
        cx.fail(node, f"`{name}` has two distributions: it was given one further up", "give each variable one `~`")
    cx.given.add((name, key))


def _place_key(cx: Context, target: tree.Expression) -> object:
    """What tells places of one array apart: constants, and by which loops around an index moves."""
    if not isinstance(target, tree.Index):
        return None
    around = (*(loop.axis.name for loop in cx.loops), *cx.sequential, *cx.unrolled)
    return (*(item.value if isinstance(item, tree.Number) else item for item in target.indices), around)


def _draw_whole(cx: Context, node: tree.Tilde, dist: ir.Dist, name: str) -> None:
    """`x ~ d`: a new parameter."""
    if cx.loops or cx.sequential:
        cx.fail(
            node, f"`{name}` would be drawn anew in each iteration", f"index it by the loop's variable: `{name}[i] ~ …`"
        )
    if node.dotted:
        existing = cx.scope.get(name)
        if not dist.plates and isinstance(existing, Tensor) and existing.rank:
            dist = replace(dist, plates=existing.type.axes)
        elif not dist.plates:
            cx.fail(node, f"how many `{name}` there are is not known", f"write `{name} ~ filldist(…, n)`")
    _give(cx, name, node)
    type_ = _drawn_type(dist, dist.axes)
    cx.nodes.append(ir.Sample(target=name, dist=dist, type=type_, span=node.span))
    _define_drawn(cx, name, dist, type_)


def _drawn_type(dist: ir.Dist, axes: tuple[Axis, ...]) -> ir.Type:
    return ir.Type(dist.element, (), axes, dist.low, dist.high)


def _define_drawn(cx: Context, name: str, dist: ir.Dist, type_: ir.Type) -> None:
    value: Value = drawn_array(cx, Tensor(ir.Ref(name, type_)))
    if dist.family == "LKJCholesky":
        value = Factorization(cast(Tensor, value))
    cx.scope[name] = value
    cx.names.add(name)
    cx.drawn.add(name)
    cx.drawn_names.add(name)


def _draw_elements(cx: Context, node: tree.Tilde, dist: ir.Dist, name: str, target: tree.Index) -> None:
    """`x[i] ~ d`, `x[i, :] ~ d`, `x[1] ~ d`."""
    base = cx.scope.get(name)
    if node.dotted and not dist.axes:
        dist = _spread(cx, node, dist, base, target)
    place = find_place(cx, node, dist, base, target)
    if place.complete:
        _give(cx, name, node)
        whole = _whole_dist(cx, dist, place)
        type_ = _drawn_type(whole, place.axes)
        cx.nodes.append(ir.Sample(target=name, dist=whole, type=type_, span=node.span))
        _define_drawn(cx, name, replace(whole, family="" if whole.family == "LKJCholesky" else whole.family), type_)
        return
    if picks_by_loop(place.items):
        raise Carried
    if not isinstance(base, Tensor):
        cx.fail(node, f"`{name}` has no length yet", f"write `{name} = Vector{{Float64}}(undef, n)` before")
    _give(cx, name, node)
    _draw_part(cx, node, dist, name, base, place, target)


def _spread(cx: Context, node: tree.Tilde, dist: ir.Dist, base: Value | None, target: tree.Index) -> ir.Dist:
    if not isinstance(base, Tensor):
        cx.fail(node, "how many there are is not known", "write `filldist(…, n)`")
    part = gather(cx, base, lower_items(cx, base, target.indices), node)
    return replace(dist, plates=part.type.axes)


def _whole_dist(cx: Context, dist: ir.Dist, place: Place) -> ir.Dist:
    """The distribution of the whole array: the loops become plates, in the order of the index."""
    if dist.family == "stacked":
        dist = joint(dist)
    loops = {item.loop.name: item.loop for item in place.items if isinstance(item, ir.Slice) and item.loop}
    order = [item.loop if isinstance(item, ir.Slice) and item.loop else None for item in place.items]
    kept = [axis for axis, loop in zip(place.axes, order, strict=True) if loop is None]
    rest = tuple(axis for axis in dist.loops if axis.name not in loops)
    walked = tuple(loop for loop in order if loop is not None)
    if not dist.event:
        queue = list(kept)
        plates = tuple(loop if loop is not None else queue.pop(0) for loop in order)
        return replace(dist, loops=rest, plates=plates, walked=dist.walked | loops.keys())
    first_event = next(k for k, loop in enumerate(order) if loop is None)
    last_loop = max((k for k, loop in enumerate(order) if loop is not None), default=-1)
    columns = last_loop > first_event
    return replace(dist, loops=rest, plates=(*walked, *dist.plates), walked=dist.walked | loops.keys(), columns=columns)


def _draw_part(
    cx: Context, node: tree.Tilde, dist: ir.Dist, name: str, base: Tensor, place: Place, target: tree.Index
) -> None:
    """Some elements of an array that is there already."""
    type_ = replace(
        base.type, element=dist.element, low=min(base.type.low, dist.low), high=max(base.type.high, dist.high)
    )
    if base.is_data and isinstance(base.expr, ir.Ref | ir.Call) and not base.expr.type.loops and _is_blank(base.expr):
        type_ = replace(type_, low=dist.low, high=dist.high)
    ref = base.expr.name if isinstance(base.expr, ir.Ref) and not base.expr.data else None
    if (ref is None or ref != name) and getattr(base.expr, "name", None) != name:
        cx.nodes.append(ir.Let(name=name, value=base.expr, span=node.span))
    loops = _loops_of(cx, dist, ir.Type())
    rank = sum(isinstance(item, ir.Keep) for item in place.items)
    drawn = ir.Type(dist.element, loops, dist.axes[:rank], dist.low, dist.high)
    cx.nodes.append(
        ir.Sample(
            target=name,
            dist=dist,
            loops=loops,
            site=site_of_items(cx, place.items, place.axes),
            index=place.items,
            type=drawn,
            span=node.span,
        )
    )
    change(cx, name, Tensor(ir.Ref(name, type_)))
    drawn_array(cx, cast(Tensor, cx.scope[name]))
    forget(cx, name)
    cx.names.add(name)
    cx.drawn.add(name)
    cx.drawn_names.add(name)


def _is_blank(expr: ir.Expr) -> bool:
    return isinstance(expr, ir.Call) and expr.function == "zeros"
