"""The ground that Julia's functions on data stand on: their error, conversions, and broadcasting by Julia's rule.

NumPy aligns shapes from the last axis, Julia from the first; missing entries and labelled axes travel along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mlmdsl.language import rows
from mlmdsl.language.errors import listed
from mlmdsl.language.types import ANONYMOUS, MISSING, Array, Axis, Missing, NumberType, Scalar, Value

Values: TypeAlias = npt.NDArray[Any]
Mask: TypeAlias = npt.NDArray[np.bool_]

MAX_ENTRIES = 10**8
"""The most entries that an array made of little may have (800 MB of numbers); one as long as data may be longer."""

MAX_COLUMNS = 20 * MAX_ENTRIES
"""The most entries of columns side by side (16 GB of numbers, in a file)."""

_SHOWN = 8


class JuliaError(Exception):
    """What Julia would throw, in the language's words, and what to write instead."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message = message
        self.hint = hint
        super().__init__(message)


@dataclass(frozen=True)
class Operand:
    """A scalar or an array as broadcasting sees it: values (0-d for a scalar), axes, mask of missing entries."""

    values: Values
    axes: tuple[Axis, ...]
    missing: Mask | None


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def describe(value: Value) -> str:
    """A value in the language's words: `the number 3`, `a vector of length 4`, `a 2×3 matrix`."""
    match value:
        case Array():
            return _describe_array(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f'the text "{value[:40]}"'
        case Missing():
            return "missing"
        case NumberType():
            return f"the type {value.value}"
        case tuple():
            return f"a tuple of {len(value)}"
    return "nothing" if value is None else "`:`"


def _describe_array(array: Array) -> str:
    """The shape, the kind and, where there is one, the name of an array."""
    kind = "text " if array.values.dtype == object else ""
    name = f" `{array.name}`" if array.name else ""
    if array.ndim == 1:
        return f"a {kind}vector{name} of length {array.values.shape[0]}"
    shape = "×".join(map(str, array.values.shape))
    return f"a {shape} {kind}{'matrix' if array.ndim == 2 else 'array'}{name}"


def rows_of(mask: Mask) -> str:
    """`row 3` or `rows 3, 17, …` (1-based): the first axis of the entries that a mask marks."""
    rows = np.unique(np.nonzero(mask)[0]) + 1
    shown = listed(rows[: _SHOWN + 1].tolist(), _SHOWN)
    return f"{'row' if rows.size == 1 else 'rows'} {shown}"


def subject(value: Value) -> str:
    """How an error names a value: its column, or what it is."""
    return f"`{value.name}`" if isinstance(value, Array) and value.name else describe(value)


# ── making and reading values ────────────────────────────────────────────────────────────────────────────────────────


def anonymous_axes(shape: Sequence[int]) -> tuple[Axis, ...]:
    """Axes without names for a shape."""
    return tuple(Axis(ANONYMOUS, size) for size in shape)


def tidy(values: Values) -> Values:
    """The values as float64, int64, bool or object (text)."""
    kind = values.dtype.kind
    if kind in "iu":
        return rows.converted(values, np.int64)
    if kind == "f":
        return rows.converted(values, np.float64)
    return values if kind in "bO" else values.astype(object)


def _blank(values: Values) -> Any:
    """What `values` holds where an entry is missing."""
    return {"f": np.nan, "i": 0, "b": False}.get(values.dtype.kind, "")


def make(values: Values, axes: Sequence[Axis] | None = None, missing: Mask | None = None) -> Value:
    """A value of NumPy's: a Python scalar from a 0-d array, else an `Array` (its axes without names unless given)."""
    values = tidy(np.asarray(values))
    if values.ndim == 0:
        return MISSING if missing is not None and bool(missing) else _scalar(values)
    return make_array(values, axes, missing)


def _scalar(values: Values) -> Scalar:
    """The Python scalar of a 0-d array."""
    scalar: Scalar = values.item()
    return scalar


def make_array(values: Values, axes: Sequence[Axis] | None = None, missing: Mask | None = None) -> Array:
    """An `Array`; the mask is left out where nothing is missing, and missing entries hold their blank."""
    values = tidy(np.asarray(values))
    axes = anonymous_axes(values.shape) if axes is None else tuple(axes)
    if missing is None or not missing.any():
        return Array(values, axes)
    blank = _blank(values)
    filled = rows.mapped(lambda v, gone: np.where(gone, np.asarray(blank, dtype=v.dtype), v), [values, missing])
    return Array(filled, axes, missing=missing)


def vector(values: Sequence[Any] | Values, axis: Axis | None = None) -> Array:
    """A vector without missing entries."""
    array = np.asarray(values)
    return make_array(array, None if axis is None else (axis,))


def as_array(value: Value, what: str) -> Array:
    """A value as an array: itself, a scalar as a vector of one, a tuple of scalars as a vector."""
    if isinstance(value, Array):
        return value
    if isinstance(value, tuple):
        return collect_scalars(value, what)
    operand = as_operand(value, what)
    missing = None if operand.missing is None else operand.missing.reshape(1)
    return make_array(operand.values.reshape(1), None, missing)


def collect_scalars(items: Sequence[Value], what: str) -> Array:
    """A vector of scalars of one kind (numbers, true/false or text), `missing` among them allowed."""
    operands = [as_operand(item, what) for item in items]
    for item, operand in zip(items, operands, strict=True):
        if operand.values.ndim:
            raise JuliaError(f"`{what}` needs numbers here, found {describe(item)}")
    missing = np.array([operand.missing is not None for operand in operands], dtype=bool)
    present = [operand.values for operand in operands if operand.missing is None]
    values = np.full(len(items), np.nan)
    if present:
        check_kinds(present, what)
        joined = np.stack(present)
        values = np.full(len(items), _blank(joined), dtype=joined.dtype)
        values[~missing] = joined
    return make_array(values, None, missing)


def check_kinds(arrays: Sequence[Values], what: str) -> None:
    """Raise JuliaError where text and numbers are mixed."""
    if len({array.dtype == object for array in arrays if array.size}) > 1:
        raise JuliaError(f"`{what}` mixes text and numbers")


def check_readable(items: Sequence[Value]) -> None:
    """Raise JuliaError where a column that is text for a few odd cells stands among numbers."""
    numbers = [
        isinstance(item, int | float) or (isinstance(item, Array) and item.values.dtype != object) for item in items
    ]
    odd = next((item.odd for item in items if isinstance(item, Array) and item.odd is not None), None)
    if odd is not None and any(numbers):
        raise JuliaError(*odd)


def as_operand(value: Value, what: str) -> Operand:
    """A scalar or an array as an operand.

    Raises:
        JuliaError: it is neither, or a whole number that does not fit in 64 bits.
    """
    match value:
        case Array():
            return Operand(value.values, value.axes, value.missing)
        case Missing():
            return Operand(np.asarray(np.nan), (), np.asarray(True))
        case str():
            return Operand(np.array(value, dtype=object), (), None)
        case int() if not -(2**63) <= value < 2**63:
            raise JuliaError(f"{value if abs(value) < 10**30 else 'this'} is too large for a whole number of 64 bits")
        case bool() | int() | float():
            return Operand(np.asarray(value), (), None)
    raise JuliaError(f"`{what}` does not take {describe(value)}")


def as_numbers(value: Value, what: str) -> Operand:
    """An operand of numbers; true and false count as 1 and 0.

    Raises:
        JuliaError: it is text.
    """
    operand = as_operand(value, what)
    if isinstance(value, Array) and value.odd is not None and value.values.dtype == object:
        raise JuliaError(*value.odd)
    if operand.values.dtype == object:
        raise JuliaError(f"`{what}` needs numbers, found {describe(value)}{_first_text(operand)}")
    if operand.values.dtype == bool:
        return Operand(rows.converted(operand.values, np.int64), operand.axes, operand.missing)
    return operand


def _first_text(operand: Operand) -> str:
    """Where a column of text first holds one that is no number: ` ("n/a" in row 3)`."""
    if operand.values.ndim != 1:
        return ""
    for row, text in enumerate(operand.values.tolist(), start=1):
        gone = operand.missing is not None and bool(operand.missing[row - 1])
        if not gone and not _reads_as_number(text):
            return f' ("{text[:40]}" in row {row})'
    return ""


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_present(value: Value, what: str, hint: str | None = None) -> None:
    """Raise JuliaError, with the rows, where entries are missing."""
    if value is MISSING:
        raise JuliaError(f"`{what}` of missing")
    if isinstance(value, Array) and value.missing is not None:
        name = f"`{value.name}`" if value.name else "the argument"
        hint = hint or f"use skipmissing({value.name or 'x'}) to leave the missing entries out"
        raise JuliaError(f"`{what}`: {name} has missing entries ({rows_of(value.missing)})", hint)


def complete_numbers(value: Value, what: str) -> Values:
    """The numbers of an array (a scalar or tuple as a vector), none of them missing."""
    array = as_array(value, what)
    check_present(array, what)
    return as_numbers(array, what).values


def whole(value: Value, what: str) -> int:
    """A whole number that is an argument: a size, a dimension, a count."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise JuliaError(f"{what} must be a whole number, found {describe(value)}")
    return int(value)


def real(value: Value, what: str) -> float:
    """A number that is an argument."""
    if isinstance(value, str) or not isinstance(value, int | float):
        raise JuliaError(f"{what} must be a number, found {describe(value)}")
    return float(as_operand(value, what).values)


def _named(what: str) -> str:
    """A function's name in backticks; a description as it is."""
    return what if " " in what else f"`{what}`"


def check_size(shape: Sequence[int], what: str, most: int = MAX_ENTRIES) -> None:
    """Raise JuliaError for a negative size, or for more than `most` entries."""
    if any(size < 0 for size in shape):
        raise JuliaError(f"{_named(what)}: a size cannot be negative, found {min(shape)}")
    entries = 1
    for size in shape:
        entries *= size
    if max(entries, *shape, 0) > most or len(shape) > 16:
        raise JuliaError(
            f"{_named(what)} would make an array of {'×'.join(map(str, shape))} entries, which is too large"
        )


# ── broadcasting ─────────────────────────────────────────────────────────────────────────────────────────────────────


def broadcast_shape(operands: Sequence[Operand], what: str) -> tuple[int, ...]:
    """The shape that operands stretch to: axes aligned from the first, an axis of size 1 stretches."""
    ndim = max((operand.values.ndim for operand in operands), default=0)
    shape = tuple(_common_size(operands, dimension, what) for dimension in range(ndim))
    if all(operand.values.shape != shape for operand in operands):
        check_size(shape, what)
    return shape


def _common_size(operands: Sequence[Operand], dimension: int, what: str) -> int:
    """The size that the operands agree on along one dimension."""
    sizes = [operand.values.shape[dimension] for operand in operands if operand.values.ndim > dimension]
    stretched = list(dict.fromkeys(size for size in sizes if size != 1))
    if len(stretched) > 1:
        shapes = " and ".join("×".join(map(str, o.values.shape)) for o in operands if o.values.ndim)
        raise JuliaError(f"`{what}`: the sizes do not agree: {shapes} (dimension {dimension + 1})")
    return stretched[0] if stretched else 1


def broadcast_axes(operands: Sequence[Operand], shape: tuple[int, ...]) -> tuple[Axis, ...]:
    """For each dimension the operands' axis of that size: one with labels first, then one with a name."""
    axes = []
    for dimension, size in enumerate(shape):
        found = [o.axes[dimension] for o in operands if o.values.ndim > dimension and o.values.shape[dimension] == size]
        best = max(found, key=lambda axis: (axis.labels is not None, axis.name != ANONYMOUS))
        axes.append(best)
    return tuple(axes)


def aligned(values: Values, ndim: int) -> Values:
    """The values with axes of size 1 appended up to `ndim`."""
    return values if values.ndim == ndim else values.reshape(values.shape + (1,) * (ndim - values.ndim))


def joint_missing(operands: Sequence[Operand], shape: tuple[int, ...]) -> Mask | None:
    """The entries of the result for which some operand is missing."""
    masks = [aligned(o.missing, len(shape)) for o in operands if o.missing is not None]
    if not masks:
        return None
    joint = masks[0]
    for mask in masks[1:]:
        joint = rows.mapped(np.logical_or, [joint, mask], np.broadcast_shapes(joint.shape, mask.shape))
    return np.broadcast_to(joint, shape)


def elementwise(
    function: Callable[..., Values],
    operands: Sequence[Operand],
    what: str,
    bad: Callable[..., Values] | None = None,
    complaint: str = "",
    hint: str | None = None,
) -> Value:
    """`function` of the operands entry by entry, missing where an operand is.

    Raises:
        JuliaError: shapes do not agree, or `bad` holds for an entry that is not missing; `complaint` says why.
    """
    shape = broadcast_shape(operands, what)
    axes = broadcast_axes(operands, shape)
    missing = joint_missing(operands, shape)
    if any(operand.missing is not None and operand.missing.ndim == 0 for operand in operands):
        return make(np.full(shape, np.nan), axes, missing)
    arrays = [aligned(operand.values, len(shape)) for operand in operands]
    with np.errstate(all="ignore"):
        if bad is not None:
            outside = np.broadcast_to(rows.mapped(bad, arrays, shape), shape)
            _check_domain(outside, missing, arrays, shape, complaint, hint)
        return make(rows.mapped(function, arrays, shape), axes, missing)


def _check_domain(
    bad: Mask, missing: Mask | None, arrays: list[Values], shape: tuple[int, ...], complaint: str, hint: str | None
) -> None:
    """Raise JuliaError for the first bad entry, with its place and values."""
    faulty = bad if missing is None else rows.mapped(lambda b, gone: b & ~gone, [bad, missing], shape)
    if not faulty.any():
        return
    place = tuple(int(index) for index in np.unravel_index(int(faulty.argmax()), shape))
    found = " and ".join(str(np.broadcast_to(array, shape)[place].item()) for array in arrays)
    where = f" at entry {', '.join(str(index + 1) for index in place)}" if place else ""
    raise JuliaError(f"{complaint}: found {found}{where}", hint)
