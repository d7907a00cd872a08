"""Julia's indexing of data: 1-based numbers, ranges, index vectors, masks and `:`, with labels that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlmdsl.language.julia_values import (
    JuliaError,
    Mask,
    Values,
    anonymous_axes,
    check_present,
    check_size,
    describe,
    make,
    subject,
)
from mlmdsl.language.types import ANONYMOUS, Array, Axis, Value

_FIRST_IS_1 = "indices run from 1 to the length"


@dataclass(frozen=True)
class _Selection:
    """0-based positions along one dimension (any shape; 0-d drops the dimension) and the axes of the result."""

    positions: Values
    axes: tuple[Axis, ...]


def index(x: Value, indices: Sequence[Value | range]) -> Value:
    """`x[indices…]`.

    A number drops its dimension; `slice(None)` is `:`; a range, an index array or a boolean mask selects. One index
    into a matrix counts down its columns. The result keeps labels: an index array with a named axis gives that axis
    (`α[idx]` runs along the rows of idx), otherwise the labels of x are selected.

    Raises:
        JuliaError: an index past the end, not a whole number, missing; a mask of another length; too many indices.
    """
    if isinstance(x, tuple):
        return _index_tuple(x, indices)
    if isinstance(x, int | float) and all(not isinstance(i, bool) and i == 1 for i in indices):
        return x
    if not isinstance(x, Array):
        raise JuliaError(f"{describe(x)} cannot be indexed")
    if not indices:
        raise JuliaError(f"{subject(x)} is indexed without an index")
    if len(indices) == 1 and x.ndim > 1:
        return _index_linear(x, indices[0])
    selections = [_select(x, indices[k], x.axes[k], x.values.shape[k], k) for k in range(min(len(indices), x.ndim))]
    _check_count(x, indices)
    return _taken(x, selections)


def take(x: Array, positions: Values, axis: Axis | None = None) -> Array:
    """The entries of a vector at 0-based positions; its labels follow unless another axis is given."""
    taken = _taken(x, [_Selection(positions, (axis or _chosen(x.axes[0], positions),))])
    assert isinstance(taken, Array)
    return taken


def _index_tuple(x: tuple[Value, ...], indices: Sequence[Value | range]) -> Value:
    """`x[i]` of a tuple, `x[2:3]`."""
    if len(indices) != 1:
        raise JuliaError(f"a tuple takes one index, found {len(indices)}")
    vector = Array(np.zeros(len(x)), (Axis(ANONYMOUS, len(x)),))
    positions = _select(vector, indices[0], vector.axes[0], len(x), 0, "the tuple").positions
    return x[int(positions)] if positions.ndim == 0 else tuple(x[int(k)] for k in positions.ravel())


def _index_linear(x: Array, given: Value | range) -> Value:
    """One index into a matrix: entries in column-major order, or those that a mask of its shape marks."""
    if isinstance(given, Array) and given.values.dtype == bool and given.values.shape == x.values.shape:
        given = replace(given, values=given.values.ravel(order="F"), axes=anonymous_axes([given.values.size]))
    return index(flat(x), [given])


def flat(x: Array) -> Array:
    """`vec(x)`: the entries as a vector, column by column."""
    if x.ndim == 1:
        return x
    missing = None if x.missing is None else x.missing.ravel(order="F")
    axes = anonymous_axes([x.values.size])
    return replace(x, values=x.values.ravel(order="F"), axes=axes, missing=missing, name=None, adjoint=False)


def _check_count(x: Array, indices: Sequence[Value | range]) -> None:
    """Raise JuliaError for too few indices, or for more than there are dimensions unless those are 1."""
    surplus = indices[x.ndim :]
    if len(indices) < x.ndim or any(isinstance(i, bool) or i != 1 for i in surplus if not isinstance(i, Array)):
        raise JuliaError(f"{subject(x)} has {x.ndim} dimensions, found {len(indices)} indices")
    if any(isinstance(i, Array) for i in surplus):
        raise JuliaError(f"{subject(x)} has {x.ndim} dimensions, found {len(indices)} indices")


def _taken(x: Array, selections: Sequence[_Selection]) -> Value:
    """The selected entries; dimensions are taken from the last to the first, so that earlier ones keep their place."""
    shape = [size for selection in selections for size in selection.positions.shape]
    check_size(shape, "indexing")
    values, missing = x.values, x.missing
    for dimension in reversed(range(len(selections))):
        values = np.take(values, selections[dimension].positions, axis=dimension)
        missing = None if missing is None else np.take(missing, selections[dimension].positions, axis=dimension)
    result = make(np.asarray(values), [axis for s in selections for axis in s.axes], _as_mask(missing))
    if not isinstance(result, Array):
        return result
    return replace(result, levels=x.levels, name=_name(x, selections), categories=x.categories)


def _as_mask(missing: Mask | None) -> Mask | None:
    return None if missing is None else np.asarray(missing)


def _name(x: Array, selections: Sequence[_Selection]) -> str | None:
    """The name of what is selected: that of a vector, or the label of the one column of a matrix."""
    if x.ndim == 2 and selections[1].positions.ndim == 0 and x.axes[1].labels is not None:
        return x.axes[1].labels[int(selections[1].positions)]
    return x.name if x.ndim == 1 else None


def _select(x: Array, given: Value | range, axis: Axis, size: int, dimension: int, name: str = "") -> _Selection:
    """What one index selects."""
    where = f"{name or subject(x)}{f' (dimension {dimension + 1})' if x.ndim > 1 else ''}"
    if isinstance(given, slice):
        return _Selection(np.arange(size), (axis,))
    if isinstance(given, range):
        given = Array(np.array(given, dtype=np.int64), anonymous_axes([len(given)]))
    if isinstance(given, Array):
        return _select_array(given, axis, size, where)
    if isinstance(given, bool) or not isinstance(given, int):
        raise JuliaError(f"an index of {where} must be a whole number, found {describe(given)}")
    _check_bounds(np.array([given], dtype=object), size, where)
    return _Selection(np.asarray(given - 1), ())


def _select_array(given: Array, axis: Axis, size: int, where: str) -> _Selection:
    """What a mask or an index array selects."""
    check_present(given, "indexing")
    if given.values.dtype == bool:
        if given.values.shape != (size,):
            raise JuliaError(f"a mask of {where} must have length {size}, found {describe(given)}")
        positions = np.flatnonzero(given.values)
        return _Selection(positions, (_chosen(axis, positions),))
    if given.values.dtype.kind != "i" and given.values.size:
        raise JuliaError(f"an index of {where} must be a whole number, found {describe(given)}", _round_hint(given))
    _check_bounds(given.values, size, where)
    positions = given.values.astype(np.int64) - 1
    named = given.ndim != 1 or given.axes[0].name != ANONYMOUS or given.axes[0].labels is not None
    return _Selection(positions, given.axes if named else (_chosen(axis, positions),))


def _round_hint(given: Array) -> str | None:
    """What to write for an index that is text or a float."""
    if given.values.dtype == object:
        return f"levels({given.name or 'column'}) makes indices of text"
    return "Int.(x) makes whole numbers of floats that are whole"


def _chosen(axis: Axis, positions: Values) -> Axis:
    """An axis with its labels at some positions."""
    labels = None if axis.labels is None else tuple(axis.labels[int(k)] for k in positions.ravel())
    return replace(axis, size=int(positions.size), labels=labels)


def _check_bounds(indices: Values, size: int, where: str) -> None:
    """Raise JuliaError for the first index outside 1…size."""
    outside = indices[(indices < 1) | (indices > size)].ravel()
    if outside.size:
        raise JuliaError(f"index {outside[0]} is out of bounds: {where} has length {size}", _FIRST_IS_1)
