"""The values of data along loops: what an expression is in every iteration, where data alone decide it.

A vectorised loop has one expression for all its iterations. Where its form depends on the data (`if ismissing(y[i])`,
`y[id .== j]`, `y[first[j]:last[j]]`), the values are computed here, in NumPy with Julia's meaning, before the form is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Context
from mlmdsl.compiler.python_text import numbers_of
from mlmdsl.language import julia
from mlmdsl.language.functions import FUNCTIONS
from mlmdsl.language.julia_values import make_array
from mlmdsl.language.types import MISSING, Array, Scalar, Value

Numbers = npt.NDArray[Any]

MOST_VALUES = 10**8
"""The most values that are computed along loops, for one expression."""


@dataclass(frozen=True)
class Along:
    """Values and a mask of those that are missing: the axes are the loops of `loops`, then the array axes."""

    values: Numbers
    missing: npt.NDArray[np.bool_] | None
    loops: tuple[str, ...]

    @property
    def rank(self) -> int:
        """The number of array axes."""
        return self.values.ndim - len(self.loops)


def values_along(cx: Context, expr: ir.Expr, in_order: bool = False) -> Along | None:
    """The values of an expression in every iteration of its loops; None where they are not known, or too many.

    `in_order`: those of sequential loops too, each along an axis of its own (`variable_of` says whose). What lies outside an
    array is read at its nearest end: whether an index lies inside is judged elsewhere.
    """
    try:
        return _Evaluation(cx, in_order).value(expr)
    except (_Unknown, julia.JuliaError):
        return None


class _Unknown(Exception):
    """Data alone do not tell, or not here."""


class _Evaluation:
    """One evaluation."""

    def __init__(self, cx: Context, in_order: bool) -> None:
        self.cx = cx
        self.in_order = in_order
        self.done: dict[int, Along] = {}

    def value(self, expr: ir.Expr) -> Along:
        """The values of an expression; each is computed once."""
        found = self.done.get(id(expr))
        if found is None:
            rule = _RULES.get(type(expr))
            if rule is None:
                raise _Unknown
            found = self.done[id(expr)] = rule(self, expr)
        return found

    def named(self, name: str) -> Along:
        """The value of a name of the program."""
        known = self.cx.known
        if name in known.ranges and self.in_order:
            steps = known.ranges[name]
            return Along(np.arange(steps.start, steps.stop, steps.step), None, (f"{name}{_IN_ORDER}",))
        if name in known.values:
            return _of_known(known.values[name])
        if name in known.lets:
            return self.value(known.lets[name])
        raise _Unknown


_IN_ORDER = " one by one"


def variable_of(loop: str) -> str | None:
    """The variable of a sequential loop that an axis stands for; None for the axis of a vectorised one."""
    return loop.removesuffix(_IN_ORDER) if loop.endswith(_IN_ORDER) else None


def union_of(expr: ir.Expr, parts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The loops of an expression, then those in order of its parts."""
    own = tuple(axis.name for axis in expr.type.loops)
    return tuple(dict.fromkeys([*own, *(name for part in parts for name in part)]))


def _of_known(known: Array | Scalar) -> Along:
    if isinstance(known, Array):
        return Along(known.values, known.missing, ())
    return Along(np.asarray(known, dtype=object if isinstance(known, str) else None), None, ())


def _const(run: _Evaluation, expr: ir.Const) -> Along:
    return Along(np.asarray(expr.value), None, ())


def _ref(run: _Evaluation, expr: ir.Ref) -> Along:
    if not expr.data:
        raise _Unknown
    return run.named(expr.name)


def _numbers(run: _Evaluation, expr: ir.Numbers) -> Along:
    return Along(
        np.asarray(_values_of(expr.runs), dtype=np.int64).reshape([int(axis.size) for axis in expr.type.axes]), None, ()
    )


@lru_cache(maxsize=64)
def _values_of(runs: str) -> tuple[int, ...]:
    return tuple(numbers_of(runs))


def _counter(run: _Evaluation, expr: ir.Counter) -> Along:
    if not isinstance(expr.axis.size, int) or expr.axis.size > MOST_VALUES:
        raise _Unknown
    start, step = run.value(expr.start), run.value(expr.step)
    if start.loops or step.loops:
        raise _Unknown
    return Along(start.values + step.values * np.arange(expr.axis.size), None, (expr.axis.name,))


def _map(run: _Evaluation, expr: ir.Map) -> Along:
    if len(expr.args) == 1:
        return _elementwise(run, expr, lambda a: julia.unary(expr.op, a, dotted=True))
    return _elementwise(run, expr, lambda a, b: julia.operator(expr.op, a, b, dotted=expr.op != "in"))


def _call(run: _Evaluation, expr: ir.Call) -> Along:
    if expr.function == "text":
        return _of_known(cast(str, dict(expr.options)["text"]))
    if expr.function == "to_int":
        found = run.value(expr.args[0])
        return Along(found.values.astype(np.int64), found.missing, found.loops)
    row = FUNCTIONS.get(expr.function)
    if expr.function == "size":
        size = expr.args[0].type.axes[cast(int, dict(expr.options)["axis"])].size
        return _of_known(size) if isinstance(size, int) else _unknown()
    if row is not None and row.kind == "reduce" and not expr.options and len(expr.args) == 1:
        return _reduced(run, expr)
    if expr.type.loops or (run.in_order and row is not None and row.kind == "elementwise"):
        if row is None or row.kind != "elementwise" or expr.options or row.name not in julia.DATA_FUNCTIONS:
            raise _Unknown
        return _elementwise(run, expr, lambda *args: julia.call(expr.function, args))
    if row is None or row.name not in julia.DATA_FUNCTIONS or expr.options or not expr.args:
        raise _Unknown
    args = [run.value(arg) for arg in expr.args]
    if any(arg.loops for arg in args):
        raise _Unknown
    return _result(julia.call(expr.function, [_julia(arg.values, arg.missing) for arg in args]), (), expr.type.rank)


def _unknown() -> Along:
    raise _Unknown


def _reduced(run: _Evaluation, expr: ir.Call) -> Along:
    """A number of each array."""
    x = run.value(expr.args[0])
    around = x.values.shape[: len(x.loops)]
    if int(np.prod(around, dtype=float)) > _MOST_REDUCED:
        raise _Unknown
    results = [
        julia.call(expr.function, [_julia(x.values[place], None if x.missing is None else x.missing[place])])
        for place in np.ndindex(*around)
    ]
    if any(not isinstance(result, bool | int | float) for result in results):
        raise _Unknown
    return Along(np.asarray(results).reshape(around), None, x.loops)


_MOST_REDUCED = 10**5
"""The most arrays that are reduced one by one."""


def _elementwise(run: _Evaluation, expr: ir.Map | ir.Call, function: Callable[..., Value]) -> Along:
    """A function of numbers, array axes aligned from the first, loops by name."""
    args = [run.value(arg) for arg in expr.args]
    loops = union_of(expr, [arg.loops for arg in args])
    rank = max(arg.rank for arg in args)
    laid = [laid_out(arg, loops, rank) for arg in args]
    shape = np.broadcast_shapes(*(values.shape for values, _ in laid))
    if int(np.prod(shape, dtype=float)) > MOST_VALUES:
        raise _Unknown
    return _result(function(*(_julia(values, missing) for values, missing in laid)), loops, rank)


def laid_out(arg: Along, loops: Sequence[str], rank: int) -> tuple[Numbers, npt.NDArray[np.bool_] | None]:
    """Values along all loops and as many array axes as asked for, of size 1 where they do not vary."""
    shape = [arg.values.shape[arg.loops.index(name)] if name in arg.loops else 1 for name in loops]
    shape += [*arg.values.shape[len(arg.loops) :], *([1] * (rank - arg.rank))]
    order = [arg.loops.index(name) for name in loops if name in arg.loops]
    order += list(range(len(arg.loops), arg.values.ndim))
    missing = None if arg.missing is None else arg.missing.transpose(order).reshape(shape)
    return arg.values.transpose(order).reshape(shape), missing


def _julia(values: Numbers, missing: npt.NDArray[np.bool_] | None) -> Value:
    """Values as the functions on data take them."""
    if values.ndim:
        return make_array(values, None, missing)
    return MISSING if missing is not None and bool(missing) else cast(Scalar, values.item())


def _result(value: Value, loops: tuple[str, ...], rank: int) -> Along:
    if isinstance(value, Array):
        found = Along(value.values, value.missing, loops)
    elif value is MISSING:
        found = Along(np.asarray(np.nan), np.asarray(True), loops)
    elif isinstance(value, bool | int | float | str):
        found = Along(np.asarray(value), None, loops)
    else:
        raise _Unknown
    if found.values.ndim != len(loops) + rank:
        raise _Unknown
    return found


def _gather(run: _Evaluation, expr: ir.Gather) -> Along:
    """Indexing: every item becomes an array of positions along the loops and array axes of the result."""
    x = run.value(expr.x)
    if 0 in x.values.shape:
        raise _Unknown
    sizes = {axis.name: axis.size for axis in expr.type.loops}
    plan: list[tuple[Numbers, tuple[str | int, ...]]] = []
    for name in x.loops:
        plan.append((np.arange(x.values.shape[x.loops.index(name)]), (name,)))
    position = 0
    for place, item in enumerate(expr.index):
        size = x.values.shape[len(x.loops) + place]
        positions, keys = _positions(run, item, size, position, sizes)
        if positions.size and (positions.min() < 0 or positions.max() >= size):
            positions = positions.clip(0, size - 1)
        plan.append((positions, keys))
        position += sum(isinstance(key, int) for key in keys)
    if len(plan) == 1 and _is_walk(plan[0][0], expr.index[0]):
        return _part_of(x, *plan[0])
    loops = union_of(expr, [[key for key in keys if isinstance(key, str)] for _, keys in plan])
    keys_wanted: tuple[str | int, ...] = (*loops, *range(position))
    index = tuple(_spread(positions, keys, keys_wanted) for positions, keys in plan)
    shape = np.broadcast_shapes(*(part.shape for part in index))
    if int(np.prod(shape, dtype=float)) > MOST_VALUES:
        raise _Unknown
    missing = None if x.missing is None else np.asarray(x.missing[index])
    return Along(np.asarray(x.values[index]), missing, loops)


def _is_walk(positions: Numbers, item: ir.IndexItem) -> bool:
    return (
        isinstance(item, ir.Slice) and bool(positions.size) and int(positions[-1] - positions[0]) == positions.size - 1
    )


def _part_of(x: Along, positions: Numbers, keys: tuple[str | int, ...]) -> Along:
    """Neighbours in a vector: a view of it."""
    part = slice(int(positions[0]), int(positions[-1]) + 1)
    loops = tuple(key for key in keys if isinstance(key, str))
    return Along(x.values[part], None if x.missing is None else x.missing[part], loops)


def _positions(
    run: _Evaluation, item: ir.IndexItem, size: int, position: int, sizes: dict[str, int | str]
) -> tuple[Numbers, tuple[str | int, ...]]:
    """0-based positions along one axis, and the axes of the result along which they vary."""
    if isinstance(item, ir.Keep):
        return np.arange(size), (position,)
    if isinstance(item, ir.Slice):
        start = run.value(item.start)
        if start.loops:
            raise _Unknown
        first = int(start.values) - 1
        if item.loop is None:
            return np.arange(first, int(run.value(item.stop).values)), (position,)
        count = sizes[item.loop.name]
        if not isinstance(count, int):
            raise _Unknown
        return first + np.arange(count), (item.loop.name,)
    picked = run.value(item.index)
    if picked.missing is not None and picked.missing.any():
        raise _Unknown
    if picked.values.dtype == bool:
        if picked.loops or picked.values.ndim != 1 or picked.values.size != size:
            raise _Unknown
        return np.flatnonzero(picked.values), (position,)
    if picked.values.dtype.kind != "i":
        raise _Unknown
    return picked.values - 1, (*picked.loops, *range(position, position + picked.rank))


def _spread(positions: Numbers, keys: Sequence[str | int], wanted: Sequence[str | int]) -> Numbers:
    """Positions laid out along all axes of the result."""
    order = [keys.index(key) for key in wanted if key in keys]
    shape = [positions.shape[keys.index(key)] if key in keys else 1 for key in wanted]
    return positions.transpose(order).reshape(shape)


def _stack(run: _Evaluation, expr: ir.Stack) -> Along:
    """Numbers, or arrays, as the items of a first array axis."""
    items = [run.value(item) for item in expr.items]
    loops = union_of(expr, [item.loops for item in items])
    laid = [laid_out(item, loops, expr.type.rank - 1) for item in items]
    if any(missing is not None for _, missing in laid) or not laid:
        raise _Unknown
    return Along(np.stack(np.broadcast_arrays(*(values for values, _ in laid)), len(loops)), None, loops)


def _lift(run: _Evaluation, expr: ir.Lift) -> Along:
    """Loops as the leading array axes."""
    x = run.value(expr.x)
    names = [axis.name for axis in expr.axes]
    sizes = [axis.size for axis in expr.axes]
    if any(not isinstance(size, int) for size in sizes) or prod(cast("list[int]", sizes)) > MOST_VALUES:
        raise _Unknown
    rest = tuple(name for name in x.loops if name not in names)
    values, missing = laid_out(x, (*rest, *names), x.rank)
    shape = (*values.shape[: len(rest)], *cast("list[int]", sizes), *values.shape[len(rest) + len(names) :])
    missing = None if missing is None else np.broadcast_to(missing, shape)
    return Along(np.broadcast_to(values, shape), missing, rest)


def _permute(run: _Evaluation, expr: ir.Permute) -> Along:
    x = run.value(expr.x)
    own = len(x.loops)
    order = [*range(own), *(own + place for place in expr.order)]
    return Along(x.values.transpose(order), None if x.missing is None else x.missing.transpose(order), x.loops)


_RULES: dict[type, Callable[[_Evaluation, Any], Along]] = {
    ir.Const: _const,
    ir.Ref: _ref,
    ir.Numbers: _numbers,
    ir.Counter: _counter,
    ir.Map: _map,
    ir.Call: _call,
    ir.Gather: _gather,
    ir.Lift: _lift,
    ir.Permute: _permute,
    ir.Stack: _stack,
}
