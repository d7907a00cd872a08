"""Tables: columns of numbers, truths or text, from a file, a DataFrame or a mapping, with missing entries marked.

A NaN or an infinite number in a file or an array is an error that names its column and row. pandas marks missing
entries with NaN, so in a DataFrame NaN is missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from mlmdsl.data.conversion import ROW, Column, from_arrow, nfc, to_array
from mlmdsl.data.dialect import AS_FOUND, DELIMITERS, Dialect, Writing, dialect_of
from mlmdsl.data.odd_cells import with_odd_cells
from mlmdsl.data.reading import Content, Wanted, data_error, ending, parse_binary, read_bytes
from mlmdsl.data.text import Retyped, check_text, line_of_row, parse_text
from mlmdsl.language.errors import DataError, did_you_mean, listed, without_passwords
from mlmdsl.language.rows import converted, copied, distinct, kept
from mlmdsl.language.types import Array

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_SHOWN = 12

_KINDS = {"f": "number", "i": "whole number", "b": "true/false"}


@dataclass(frozen=True)
class ColumnSummary:
    """What `mlmdsl data` shows of a column. Figures are None for text; levels are the first few distinct values."""

    column: str
    type: str
    n: int
    missing: int
    min: float | None
    mean: float | None
    median: float | None
    max: float | None
    n_levels: int
    levels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of one length by their names (NFC). `name` is where the table came from.

    `names` are those of all columns; `columns` may be only those that something uses.
    """

    columns: Mapping[str, Array]
    name: str
    names: tuple[str, ...]
    rows: int

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle holds."""
        return {**self.__dict__, "columns": dict(self.columns)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, columns=MappingProxyType(state["columns"]))

    def column(self, name: str) -> Array:
        """The column of that name.

        Raises:
            DataError: there is none; the nearest name is offered.
        """
        key = nfc(name)
        if key in self.columns:
            return self.columns[key]
        known = list(self.names)
        shown = f"its columns: {listed(known, _SHOWN)}"
        raise data_error(f"{self.name} has no column `{name}`", did_you_mean(key, known) or shown)

    def describe(self) -> list[ColumnSummary]:
        """A summary of each column, in their order."""
        return [_summary(name, column) for name, column in self.columns.items()]

    @classmethod
    def from_pandas(
        cls, frame: pd.DataFrame, name: str = "the DataFrame", used: Collection[str] | None = None
    ) -> Table:
        """The columns of a DataFrame (its index is left out), those `used` or all; NaN and None are missing.

        Raises:
            DataError: no rows, two columns of one name, a column of mixed kinds, an infinite number.
        """
        import pyarrow as pa

        _check_names(map(str, frame.columns), name)
        plain = frame.set_axis([str(column) for column in frame.columns], axis=1)
        names = tuple(nfc(column) for column in plain.columns)
        plain = plain[[column for column in plain.columns if used is None or nfc(column) in used]]
        try:
            arrow = pa.Table.from_pandas(plain, preserve_index=False)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise data_error(f"{name}: {' '.join(str(part) for part in error.args)}") from error
        columns = {nfc(column): from_arrow(nfc(column), arrow.column(column)) for column in arrow.column_names}
        return _table(columns, name, names, len(frame))

    @classmethod
    def from_arrow(cls, arrow: pa.Table, name: str = "the table", used: Collection[str] | None = None) -> Table:
        """The columns of an Arrow table, those `used` or all; null is missing, and pandas' stored index is left out.

        Raises:
            DataError: no rows, two columns of one name, NaN or Inf.
        """
        names = [column for column in arrow.column_names if _is_data(column)]
        _check_names(names, name)
        wanted = [column for column in names if used is None or nfc(column) in used]
        columns = {nfc(column): from_arrow(nfc(column), arrow.column(column)) for column in wanted}
        return _table(columns, name, tuple(map(nfc, names)), arrow.num_rows)

    @classmethod
    def from_mapping(cls, columns: Mapping[str, Any], name: str = "the data") -> Table:
        """Columns from lists (None is missing), arrays, masked arrays and pandas Series.

        Raises:
            DataError: columns of different lengths, no rows, NaN or Inf, values of mixed kinds.
        """
        _check_names(columns, name)
        arrays = {nfc(key): to_array(key, values) for key, values in columns.items()}
        lengths = {key: array.values.shape[0] for key, array in arrays.items()}
        for key, array in arrays.items():
            if array.ndim != 1:
                raise data_error(f"{name}: column `{key}` has {array.ndim} dimensions; a column has one")
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"`{key}` {length}" for key, length in list(lengths.items())[:_SHOWN])
            raise data_error(f"{name}: the columns have different lengths: {shown}")
        return _table(arrays, name)


def read_table(
    where: str | Path,
    base: Path | None = None,
    used: Collection[str] | None = None,
    network: bool = True,
    writing: Writing = AS_FOUND,
) -> Table:
    """The table in a file (relative to `base`) or at an `http(s)://` address; of its columns those `used`, or all.

    `.csv .tsv .parquet .feather .arrow`, and these with `.gz`. In text an empty cell, NA, N/A, null and missing are
    missing entries, and what `writing` says. The file may be larger than memory.

    Raises:
        DataError: not found, not readable, not of that format, ragged, not UTF-8, without rows, two columns of one
            name, NaN or Inf (with column, row and line).
    """
    content = read_bytes(str(where), base, network)
    path = without_passwords(str(where))
    dialect = _dialect(content, path, writing)
    wanted: Wanted = lambda name: _is_data(name) and (used is None or nfc(name) in used)  # noqa: E731
    names, columns = _read_columns(content, path, wanted, dialect)
    line = None if dialect is None else partial(line_of_row, content, dialect)
    read = {column.name: column.array(line) for column in columns if used is None or column.name in used}
    if dialect is not None and line is not None:
        read = {name: with_odd_cells(column, path, dialect, line) for name, column in read.items()}
    return _table(read, path, tuple(nfc(name) for name in names), columns[0].rows)


def _dialect(content: Content, path: str, writing: Writing) -> Dialect | None:
    """How a text table is written; None for other formats."""
    if ending(path) not in DELIMITERS:
        return None
    check_text(content, path)
    return dialect_of(content, path, writing)


def _read_columns(
    content: Content, path: str, wanted: Wanted, dialect: Dialect | None
) -> tuple[list[str], list[Column]]:
    """The names of all columns of a file, and those that are wanted."""
    types: Mapping[str, pa.DataType] | None = None
    while True:
        pieces = (
            parse_binary(content, path, wanted)
            if dialect is None
            else parse_text(content, path, wanted, dialect, types)
        )
        names = [name for name in pieces.names if _is_data(name)]
        _check_names(names, path)
        columns = [Column(nfc(field.name), field.type) for field in pieces.schema]
        try:
            for batch in pieces.batches:
                for column, piece in zip(columns, batch.columns, strict=True):
                    column.add(piece)
        except Retyped as again:
            types = again.types
        else:
            return names, columns


def _is_data(name: str) -> bool:
    """Whether a column is the table's own: pandas' stored index is not."""
    return not (name.startswith("__index_level_") and name.endswith("__"))


# ── the whole table ──────────────────────────────────────────────────────────────────────────────────────────────────


def _check_names(names: Iterable[str], table: str) -> None:
    """Raise DataError where two columns have one name (after NFC), or none is there."""
    seen: set[str] = set()
    for name in map(nfc, names):
        if name in seen:
            raise data_error(f"{table} has two columns named `{name}`")
        seen.add(name)
    if not seen:
        raise data_error(f"{table} has no columns")


def _table(columns: dict[str, Array], name: str, names: tuple[str, ...] = (), rows: int | None = None) -> Table:
    """The table, refusing one without rows."""
    if rows is None:
        rows = next((int(column.values.shape[0]) for column in columns.values()), 0)
    if rows == 0:
        raise data_error(f"{name} has no rows")
    return Table(MappingProxyType(columns), name, names or tuple(columns), rows)


def _summary(name: str, column: Array) -> ColumnSummary:
    """The summary of a column, over the entries that are not missing."""
    known = column.values if column.missing is None else kept(column.values, ~column.missing)
    found = distinct(known)
    order = {label: k for k, label in enumerate(column.categories or ())}
    levels = sorted(found.tolist(), key=order.__getitem__) if order else found
    first = np.asarray(levels[:_SHOWN], dtype=found.dtype).tolist()
    numbers = converted(known, np.float64) if known.dtype != object and known.size else None
    return ColumnSummary(
        column=name,
        type=_KINDS.get(column.values.dtype.kind, "text"),
        n=int(column.values.size),
        missing=int(column.values.size - known.size),
        min=None if numbers is None else float(numbers.min()),
        mean=None if numbers is None else float(numbers.mean()),
        median=None if numbers is None else float(np.median(copied(numbers), overwrite_input=True)),
        max=None if numbers is None else float(numbers.max()),
        n_levels=int(found.size),
        levels=tuple(str(label).lower() if isinstance(label, bool) else str(label) for label in first),
    )


__all__ = ["ROW", "ColumnSummary", "DataError", "Table", "read_table", "to_array"]
