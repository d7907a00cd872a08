"""From what callers and files hold to `Array`: Python lists, NumPy and masked arrays, pandas Series, Arrow columns.

Whole numbers become int64, other numbers float64, truths bool, everything else text (dates in ISO form). Missing is not
NaN: a NaN or an infinite number is an error that names its column and row.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlmdsl.data.reading import data_error
from mlmdsl.language.errors import DataError
from mlmdsl.language.rows import Growing, Texts, converted, copied, mapped
from mlmdsl.language.types import ANONYMOUS, MISSING, Array, Axis

if TYPE_CHECKING:
    import pyarrow as pa

LineOfRow = Callable[[int], int | None]
"""The line of a file on which a 1-based data row starts."""

ROW = "row"
"""The name of the axis that all columns of a table share."""


def to_array(name: str, values: Any, axes: Sequence[Axis] | None = None) -> Array:
    """What a caller passes under a name, as an Array: a list (None is missing), a (masked) array or tensor of any
    shape, a pandas Series or DataFrame, a column of Arrow or polars.

    Raises:
        DataError: NaN or Inf, values of mixed kinds, something that is no array at all.
    """
    if isinstance(values, Array):
        return values
    if is_pandas(values, 1):
        return _from_series(name, values)
    if is_arrow(values) and getattr(values, "ndim", 1) == 1 and not hasattr(values, "columns"):
        return _from_arrow_values(name, values)
    data, missing = _plain_values(name, values)
    if data.ndim == 0:
        raise data_error(f"`{name}` is a single value where an array is needed")
    _check_finite(name, data, missing)
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


def is_pandas(values: Any, dimensions: int) -> bool:
    """Whether a value is pandas' (a DataFrame; a Series, an Index, a Categorical), or of a class that is derived from one,
    without importing pandas for one that is not."""
    homes = {kind.__module__.split(".")[0] for kind in type(values).__mro__}
    return "pandas" in homes and getattr(values, "ndim", 0) == dimensions


def is_arrow(values: Any) -> bool:
    """Whether a value speaks Arrow's PyCapsule interface: a frame or a column of pyarrow, polars and others."""
    return hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__")


def _from_arrow_values(name: str, values: Any) -> Array:
    """A column that speaks Arrow; null is missing."""
    import pyarrow as pa

    try:
        data = (
            pa.chunked_array(values) if hasattr(values, "__arrow_c_stream__") else pa.chunked_array([pa.array(values)])
        )
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise data_error(f"`{name}`: {' '.join(str(part) for part in error.args)}") from error
    return from_arrow(nfc(name), data)


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
    known = [_simple(value) for value in data[~mask].tolist()]
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


def _simple(value: Any) -> Any:
    """A fraction as a float, a date as text, a number in an array or tensor without dimensions as it is."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item") and not isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Decimal | Fraction):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value


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
        return converted(data, np.int64)
    if kind == "f":
        return converted(data, np.float64)
    if kind == "M":
        return np.datetime_as_string(data).astype(object)
    if kind in "bOU":
        return data.astype(object) if kind == "U" else data
    raise data_error(f"`{name}` holds values of type {data.dtype}, which are neither numbers, truths nor text")


def _frozen(data: npt.NDArray[Any], axes: tuple[Axis, ...], missing: npt.NDArray[np.bool_] | None, name: str) -> Array:
    """A read-only array, its missing entries blank."""
    values = copied(data)
    if missing is not None and missing.any():
        values[missing] = {"f": np.nan, "i": 0, "b": False}.get(values.dtype.kind, "")
        missing = missing.copy()
        missing.setflags(write=False)
    else:
        missing = None
    values.setflags(write=False)
    return Array(values, axes, missing=missing, name=name)


def _check_finite(name: str, data: npt.NDArray[Any], missing: npt.NDArray[np.bool_] | None) -> None:
    """Raise DataError for the first NaN or Inf that is not marked missing."""
    if data.dtype.kind != "f":
        return
    bad = mapped(lambda part: ~np.isfinite(part), [data])
    if missing is not None:
        bad &= ~missing
    if bad.any():
        first = np.unravel_index(int(bad.argmax()), bad.shape)
        raise _not_finite(name, int(first[0]), float(data[first]), int(bad.sum()), None)


def _not_finite(name: str, place: int, found: float, count: int, line: LineOfRow | None) -> DataError:
    """The error for a column with NaN or Inf, first in the row after `place` others."""
    row = place + 1
    number = line(row) if line is not None else None
    where = f"row {row}{f' (line {number})' if number else ''}"
    more = f", and {count - 1} more" if count > 1 else ""
    shown = "NaN" if np.isnan(found) else "Inf" if found > 0 else "-Inf"
    hint = "leave the cell empty where a value is missing" if line is not None else "use None where a value is missing"
    return data_error(f"column `{name}` holds {shown} in {where}{more}", hint)


# ── from Arrow ───────────────────────────────────────────────────────────────────────────────────────────────────────


def from_arrow(name: str, data: pa.ChunkedArray, line: LineOfRow | None = None) -> Array:
    """An Arrow column; `line` gives the line of a row in its file.

    Raises:
        DataError: NaN or Inf, or a type that is neither number, truth, text nor date.
    """
    column = Column(name, data.type)
    for chunk in data.chunks:
        column.add(chunk)
    return column.array(line)


class Column:
    """A column that comes in pieces, as Arrow arrays of one type.

    Raises:
        DataError: the type is neither number, truth, text nor date.
    """

    def __init__(self, name: str, kind: pa.DataType) -> None:
        self.name = name
        self.values: _Pieces = _pieces(name, kind)
        self.missing = Growing(np.bool_)
        self.any_missing = False
        self.rows = 0
        self.bad: list[tuple[int, float]] = []
        self.bad_count = 0

    def add(self, piece: pa.Array) -> None:
        """Put a piece at the end."""
        gone = _plain(piece.is_null())
        self.any_missing = self.any_missing or bool(gone.any())
        self.missing.add(gone)
        self._note_bad(self.values.add(piece, gone), gone)
        self.rows += len(piece)

    def _note_bad(self, values: npt.NDArray[Any], gone: npt.NDArray[np.bool_]) -> None:
        """Remember the first NaN or Inf, and how many there are."""
        if values.dtype.kind != "f":
            return
        bad = np.flatnonzero(~np.isfinite(values) & ~gone)
        self.bad_count += bad.size
        if bad.size and not self.bad:
            self.bad = [(self.rows + int(bad[0]), float(values[bad[0]]))]

    def array(self, line: LineOfRow | None = None) -> Array:
        """The whole column. Raises DataError where it holds NaN or Inf."""
        if self.bad:
            raise _not_finite(self.name, *self.bad[0], self.bad_count, line)
        values, categories = self.values.whole()
        missing = self.missing.whole() if self.any_missing else None
        for each in (values, missing):
            if isinstance(each, np.ndarray):
                each.setflags(write=False)
        column = Array(values, (Axis(ROW, self.rows),), missing=missing, name=self.name)
        return replace(column, categories=categories)


class _Numbers:
    """Numbers or truths, blank where missing."""

    def __init__(self, name: str, dtype: npt.DTypeLike, blank: float, cast: Callable[[Any], Any]) -> None:
        self.name, self.blank, self.cast = name, blank, cast
        self.grown = Growing(dtype)

    def add(self, piece: pa.Array, gone: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        values = _plain(self.cast(piece))
        if gone.any():
            values = values.copy()
            values[gone] = self.blank
        values = _one_of_four(self.name, values)
        self.grown.add(values)
        return values

    def whole(self) -> tuple[npt.NDArray[Any], tuple[str, ...] | None]:
        return self.grown.whole(), None


def _plain(data: pa.Array | npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The numbers or truths of an Arrow array where they lie, undefined where null.

    Arrow's own way to NumPy and its `fill_null` import pandas first, which takes longer than most tables.
    """
    import pyarrow as pa

    if isinstance(data, np.ndarray):
        return data
    if pa.types.is_boolean(data.type):
        return _plain(data.cast(pa.uint8())).view(np.bool_)
    whole = np.frombuffer(data.buffers()[1] or b"", data.type.to_pandas_dtype())
    return whole[data.offset : data.offset + len(data)]


class _Strings:
    """Text as codes of its distinct values; missing entries are the text ""."""

    def __init__(self, ordered: bool) -> None:
        self.ordered = ordered
        self.known: dict[str, int] = {}
        self.order: dict[str, None] = {}
        self.grown = Growing(np.int32)

    def add(self, piece: pa.Array, gone: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        import pyarrow as pa

        coded = piece if pa.types.is_dictionary(piece.type) else piece.dictionary_encode()
        texts = [_as_text(value) for value in coded.dictionary.to_pylist()]
        if self.ordered:
            self.order |= dict.fromkeys(texts)
        codes = _plain(coded.indices).astype(np.int64)
        codes[gone] = 0
        used = np.unique(codes[~gone])
        places = np.zeros(len(texts) + 1, dtype=np.int32)
        for code in used.tolist():
            places[code] = self.known.setdefault(texts[code], len(self.known))
        known = places[codes]
        if gone.any():
            known[gone] = self.known.setdefault("", len(self.known))
        self.grown.add(known)
        return known

    def whole(self) -> tuple[npt.NDArray[Any], tuple[str, ...] | None]:
        codes = self.grown.whole()
        codes.setflags(write=False)
        texts: Any = Texts(codes, tuple(self.known))
        return texts, tuple(self.order) if self.ordered else None


_Pieces = _Numbers | _Strings


def _as_text(value: Any) -> str:
    """A text, a date in ISO form, a category of an ordered categorical as text."""
    return value if isinstance(value, str) else value.isoformat() if hasattr(value, "isoformat") else str(value)


def _pieces(name: str, kind: pa.DataType) -> _Pieces:
    """What takes the pieces of an Arrow type."""
    import pyarrow as pa

    is_ = pa.types
    if is_.is_dictionary(kind):
        inner = kind.value_type
        if kind.ordered:
            return _Strings(True)
        if not (is_.is_string(inner) or is_.is_large_string(inner)):
            plain = _pieces(name, inner)
            if isinstance(plain, _Numbers):
                cast = plain.cast
                plain.cast = lambda piece: cast(piece.cast(inner))
            return plain
        return _Strings(False)
    if is_.is_boolean(kind):
        return _Numbers(name, np.bool_, False, lambda piece: piece)
    if is_.is_integer(kind):
        return _Numbers(name, np.int64, 0, lambda piece: piece)
    if is_.is_decimal(kind) and kind.scale <= 0:
        return _Numbers(name, np.int64, 0, lambda piece: _as_int64(name, piece))
    if is_.is_floating(kind) or is_.is_decimal(kind):
        return _Numbers(name, np.float64, np.nan, lambda piece: piece.cast(pa.float64()))
    if is_.is_null(kind):
        return _Numbers(name, np.float64, np.nan, lambda piece: np.zeros(len(piece)))
    if (is_.is_temporal(kind) and not is_.is_duration(kind)) or _is_text(kind):
        return _Strings(False)
    raise data_error(f"column `{name}` holds values of type {kind}, neither numbers, truths, text nor dates")


def _as_int64(name: str, piece: pa.Array) -> pa.Array:
    """Whole decimals as whole numbers."""
    import pyarrow as pa

    try:
        return piece.cast(pa.int64())
    except pa.ArrowInvalid as error:
        hint = "as identifiers they are text: cast the column to strings"
        raise data_error(f"column `{name}` holds a whole number that does not fit in 64 bits", hint) from error


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
