"""From what callers and files hold to `Array`: Python lists, NumPy and masked arrays, pandas Series, Arrow columns.

Whole numbers become int64, other numbers float64, truths bool, everything else text (dates in ISO form). Missing is not
NaN: a NaN or an infinite number is an error that names its column and row.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlmdsl.data.reading import data_error
from mlmdsl.language.types import ANONYMOUS, MISSING, Array, Axis

if TYPE_CHECKING:
    import pyarrow as pa

LineOfRow = Callable[[int], int | None]
"""The line of a file on which a 1-based data row starts."""

ROW = "row"
"""The name of the axis that all columns of a table share."""


def to_array(name: str, values: Any, axes: Sequence[Axis] | None = None) -> Array:
    """What a caller passes under a name, as an Array: a list (None is missing), a (masked) array or tensor of any
    shape, a pandas Series or DataFrame.

    Raises:
        DataError: NaN or Inf, values of mixed kinds, something that is no array at all.
    """
    if isinstance(values, Array):
        return values
    if _is_series(values):
        return _from_series(name, values)
    data, missing = _plain_values(name, values)
    if data.ndim == 0:
        raise data_error(f"`{name}` is a single value where an array is needed")
    _check_finite(name, data, missing, None)
    return _frozen(data, tuple(axes or _plain_axes(values, data.shape)), missing, nfc(name))


def _plain_axes(values: Any, shape: tuple[int, ...]) -> list[Axis]:
    """Rows first; the columns of a DataFrame keep their names as labels."""
    axes = [Axis(ROW, shape[0]), *(Axis(ANONYMOUS, size) for size in shape[1:])]
    labels = getattr(values, "columns", None)
    if labels is not None and len(shape) == 2:
        axes[1] = Axis(ANONYMOUS, shape[1], tuple(nfc(str(label)) for label in labels))
    return axes


# ── from Python's values ─────────────────────────────────────────────────────────────────────────────────────────────


def nfc(name: str) -> str:
    """A name as specs spell it."""
    return unicodedata.normalize("NFC", name)


def _is_series(values: Any) -> bool:
    """Whether a value is pandas' (a Series, an Index, a Categorical), without importing pandas for one that is not."""
    return type(values).__module__.split(".")[0] == "pandas" and getattr(values, "ndim", 0) == 1


def _from_series(name: str, values: Any) -> Array:
    """A pandas Series: NaN and None are missing."""
    import pyarrow as pa

    try:
        data = pa.array(values, from_pandas=True)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise data_error(f"`{name}`: {' '.join(str(part) for part in error.args)}") from error
    return from_arrow(nfc(name), pa.chunked_array([data]) if isinstance(data, pa.Array) else data)


def _plain_values(name: str, values: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Values as float64, int64, bool or text, and the mask of those that are missing."""
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    try:
        data = np.ma.getdata(values) if mask is not None else _as_numpy(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise data_error(f"`{name}` is no array: {error}") from error
    if data.dtype == object:
        gone = np.array([value is None or value is MISSING for value in data.ravel()], dtype=bool).reshape(data.shape)
        mask = gone if mask is None else mask | gone
        data = _from_objects(name, data, mask)
    return _one_of_four(name, data), mask


def _as_numpy(values: Any) -> npt.NDArray[Any]:
    """A list entry by entry, a tensor without its gradient and on the host, anything else as NumPy reads it."""
    if isinstance(values, list | tuple):
        return np.array(values, dtype=object)
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _from_objects(name: str, data: npt.NDArray[Any], mask: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Python objects of one kind as an array of that kind; blank where masked."""
    known = data[~mask].tolist()
    kinds = {_kind(value) for value in known}
    if len(kinds) > 1 or "other" in kinds:
        found = ", ".join(sorted({type(value).__name__ for value in known}))
        raise data_error(f"`{name}` must hold numbers, or truths, or text throughout: found {found}")
    filled = np.array(known, dtype=object if kinds == {"text"} else None) if known else np.zeros(0)
    if filled.dtype == object and kinds != {"text"}:
        raise data_error(f"`{name}` holds a whole number that does not fit in 64 bits")
    result = np.full(data.shape, "" if kinds == {"text"} else 0, dtype=filled.dtype)
    result[~mask] = filled
    return result


def _kind(value: object) -> str:
    """What a Python object counts as in a column."""
    if isinstance(value, bool | np.bool_):
        return "truth"
    if isinstance(value, int | float | np.integer | np.floating):
        return "number"
    return "text" if isinstance(value, str) else "other"


def _one_of_four(name: str, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The data as float64, int64, bool or object (text)."""
    kind = data.dtype.kind
    if kind == "u" and data.size and int(data.max()) >= 2**63:
        raise data_error(f"`{name}` holds a whole number that does not fit in 64 bits")
    if kind in "iu":
        return data.astype(np.int64)
    if kind == "f":
        return data.astype(np.float64)
    if kind == "M":
        return np.datetime_as_string(data).astype(object)
    if kind in "bOU":
        return data.astype(object) if kind == "U" else data
    raise data_error(f"`{name}` holds values of type {data.dtype}, which are neither numbers, truths nor text")


def _frozen(data: npt.NDArray[Any], axes: tuple[Axis, ...], missing: npt.NDArray[np.bool_] | None, name: str) -> Array:
    """A read-only array, its missing entries blank."""
    values = data.copy()
    if missing is not None and missing.any():
        values[missing] = {"f": np.nan, "i": 0, "b": False}.get(values.dtype.kind, "")
        missing = missing.copy()
        missing.setflags(write=False)
    else:
        missing = None
    values.setflags(write=False)
    return Array(values, axes, missing=missing, name=name)


def _check_finite(
    name: str, data: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None, line: LineOfRow | None
) -> None:
    """Raise DataError for the first NaN or Inf that is not marked missing."""
    if data.dtype.kind != "f":
        return
    bad = ~np.isfinite(data) if missing is None else ~np.isfinite(data) & ~missing
    if not bad.any():
        return
    first = np.argwhere(bad)[0]
    row, found = int(first[0]) + 1, float(data[tuple(first)])
    number = line(row) if line is not None else None
    where = f"row {row}{f' (line {number})' if number else ''}"
    more = f", and {int(bad.sum()) - 1} more" if bad.sum() > 1 else ""
    shown = "NaN" if np.isnan(found) else "Inf" if found > 0 else "-Inf"
    hint = "leave the cell empty where a value is missing" if line is not None else "use None where a value is missing"
    raise data_error(f"column `{name}` holds {shown} in {where}{more}", hint)


# ── from Arrow ───────────────────────────────────────────────────────────────────────────────────────────────────────


def from_arrow(name: str, data: pa.ChunkedArray, line: LineOfRow | None = None) -> Array:
    """An Arrow column; `line` gives the line of a row in its file.

    Raises:
        DataError: NaN or Inf, or a type that is neither number, truth, text nor date.
    """
    missing = np.asarray(data.is_null())
    values, categories = _arrow_values(name, data)
    _check_finite(name, values, missing, line)
    column = _frozen(values, (Axis(ROW, len(values)),), missing, name)
    return replace(column, categories=categories)


def _arrow_values(name: str, data: pa.ChunkedArray) -> tuple[npt.NDArray[Any], tuple[str, ...] | None]:
    """The values of an Arrow column by its type, and the order of an ordered categorical's categories."""
    import pyarrow as pa

    kind = data.type
    if pa.types.is_dictionary(kind):
        return _dictionary_values(name, data)
    if pa.types.is_boolean(kind):
        return np.asarray(data.fill_null(False)), None
    if pa.types.is_integer(kind):
        return _one_of_four(name, np.asarray(data.fill_null(0))), None
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return np.asarray(data.cast(pa.float64()).fill_null(0.0)), None
    if pa.types.is_null(kind):
        return np.zeros(len(data)), None
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        return _objects("" if v is None else v.isoformat() for v in data.to_pylist()), None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _objects("" if v is None else v for v in data.to_pylist()), None
    raise data_error(f"column `{name}` holds values of type {kind}, neither numbers, truths, text nor dates")


def _dictionary_values(name: str, data: pa.ChunkedArray) -> tuple[npt.NDArray[Any], tuple[str, ...] | None]:
    """A categorical column: text with the order of its categories where it has one, else what its values are."""
    import pyarrow as pa

    plain = data.cast(data.type.value_type)
    if not data.type.ordered:
        return _arrow_values(name, plain)
    unified = data.unify_dictionaries().combine_chunks()
    categories = unified.dictionary if isinstance(unified, pa.DictionaryArray) else unified.chunk(0).dictionary
    return _objects("" if v is None else str(v) for v in plain.to_pylist()), tuple(map(str, categories.to_pylist()))


def _objects(texts: Iterable[str]) -> npt.NDArray[Any]:
    """Texts as an array of Python strings."""
    return np.array([*texts, None], dtype=object)[:-1]
