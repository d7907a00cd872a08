"""The values of data along loops: what an expression is in every iteration, where data alone decide it.

A vectorised loop has one expression for all its iterations. Where its form depends on the data (`if ismissing(y[i])`,
`y[id .== j]`, `y[first[j]:last[j]]`), the values are computed here, in NumPy with Julia's meaning, before the form is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import Context
from mlmdsl.compiler.values import Tensor
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


def values_along(cx: Context, expr: ir.Expr) -> Along | None:
    """The values of an expression in every iteration of its loops; None where they are not known, or too many."""
    try:
        return _Evaluation(cx).value(expr)
    except (_Unknown, julia.JuliaError):
        return None


class _Unknown(Exception):
    """Data alone do not tell, or not here."""


class _Evaluation:
    """One evaluation; `named` are the values of the names of the program."""

    def __init__(self, cx: Context) -> None:
        self.cx = cx
        self.named: dict[str, Array | Scalar] | None = None
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

    def lookup(self, name: str) -> Array | Scalar:
        """The value of a name of the program."""
        if self.named is None:
            self.named = dict(self.cx.known_arguments)
            for value in self.cx.scope.values():
                if isinstance(value, Tensor) and isinstance(value.expr, ir.Ref) and value.known is not None:
                    self.named[value.expr.name] = value.known
        if name not in self.named:
            raise _Unknown
        return self.named[name]


def _of_known(known: Array | Scalar) -> Along:
    if isinstance(known, Array):
        return Along(known.values, known.missing, ())
    return Along(np.asarray(known, dtype=object if isinstance(known, str) else None), None, ())


def _const(run: _Evaluation, expr: ir.Const) -> Along:
    return Along(np.asarray(expr.value), None, ())


def _ref(run: _Evaluation, expr: ir.Ref) -> Along:
    if not expr.data:
        raise _Unknown
    return _of_known(run.lookup(expr.name))


def _numbers(run: _Evaluation, expr: ir.Numbers) -> Along:
    return Along(np.asarray(expr.values, dtype=np.int64).reshape([int(axis.size) for axis in expr.type.axes]), None, ())


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
    if expr.type.loops:
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
    loops = tuple(axis.name for axis in expr.type.loops)
    rank = max(arg.rank for arg in args)
    laid = [_laid_out(arg, loops, rank) for arg in args]
    shape = np.broadcast_shapes(*(values.shape for values, _ in laid))
    if int(np.prod(shape, dtype=float)) > MOST_VALUES:
        raise _Unknown
    return _result(function(*(_julia(values, missing) for values, missing in laid)), loops, rank)


def _laid_out(arg: Along, loops: Sequence[str], rank: int) -> tuple[Numbers, npt.NDArray[np.bool_] | None]:
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
    loops = tuple(axis.name for axis in expr.type.loops)
    sizes = {axis.name: axis.size for axis in expr.type.loops}
    plan: list[tuple[Numbers, tuple[str | int, ...]]] = []
    for name in x.loops:
        plan.append((np.arange(x.values.shape[x.loops.index(name)]), (name,)))
    position = 0
    for place, item in enumerate(expr.index):
        size = x.values.shape[len(x.loops) + place]
        positions, keys = _positions(run, item, size, position, sizes)
        if positions.size and (positions.min() < 0 or positions.max() >= size):
            raise _Unknown
        plan.append((positions, keys))
        position += sum(isinstance(key, int) for key in keys)
    keys_wanted: tuple[str | int, ...] = (*loops, *range(position))
    index = tuple(_spread(positions, keys, keys_wanted) for positions, keys in plan)
    shape = np.broadcast_shapes(*(part.shape for part in index))
    if int(np.prod(shape, dtype=float)) > MOST_VALUES:
        raise _Unknown
    missing = None if x.missing is None else np.asarray(x.missing[index])
    return Along(np.asarray(x.values[index]), missing, loops)


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
    loops = tuple(axis.name for axis in expr.type.loops)
    laid = [_laid_out(run.value(item), loops, expr.type.rank - 1) for item in expr.items]
    if any(missing is not None for _, missing in laid) or not laid:
        raise _Unknown
    return Along(np.stack(np.broadcast_arrays(*(values for values, _ in laid)), len(loops)), None, loops)


def _lift(run: _Evaluation, expr: ir.Lift) -> Along:
    """Loops as the leading array axes."""
    x = run.value(expr.x)
    names = [axis.name for axis in expr.axes]
    rest = tuple(name for name in x.loops if name not in names)
    if any(name not in x.loops for name in names):
        raise _Unknown
    order = [x.loops.index(name) for name in (*rest, *names)] + list(range(len(x.loops), x.values.ndim))
    missing = None if x.missing is None else x.missing.transpose(order)
    return Along(x.values.transpose(order), missing, rest)


_RULES: dict[type, Callable[[_Evaluation, Any], Along]] = {
    ir.Const: _const,
    ir.Ref: _ref,
    ir.Numbers: _numbers,
    ir.Counter: _counter,
    ir.Map: _map,
    ir.Call: _call,
    ir.Gather: _gather,
    ir.Lift: _lift,
    ir.Stack: _stack,
}
