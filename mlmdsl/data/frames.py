"""What Python programs hold, as tables and arguments: DataFrames of any library, Arrow tables, mappings, single values.

A frame of another library than pandas comes through Arrow's PyCapsule interface (polars, pyarrow, DuckDB, narwhals, Ibis), or
as what its `to_arrow` or `to_pandas` gives, so none of these libraries is needed here.
"""

from __future__ import annotations

import datetime
import math
import numbers
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from mlmdsl.data.conversion import ROW, is_arrow, is_pandas, nfc, to_array
from mlmdsl.data.reading import data_error
from mlmdsl.data.tables import Table
from mlmdsl.language.types import ANONYMOUS, Array, Axis

if TYPE_CHECKING:
    import pyarrow as pa

_LARGEST = 2**63


def to_table(data: Any, used: Collection[str] | None = None) -> Table:
    """The table that a caller passes; of its columns those `used`, or all.

    Raises:
        DataError: it is no table, or what its columns hold is refused.
    """
    if isinstance(data, Table):
        return data
    if is_pandas(data, 2):
        return Table.from_pandas(data, used=used)
    if is_arrow(data):
        return Table.from_arrow(_arrow_table(data), used=used)
    if isinstance(data, Mapping):
        _verify_apart(data)
        return Table.from_mapping({str(name): values for name, values in data.items()})
    for way in ("to_arrow", "to_pandas"):
        if callable(getattr(data, way, None)) and getattr(data, "ndim", 2) == 2:
            return to_table(getattr(data, way)(), used)
    raise _no_table(data)


def _verify_apart(names: Collection[object]) -> None:
    """Raise DataError where two names are one text."""
    seen: set[str] = set()
    for name in map(str, names):
        if name in seen:
            raise data_error(f"the data has two columns named `{name}`")
        seen.add(name)


def _arrow_table(data: Any) -> pa.Table:
    import pyarrow as pa

    try:
        return pa.table(data)
    except (pa.ArrowException, TypeError, ValueError):  # a column alone speaks the same protocol
        raise _no_table(data) from None


def _no_table(data: Any) -> Exception:
    if hasattr(data, "collect"):
        return data_error(f"a {_kind(data)} has no rows yet", "bind what its `collect()` gives")
    hint = "give a path, a DataFrame, an Arrow table or a mapping of columns; an argument goes by its name: `bind(y=…)`"
    return data_error(f"a table is needed, not {_kind(data)}", hint)


def _kind(value: object) -> str:
    return type(value).__name__


def verify_keywords(model: object, **mappings: object) -> None:
    """Raise DataError where what is meant as an argument of the model has the name of a keyword of `bind`."""
    wrong = [] if model is None or isinstance(model, str) else ["model"]
    wrong += [name for name, value in mappings.items() if value is not None and not isinstance(value, Mapping)]
    for name in wrong:
        what = "the name of a model" if name == "model" else "a mapping of values by name"
        hint = f'an argument of that name goes by `bind(arguments={{"{name}": …}})`'
        raise data_error(f"the keyword `{name}` of `bind` takes {what}", hint)


# ── arguments ────────────────────────────────────────────────────────────────────────────────────────────────────────


def plain_value(name: str, value: Any) -> Any:
    """A single value as Python's own: NumPy's scalars, arrays and tensors without dimensions, fractions, dates (in ISO form);
    None where it is missing. What is no single value stays as it is.

    Raises:
        DataError: NaN, or a whole number that does not fit in 64 bits.
    """
    if value is np.ma.masked or _is_pandas_missing(value):
        return None
    if isinstance(value, np.datetime64):
        return str(value)
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return plain_value(name, value.item())
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bool | str) or not isinstance(value, numbers.Real | Decimal):
        return value
    if isinstance(value, numbers.Integral):
        whole = int(value)
        if not -_LARGEST <= whole < _LARGEST:
            raise data_error(f"`{name}` is a whole number that does not fit in 64 bits", "give a float, such as 1e30")
        return whole
    try:
        number = float(value)
    except OverflowError:
        raise data_error(f"`{name}` is larger than any number of 64 bits") from None
    if math.isnan(number):
        raise data_error(f"`{name}` is NaN", "use None where a value is missing")
    return number


def _is_pandas_missing(value: object) -> bool:
    return type(value).__name__ in ("NAType", "NaTType") and type(value).__module__.split(".")[0] == "pandas"


def given_array(name: str, value: Any) -> Array:
    """An array of any shape that a caller passes as an argument: a frame is a matrix, its columns keep their names as labels.

    Raises:
        DataError: NaN or Inf, values of mixed kinds, something that is no array at all.
    """
    if is_pandas(value, 2) or (is_arrow(value) and hasattr(value, "columns")):
        return _matrix(name, to_table(value))
    return to_array(name, value)


def _matrix(name: str, table: Table) -> Array:
    """The columns of a table beside each other."""
    columns = [table.columns[label] for label in table.names]
    kinds = {column.values.dtype.kind for column in columns}
    if len(kinds) > 1 and not kinds <= {"f", "i"}:
        raise data_error(f"`{name}` must hold numbers, or truths, or text throughout")
    values = np.stack([np.asarray(column.values) for column in columns], axis=1)
    gone = [np.zeros(table.rows, bool) if column.missing is None else column.missing for column in columns]
    missing = np.stack(gone, axis=1)
    for part in (values, missing):
        part.setflags(write=False)
    axes = (Axis(ROW, table.rows), Axis(ANONYMOUS, len(columns), table.names))
    return Array(values, axes, missing=missing if missing.any() else None, name=nfc(name))
