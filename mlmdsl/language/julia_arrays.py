"""Julia's functions that make, shape and sort arrays of data. Entries run down the columns first, as in Julia."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from mlmdsl.language.julia_indexing import flat, take
from mlmdsl.language.julia_values import (
    MAX_COLUMNS,
    JuliaError,
    Values,
    anonymous_axes,
    as_array,
    as_operand,
    check_readable,
    check_size,
    describe,
    make_array,
    real,
    vector,
    whole,
)
from mlmdsl.language.rows import distinct, empty, first_places
from mlmdsl.language.types import ANONYMOUS, Array, Axis, Extent, NumberType, Value

_DTYPES: dict[NumberType, Any] = {NumberType.INT: np.int64, NumberType.FLOAT: np.float64, NumberType.BOOL: np.bool_}


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _extent(axis: Axis, size: int) -> int:
    """A size that remembers its axis, where that has a name."""
    return Extent(axis, size) if axis.name != ANONYMOUS else size


def length(x: Value) -> int:
    """`length(x)`: the number of entries; of a vector and of `unique(idx)` it remembers the axis that it measures."""
    if isinstance(x, tuple | str):
        return len(x)
    array = as_array(x, "length")
    size = int(array.values.size)
    if array.ndim != 1:
        return size
    axis, coded = array.axes[0], array.levels
    if axis.name == ANONYMOUS and coded is not None and coded.size == size == distinct(array.values).size:
        return Extent(coded, size)
    return _extent(axis, size)


def size(x: Value, d: Value = None) -> Value:
    """`size(x)` → a tuple; `size(x, d)`, which is 1 past the last dimension."""
    if isinstance(x, tuple):
        raise JuliaError("a tuple has no size", "length(x)")
    as_operand(x, "size")
    extents = [_extent(a, n) for a, n in zip(x.axes, x.values.shape, strict=True)] if isinstance(x, Array) else []
    if d is None:
        return tuple(extents)
    dimension = whole(d, "the dimension of `size`")
    if dimension < 1:
        raise JuliaError(f"`size`: dimensions count from 1, found {dimension}")
    return extents[dimension - 1] if dimension <= len(extents) else 1


def ndims(x: Value) -> int:
    """`ndims(x)`: 0 of a number, 1 of a vector, 2 of a matrix."""
    return as_operand(x, "ndims").values.ndim


# ── making ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _shape(dims: Sequence[Value], what: str) -> tuple[int, ...]:
    """Sizes given one by one or as a tuple."""
    items = dims[0] if len(dims) == 1 and isinstance(dims[0], tuple) else dims
    shape = tuple(whole(item, f"a size of `{what}`") for item in items)
    if not shape:
        raise JuliaError(f"`{what}` needs a size")
    check_size(shape, what)
    return shape


def _axes_of(dims: Sequence[Value], shape: tuple[int, ...]) -> tuple[Axis, ...]:
    """The axes that sizes remember, else axes without names."""
    items = dims[0] if len(dims) == 1 and isinstance(dims[0], tuple) else dims
    plain = anonymous_axes(shape)
    return tuple(i.axis if isinstance(i, Extent) else axis for i, axis in zip(items, plain, strict=True))


def _constant(name: str, value: float) -> Callable[..., Array]:
    """`zeros` and `ones`, of floats unless a type is the first argument."""

    def apply(*dims: Value) -> Array:
        kind = dims[0] if dims and isinstance(dims[0], NumberType) else NumberType.FLOAT
        dims = dims[1:] if dims and isinstance(dims[0], NumberType) else dims
        shape = _shape(dims, name)
        return make_array(np.full(shape, value, dtype=_DTYPES[kind]), _axes_of(dims, shape))

    apply.__doc__ = f"`{name}(n, m, …)`, `{name}(Int, n)`."
    return apply


zeros = _constant("zeros", 0)
ones = _constant("ones", 1)


def fill(value: Value, *dims: Value) -> Array:
    """`fill(v, n, m, …)`: an array that holds one scalar."""
    shape = _shape(dims, "fill")
    scalar = as_operand(value, "fill")
    if scalar.values.ndim:
        raise JuliaError(f"`fill` needs a number, found {describe(value)}", "repeat(x, n) repeats an array")
    missing = None if scalar.missing is None else np.ones(shape, dtype=bool)
    return make_array(np.full(shape, scalar.values, dtype=scalar.values.dtype), _axes_of(dims, shape), missing)


def falses(*dims: Value) -> Array:
    """`falses(n, …)`."""
    return fill(False, *dims)


def trues(*dims: Value) -> Array:
    """`trues(n, …)`."""
    return fill(True, *dims)


def similar(x: Value) -> Array:
    """`similar(x)`: zeros of the shape and kind of x."""
    array = as_array(x, "similar")
    return make_array(np.zeros(array.values.shape, dtype=array.values.dtype), array.axes)


def colon(start: Value, stop: Value, step: Value = None) -> Array:
    """`start:stop`, `start:step:stop`: whole numbers where both ends and the step are; 0:0.1:1 ends at 1.

    `1:n` runs along the axis that n is the size of, where it remembers one.

    Raises:
        JuliaError: a step of 0, an end that is not finite.
    """
    by = 1 if step is None else step
    bounds = [real(value, "the end of a range") for value in (start, by, stop)]
    if not all(map(np.isfinite, bounds)) or bounds[1] == 0:
        raise JuliaError("a range needs finite ends and a step that is not 0")
    first, stride, last = (Fraction(str(float(v)) if isinstance(v, float) else int(v)) for v in (start, by, stop))  # type: ignore[arg-type]
    count = max(0, (last - first) // stride + 1)
    check_size((count,), "a range")
    result = _spaced(first, stride, count, all(isinstance(v, int) for v in (start, by, stop)))
    return replace(result, axes=(stop.axis,)) if isinstance(stop, Extent) and count == stop else result


def _spaced(first: Fraction, stride: Fraction, count: int, as_whole: bool) -> Array:
    """first, first + stride, …: correctly rounded, in floats where there are very many."""
    if as_whole:
        return vector(np.arange(count, dtype=np.int64) * int(stride) + int(first))
    if count > 10_000:
        return vector(float(first) + np.arange(count) * float(stride))
    return vector(np.array([float(first + k * stride) for k in range(count)], dtype=np.float64))


def range_of(start: Value = None, stop: Value = None, *more: Value, length: Value = None, step: Value = None) -> Array:
    """`range(start, stop; length)`, `range(start, stop; step)`, `range(start; step, length)`, `range(a, b, n)`."""
    count = more[0] if len(more) == 1 and length is None else length
    if len(more) > 1:
        raise JuliaError("`range` takes a start, a stop and a length")
    if count is None:
        return colon(1 if start is None else start, stop, step)
    n = whole(count, "the length of a range")
    check_size((n,), "range")
    first = real(1 if start is None else start, "the start of a range")
    if stop is None:
        last = first + (n - 1) * real(1 if step is None else step, "the step of a range")
    else:
        last = real(stop, "the stop of a range")
    if not np.isfinite([first, last]).all():
        raise JuliaError("a range needs finite ends")
    whole_steps = stop is None and all(v is None or isinstance(v, int) for v in (start, step))
    low, high = Fraction(str(first)), Fraction(str(last))
    if n == 1 and stop is not None and low != high:
        raise JuliaError("`range` of length 1 needs a start that is the stop")
    return _spaced(low, (high - low) / max(n - 1, 1), n, whole_steps)


def lin_range(start: Value, stop: Value, length: Value) -> Array:
    """`LinRange(a, b, n)`: (1 − t) a + t b at t = 0, 1/(n − 1), …, 1."""
    n = whole(length, "the length of a range")
    check_size((n,), "LinRange")
    t = np.arange(n) / max(n - 1, 1)
    low, high = real(start, "the start of a range"), real(stop, "the stop of a range")
    with np.errstate(all="ignore"):
        return vector((1 - t) * low + t * high)


# ── shaping ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def vec(x: Value) -> Array:
    """`vec(x)`: the entries as a vector, column by column."""
    return flat(as_array(x, "vec"))


def reshape(x: Value, *dims: Value) -> Array:
    """`reshape(x, n, m)`: the same entries, column by column, in another shape; one size may be `:`."""
    array = as_array(x, "reshape")
    items = dims[0] if len(dims) == 1 and isinstance(dims[0], tuple) else dims
    free = [k for k, item in enumerate(items) if isinstance(item, slice)]
    shape = list(_shape([1 if isinstance(item, slice) else item for item in items], "reshape"))
    entries = int(array.values.size)
    if len(free) == 1 and (rest := int(np.prod(shape, dtype=object))) and entries % rest == 0:
        shape[free[0]] = entries // rest
    if len(free) > 1 or int(np.prod(shape, dtype=object)) != entries:
        raise JuliaError(f"`reshape`: {entries} entries do not fill {'×'.join(map(str, shape))}")
    values = array.values.ravel(order="F").reshape(shape, order="F")
    missing = None if array.missing is None else array.missing.ravel(order="F").reshape(shape, order="F")
    axes = array.axes if values.shape == array.values.shape else _axes_of(items, tuple(shape)) if not free else None
    return replace(make_array(values, axes, missing), levels=array.levels, categories=array.categories)


def repeat(x: Value, *counts: Value, inner: Value = 1, outer: Value = 1) -> Array:
    """`repeat(x, n)`, `repeat(A, m, n)`, `repeat(x; inner, outer)`: each entry inner times, the whole outer times."""
    array = as_array(x, "repeat")
    inside, outside = (_counts(value, array.ndim) for value in (inner, counts or outer))
    ndim = max(len(inside), len(outside), array.ndim)
    inside, outside = ([*c, *[1] * (ndim - len(c))] for c in (inside, outside))
    shape = [*array.values.shape, *[1] * (ndim - array.ndim)]
    check_size([n * i * o for n, i, o in zip(shape, inside, outside, strict=True)], "repeat")

    def repeated(part: Values) -> Values:
        part = part.reshape(shape)
        for d in range(ndim):
            part = np.repeat(part, inside[d], axis=d)
        return np.tile(part, outside)

    missing = None if array.missing is None else repeated(array.missing)
    result = make_array(repeated(array.values), None, missing)
    return replace(result, levels=array.levels, name=array.name, categories=array.categories)


def _counts(value: Value, ndim: int) -> list[int]:
    """How often to repeat along each dimension."""
    items = value if isinstance(value, tuple) else (value,)
    counts = [whole(item, "a count of `repeat`") for item in items]
    if any(c < 0 for c in counts) or len(counts) > ndim + 8:
        raise JuliaError("`repeat` needs counts from 0 up")
    check_size(counts, "repeat")
    return counts


def reverse(x: Value) -> Array:
    """`reverse(x)` of a vector."""
    array = _vector(x, "reverse")
    return take(array, np.arange(array.values.size)[::-1])


def _vector(x: Value, what: str) -> Array:
    """A vector (a tuple of scalars counts)."""
    array = as_array(x, what)
    if array.ndim != 1:
        raise JuliaError(f"`{what}` needs a vector, found {describe(x)}", f"{what}(vec(x))")
    return array


def unique(x: Value) -> Array:
    """`unique(x)`: the distinct entries in the order of their first appearance; `missing` is one of them."""
    array = flat(as_array(x, "unique"))
    if array.missing is None:
        positions = np.sort(first_places(array.values))
    else:
        present = np.flatnonzero(~array.missing)
        positions = np.sort(np.append(present[first_places(array.values[present])], np.flatnonzero(array.missing)[:1]))
    return take(array, positions.astype(np.int64), Axis(ANONYMOUS, int(positions.size)))


def sortperm(x: Value, *, rev: Value = False) -> Array:
    """`sortperm(x; rev)`: the indices that sort x, ties in their order; missing last, NaN before it."""
    array = _vector(x, "sortperm")
    if not isinstance(rev, bool):
        raise JuliaError(f"`rev` is true or false, found {describe(rev)}")
    _, codes = np.unique(array.values, return_inverse=True)
    keys = codes.astype(np.int64)
    if array.missing is not None:
        keys[array.missing] = keys.max(initial=0) + 1
    return vector(np.argsort(-keys if rev else keys, kind="stable") + 1)


def sort(x: Value, *, rev: Value = False) -> Array:
    """`sort(x; rev)` of a vector; labels follow their entries."""
    array = _vector(x, "sort")
    return take(array, sortperm(array, rev=rev).values.astype(np.int64) - 1)


# ── concatenation ────────────────────────────────────────────────────────────────────────────────────────────────────


def vcat(*items: Value) -> Array:
    """`vcat(a, b)`, `[a; b]`: scalars and vectors to a vector, matrices of as many columns to a matrix."""
    check_readable(items)
    arrays = [as_array(item, "vcat") for item in items]
    if not arrays:
        return vector(np.zeros(0))
    if len({array.values.shape[1:] for array in arrays}) > 1:
        shapes = " and ".join(describe(item) for item in items)
        raise JuliaError(f"`vcat` needs as many columns in each part, found {shapes}")
    values, missing = concatenated(arrays, 0, "vcat")
    axes = [_joined_axis([array.axes[0] for array in arrays]), *arrays[0].axes[1:]]
    return make_array(values, axes, missing)


def concatenated(arrays: Sequence[Array], axis: int, what: str) -> tuple[Values, Any]:
    """Values and masks of arrays of one kind, put together along an axis."""
    kinds = {array.values.dtype == object for array in arrays if array.values.size}
    if len(kinds) > 1:
        raise JuliaError(f"`{what}` mixes text and numbers")
    shape = list(arrays[0].values.shape)
    shape[axis] = sum(array.values.shape[axis] for array in arrays)
    check_size(shape, what, MAX_COLUMNS)
    values = _joined([np.asarray(array.values) for array in arrays], shape, axis)
    if all(array.missing is None for array in arrays):
        return values, None
    masks = [np.zeros(a.values.shape, dtype=bool) if a.missing is None else a.missing for a in arrays]
    return values, _joined(masks, shape, axis)


def _joined(arrays: Sequence[Values], shape: Sequence[int], axis: int) -> Values:
    """Arrays one after the other along an axis."""
    result = empty(shape, np.result_type(*arrays))
    return np.concatenate(arrays, axis=axis, out=result)


def _joined_axis(axes: Sequence[Axis]) -> Axis:
    """One axis after another: labelled where all are."""
    size = sum(int(axis.size) for axis in axes)
    if all(axis.labels is not None for axis in axes):
        return Axis(ANONYMOUS, size, tuple(label for axis in axes for label in axis.labels or ()))
    return Axis(ANONYMOUS, size)
