"""How the tests of Julia's functions write values: lists for arrays, None for a missing entry, MISSING alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mlmdsl.language.julia import call
from mlmdsl.language.julia_values import JuliaError
from mlmdsl.language.types import MISSING, Array, Axis, Value


def value(written: Any, name: str | None = None, axis: str = "") -> Any:
    """A list as an Array (nested lists: a matrix by rows), a tuple item by item, anything else as it is."""
    if isinstance(written, tuple):
        return tuple(value(item) for item in written)
    if not isinstance(written, list):
        return written
    objects = np.array(written, dtype=object)
    missing = np.array([item is None for item in objects.ravel()], dtype=bool).reshape(objects.shape)
    known = objects[~missing].tolist()
    text = any(isinstance(item, str) for item in known)
    dtype = object if text else np.array(known).dtype if known else np.float64
    values: npt.NDArray[Any] = np.full(objects.shape, "" if text else 0, dtype=dtype)
    values[~missing] = known
    if dtype == np.float64:
        values[missing] = np.nan
    axes = tuple(Axis(axis if k == 0 else "", int(n)) for k, n in enumerate(values.shape))
    return Array(values, axes, missing=missing if missing.any() else None, name=name)


def plain(found: Value) -> Any:
    """The inverse of `value`."""
    if isinstance(found, tuple):
        return tuple(plain(item) for item in found)
    if not isinstance(found, Array):
        return found
    objects = found.values.astype(object)
    if found.missing is not None:
        objects[found.missing] = None
    return objects.tolist()


def column(name: str, entries: list[Any], **more: Any) -> Array:
    """A column of a table."""
    array = value(entries, name, "row")
    assert isinstance(array, Array)
    return replace(array, **more)


def run(name: str, args: tuple[Any, ...], **keywords: Any) -> Any:
    """A function of the table on written arguments, its result written."""
    return plain(call(name, [value(arg) for arg in args], {k: value(v) for k, v in keywords.items()}))


def message_of(name: str, args: tuple[Any, ...], **keywords: Any) -> str:
    """The message and hint of the error that a call raises."""
    with pytest.raises(JuliaError) as caught:
        run(name, args, **keywords)
    return f"{caught.value.message} | {caught.value.hint or ''}"


def same(found: Any, wanted: Any) -> bool:
    """Whether two written values are one: kinds and shapes exactly, floats to 4 units in the last place or 1e-15.

    Where the table gives Julia's printed figure, the order of a sum may differ in the last place.
    """
    if isinstance(wanted, list | tuple):
        return type(found) is type(wanted) and len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(wanted, float):
        if not isinstance(found, float):
            return False
        return bool(np.isclose(found, wanted, rtol=1e-15 * 4, atol=1e-15, equal_nan=True))
    if isinstance(wanted, bool) or wanted is None or wanted is MISSING or isinstance(wanted, str):
        return type(found) is type(wanted) and found == wanted
    return isinstance(found, int) and not isinstance(found, bool) and bool(found == wanted)
