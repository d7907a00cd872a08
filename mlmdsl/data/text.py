"""CSV and TSV: in pieces, with types that hold for the whole column, missing told from NaN, faults told by their line.

An empty cell, `NA`, `N/A`, `null` and `missing` are missing; `NaN` and `Inf` are numbers, refused by `conversion.py`.
The type of a column is guessed from the first piece. Where a later one does not fit, or a whole number is so large that a
float may not hold it, all are looked at and the table is read again: the outcome is that of one look at the whole column.
Whole numbers past 64 bits stay the text that they are: no identifier is rounded.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mlmdsl.data.cell_types import Holds, held, may_be_rounded, type_of
from mlmdsl.data.dialect import Dialect
from mlmdsl.data.reading import Content, Pieces, Wanted, chosen, data_error, each_readable, opened, readable
from mlmdsl.language.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

BLOCK = 2**22
"""Bytes of text that are read at once."""


class Retyped(Exception):
    """A column does not have the type that its first piece suggests; `types` are those that hold throughout."""

    def __init__(self, types: Mapping[str, pa.DataType]) -> None:
        self.types = types
        super().__init__()


def parse_text(
    content: Content,
    where: str,
    wanted: Wanted,
    dialect: Dialect,
    types: Mapping[str, pa.DataType] | None = None,
) -> Pieces:
    """The pieces of a text table. Dates and times stay the text that they are.

    Raises:
        DataError: ragged rows or a wrong encoding, with the line (of rows, as the pieces are taken).
        Retyped: as the pieces are taken, where they must be taken again with these `types`.
    """
    import pyarrow as pa

    with readable(where):
        names = _Text(content, where, dialect, {}, None).reader.schema.names
        columns = chosen(names, wanted) if len(set(names)) == len(names) else None
        text = _Text(content, where, dialect, types or {}, columns)
        temporal = {field.name: pa.string() for field in text.reader.schema if pa.types.is_temporal(field.type)}
        if temporal:
            text = _Text(content, where, dialect, {**(types or {}), **temporal}, columns)
    return Pieces(names, text.reader.schema, each_readable(text.batches(types is None), where))


class _Text:
    """One reading of a text table: some of its columns, some with types."""

    def __init__(
        self,
        content: Content,
        where: str,
        dialect: Dialect,
        types: Mapping[str, pa.DataType],
        columns: list[str] | None,
    ) -> None:
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        self.content, self.where, self.dialect, self.columns = content, where, dialect, columns
        self.ragged: list[arrow_csv.InvalidRow] = []
        self.reader = arrow_csv.open_csv(
            pa.BufferReader(pa.py_buffer(content)),
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK),
            parse_options=arrow_csv.ParseOptions(
                delimiter=dialect.delimiter, newlines_in_values=True, invalid_row_handler=self._keep
            ),
            convert_options=_conversion(dialect, types, columns),
        )

    def _keep(self, row: arrow_csv.InvalidRow) -> str:
        self.ragged.append(row)
        return "skip"

    def batches(self, guessed: bool) -> Iterator[pa.RecordBatch]:
        """The pieces. Raises DataError for a ragged row, Retyped where a cell does not fit the type that was guessed."""
        import pyarrow as pa

        while True:
            try:
                batch = next(self.reader, None)
            except pa.ArrowInvalid as error:
                if not guessed or "conversion error" not in str(error):
                    raise
                raise Retyped(self._whole_types()) from error
            if self.ragged:
                raise _ragged_rows(self.content, self.where, self.dialect, self.ragged[0].expected_columns)
            if batch is None:
                return
            if guessed and any(map(may_be_rounded, batch.columns)):
                raise Retyped(self._whole_types())
            yield batch

    def _whole_types(self) -> dict[str, pa.DataType]:
        """For each column the type that all of its cells have."""
        import pyarrow as pa

        names = self.reader.schema.names
        found: dict[str, set[Holds]] = {name: set() for name in names}
        texts = _Text(self.content, self.where, self.dialect, dict.fromkeys(names, pa.string()), self.columns)
        for batch in texts.reader:
            schema, columns = _read_again(batch, self.dialect)
            for field, column, cells in zip(schema, columns, batch.columns, strict=True):
                found[field.name] |= held(field.type, column, cells)
        return {name: type_of(holds) for name, holds in found.items()}


def _conversion(dialect: Dialect, types: Mapping[str, pa.DataType], columns: list[str] | None) -> Any:
    from pyarrow import csv as arrow_csv

    return arrow_csv.ConvertOptions(
        decimal_point=dialect.decimal,
        null_values=list(dialect.missing),
        strings_can_be_null=True,
        quoted_strings_can_be_null=dialect.quoted_missing,
        column_types=dict(types),
        include_columns=columns or [],
    )


def _read_again(batch: pa.RecordBatch, dialect: Dialect) -> tuple[Any, Any]:
    """The fields and columns of a piece of text, each with the type that its cells have."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    # a first column that is never empty, since an empty line would be no row
    whole = pa.table([pa.array(["0"] * batch.num_rows), *batch.columns], ["", *batch.schema.names])
    written = pa.BufferOutputStream()
    arrow_csv.write_csv(whole, written, arrow_csv.WriteOptions(delimiter="\t"))
    table = arrow_csv.read_csv(
        pa.BufferReader(written.getvalue()),
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=4 * BLOCK),
        parse_options=arrow_csv.ParseOptions(delimiter="\t", newlines_in_values=True),
        convert_options=_conversion(dialect, {}, batch.schema.names),
    )
    return table.schema, table.columns


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def line_of_row(content: Content, dialect: Dialect, row: int) -> int | None:
    """The line on which the 1-based data row of a text table starts."""
    return next((line for k, (line, _) in enumerate(_records(content, dialect)) if k == row), None)


def _records(content: Content, dialect: Dialect) -> Iterator[tuple[int, int]]:
    """The records of a text table that are not blank, the header first: the line that each starts on, and its cells."""
    text = io.TextIOWrapper(opened(content), "utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=dialect.delimiter)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, len(cells)
            line = reader.line_num + 1
    except csv.Error:  # a cell of more than 128 KiB: the lines after it stay unknown
        return


def _ragged_rows(content: Content, where: str, dialect: Dialect, columns: int) -> DataError:
    """The error for the first line with another number of cells than the header."""
    for line, cells in _records(content, dialect):
        if cells != columns:
            found = f"{cells} cell{'' if cells == 1 else 's'}"
            header = f"{columns} column{'' if columns == 1 else 's'}"
            hint = _cell_hint(where, dialect) if cells > columns else None
            return data_error(f"`{where}`, line {line}: {found} where the header has {header}", hint)
    return data_error(f"`{where}`: a row has not {columns} cells, as the header has")


def _cell_hint(where: str, dialect: Dialect) -> str:
    """What to do about a row that has too many cells."""
    mark = "a tab" if dialect.delimiter == "\t" else f"`{dialect.delimiter}`"
    other = f"where something else separates them, say so: `@data \"{where}\" delim=';' begin`"
    return f"{mark} separates cells here, so a cell that holds one stands in double quotes; {other}"


def check_text(content: Content, where: str) -> None:
    """Raise DataError for a text table that is empty, or not UTF-8."""
    _check_utf8(content, where)
    if not bytes(content[:BLOCK]).strip():
        raise data_error(f"`{where}` is empty")


def _check_utf8(content: Content, where: str) -> None:
    """Raise DataError, with the line, for text that is not UTF-8."""
    if bytes(content[:2]) in (b"\xff\xfe", b"\xfe\xff"):
        raise data_error(f"`{where}` is in UTF-16", "save it as UTF-8")
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(content) + 1, BLOCK):
        waiting = len(decoder.getstate()[0])
        try:
            decoder.decode(bytes(content[start : start + BLOCK]), start + BLOCK > len(content))
        except UnicodeDecodeError as error:
            before = start - waiting + error.start
            line = sum(bytes(content[k : min(k + BLOCK, before)]).count(b"\n") for k in range(0, before, BLOCK)) + 1
            raise data_error(f"`{where}`, line {line}: this is not UTF-8 text", "save the file as UTF-8") from error
