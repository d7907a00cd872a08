"""Julia's values in NumPy: arrays by reference, indices from 1 that are checked, and the errors that Julia raises.

A number is a Python bool, int or float; an array of numbers a NumPy array of bool, int64 or float64, in Julia's order of
memory, so that `vec` and `reshape` share their elements as in Julia; any other array holds objects. A range is an array
that cannot be written to, a vector's adjoint a `Row`, a tuple a Python tuple, a named tuple a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class JuliaError(Exception):
    """What Julia would raise: `kind` is bounds, dimension, domain, type, undefined, inexact or readonly."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(f"{kind}: {message}")


class Unsupported(Exception):
    """Something that this interpreter does not know: a fault of the test, never of the program."""


def fail(kind: str, message: str) -> NoReturn:
    """Raise Julia's error."""
    raise JuliaError(kind, message)


class Row(np.ndarray[Any, Any]):
    """The adjoint of a vector: 1×n, shares its elements; times a vector it is a number."""


class Missing:
    """The value `missing`."""

    def __repr__(self) -> str:
        return "missing"


MISSING = Missing()


@dataclass(frozen=True)
class Lazy:
    """`zip(…)`, `enumerate(…)`: read as it is iterated over."""

    start: Callable[[], Iterator[Any]]


def is_array(value: Any) -> bool:
    """Whether a value has elements that can be indexed."""
    return isinstance(value, np.ndarray)


def is_number(value: Any) -> bool:
    """Whether a value is a number, truth values included."""
    return isinstance(value, bool | int | float)


def scalar(value: Any) -> Any:
    """An element as Python's own number."""
    return value.item() if isinstance(value, np.generic) else value


def collected(items: Iterable[Any], shape: tuple[int, ...] | None = None) -> Array:
    """An array of values in Julia's order (first index fastest), of their common element type."""
    values = list(items)
    shape = (len(values),) if shape is None else shape
    flat = np.empty(len(values), dtype=element_type(values))
    for position, value in enumerate(values):
        flat[position] = value
    return flat.reshape(shape, order="F")


def element_type(values: list[Any]) -> type:
    """The element type that holds all values: Bool, Int or Float64, else any object."""
    if any(not is_number(value) for value in values):
        return object
    if any(isinstance(value, float) for value in values) or not values:
        return float
    return bool if all(isinstance(value, bool) for value in values) else np.int64


def elements(value: Any) -> Iterator[Any]:
    """What iterating gives: the elements of an array first index fastest, the items of a tuple, a number itself."""
    if isinstance(value, np.ndarray):
        flat = value.reshape(-1, order="F")
        return (scalar(flat[place]) for place in range(flat.size))
    if isinstance(value, Lazy):
        return value.start()
    if isinstance(value, tuple):
        return iter(value)
    if isinstance(value, dict):
        return iter(value.values())
    if is_number(value):
        return iter([value])
    return fail("type", f"cannot iterate over {type(value).__name__}")


def length(value: Any) -> int:
    """`length(x)`."""
    return value.size if isinstance(value, np.ndarray) else len(list(elements(value)))


def int_range(start: Any, step: Any, stop: Any) -> Array:
    """`start:step:stop`, which cannot be written to."""
    if step == 0:
        fail("type", "a range's step cannot be 0")
    if all(isinstance(part, int) for part in (start, step, stop)):
        result = np.arange(start, stop + (1 if step > 0 else -1), step, dtype=np.int64)
    else:
        count = max(0, int(np.floor((stop - start) / step * (1 + 1e-15) + 1e-12)) + 1)
        result = np.array([start + k * step for k in range(count)], dtype=float)
    result.flags.writeable = False
    return result


# ── indexing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

ALL = slice(None)
"""The index `:`."""


def getindex(base: Any, indices: list[Any]) -> Any:
    """`base[indices…]`: a new array, or an element."""
    if isinstance(base, tuple):
        return base[positions(indices[0], len(base))] if len(indices) == 1 else fail("type", "a tuple has one index")
    if is_number(base):
        return base if all(positions(index, 1) == 0 for index in indices) else None
    if not isinstance(base, np.ndarray):
        fail("type", f"no method matching getindex({type(base).__name__})")
    source, places = located(base, indices)
    shape = tuple(size for place in places for size in np.shape(place))
    if all(isinstance(place, int) for place in places):
        return scalar(source[tuple(places)])
    picked = source[np.ix_(*[np.atleast_1d(np.ravel(place, order="F")) for place in places])]
    return np.array(picked, order="F", subok=False).reshape(shape, order="F")


def setindex(base: Any, value: Any, indices: list[Any]) -> None:
    """`base[indices…] = value`."""
    if not isinstance(base, np.ndarray):
        fail("type", f"no method matching setindex!({type(base).__name__})")
    source, places = located(base, indices)
    if all(isinstance(place, int) for place in places):
        source[tuple(places)] = stored(source, value)
        return
    if not isinstance(value, np.ndarray):
        fail("type", "indexed assignment with a single value to possibly many locations; use `.=`")
    shape = tuple(np.size(place) for place in places)
    if [size for size in shape if size != 1] != [size for size in value.shape if size != 1]:
        fail("dimension", f"tried to assign {value.shape} array to {shape} destination")
    write(source, places, [stored(source, item) for item in elements(value)])


def write(source: Array, places: list[Any], values: list[Any]) -> None:
    """Store values, first index fastest, at the product of places; where a place comes twice, the last value stays."""
    for value, at in zip(values, product_of(places), strict=True):
        source[at] = value


def product_of(places: list[Any]) -> Iterator[tuple[int, ...]]:
    """The places of a product of indices, first index fastest."""
    lists = [[int(at) for at in np.atleast_1d(np.ravel(place, order="F"))] for place in places]
    shape = tuple(len(each) for each in lists)
    for flat in range(int(np.prod(shape))):
        at = np.unravel_index(flat, shape, order="F")
        yield tuple(each[k] for each, k in zip(lists, at, strict=True))


def located(base: Array, indices: list[Any]) -> tuple[Array, list[Any]]:
    """The array that has one axis for each index, and each index as places from 0."""
    if len(indices) == 1 and base.ndim != 1:
        base = base.reshape(-1, order="F")
    while len(indices) > base.ndim:
        base = base[..., None]
    if len(indices) < base.ndim:
        fail("bounds", f"{len(indices)} indices for an array of {base.ndim} dimensions")
    return base, [positions(index, size) for index, size in zip(indices, base.shape, strict=True)]


def positions(index: Any, size: int) -> Any:
    """An index as a place from 0, or as an array of places; each is checked."""
    if isinstance(index, slice):
        return np.arange(size)
    if isinstance(index, np.ndarray) and index.dtype == bool:
        if index.shape != (size,):
            fail("bounds", f"a mask of {index.shape} for an axis of {size}")
        return np.flatnonzero(index)
    if isinstance(index, np.ndarray):
        if index.dtype != np.int64 and index.size:
            fail("type", "an array of indices holds integers")
        if np.any((index < 1) | (index > size)):
            fail("bounds", f"index {index} of an axis of {size}")
        return index.astype(np.int64) - 1
    if isinstance(index, bool) or not isinstance(index, int):
        fail("type", f"invalid index: {index!r}")
    if not 1 <= index <= size:
        fail("bounds", f"index {index} of an axis of {size}")
    return index - 1


def stored(array: Array, value: Any) -> Any:
    """A value converted to an array's element type, as a store does."""
    if not array.flags.writeable:
        fail("readonly", "a range cannot be written to")
    if array.dtype == object:
        return value
    if value is MISSING or not is_number(value):
        fail("type", f"cannot convert {type(value).__name__} to {array.dtype}")
    if array.dtype != np.float64 and (value != int(value) if np.isfinite(value) else True):
        fail("inexact", f"{value} is no {array.dtype}")
    if array.dtype == bool and value not in (0, 1):
        fail("inexact", f"{value} is no Bool")
    return value
