"""From a path or URL to an Arrow table: finding the file, its format by its ending, CSV that tells missing from NaN.

An empty cell, `NA`, `N/A`, `null` and `missing` are missing; `NaN` and `Inf` are numbers, refused by `conversion.py`.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.parse import unquote, urlsplit

from mlmdsl.language.errors import DataError, Diagnostic, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

MISSING_CELLS = ("", "NA", "N/A", "null", "NULL", "missing")
"""What a cell of a CSV file holds where its value is missing."""

ENDINGS = (".csv", ".tsv", ".parquet", ".feather", ".arrow")
"""The endings that are understood; `.gz` after any of them too."""

_URL_TIMEOUT_S = 60.0


def data_error(message: str, hint: str | None = None) -> DataError:
    """A DataError with one diagnostic and no place in the spec."""
    return DataError([Diagnostic(message, hint=hint)])


def read_bytes(where: str, base: Path | None) -> bytes:
    """The bytes of a URL, or of a file (relative to `base`); gzip undone.

    Raises:
        DataError: there is no such file, or it cannot be read.
    """
    content = _download(where) if is_url(where) else _read_file(where, base)
    if not where.lower().endswith(".gz"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise data_error(f"`{where}` is not a gzip file: {error}") from error


def is_url(where: str) -> bool:
    """Whether a path is an `http(s)://` address."""
    return where.lower().startswith(("http://", "https://"))


def ending(where: str) -> str:
    """The ending that says the format, `.gz` left out.

    Raises:
        DataError: it is none that is understood.
    """
    try:
        path = unquote(urlsplit(where).path) if is_url(where) else where
    except ValueError as error:
        raise data_error(f"`{where}` is not an address: {error}") from error
    name = PurePosixPath(path.replace("\\", "/")).name.lower().removesuffix(".gz")
    found = PurePosixPath(name).suffix
    if found in ENDINGS:
        return found
    hint = "save the sheet as .csv" if found in (".xls", ".xlsx", ".ods") else f"known endings: {' '.join(ENDINGS)}"
    raise data_error(f"`{where}`: {f'unknown ending `{found}`' if found else 'the file name has no ending'}", hint)


def parse(content: bytes, where: str) -> pa.Table:
    """The table in the bytes of a file.

    Raises:
        DataError: ragged rows or a wrong encoding (with the line), or not a file of that format.
    """
    import pyarrow as pa

    kind = ending(where)
    readers: dict[str, Callable[[bytes, str], pa.Table]] = {
        ".csv": lambda data, name: _parse_text(data, name, ","),
        ".tsv": lambda data, name: _parse_text(data, name, "\t"),
        ".parquet": _parse_parquet,
    }
    try:
        return readers.get(kind, _parse_arrow)(content, where)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise data_error(f"`{where}` is not in the {kind} format: {str(error).splitlines()[0]}") from error


def line_of_row(content: bytes, where: str, row: int) -> int | None:
    """The line on which the 1-based data row of a text table starts; None for other formats."""
    kind = ending(where)
    if kind not in (".csv", ".tsv"):
        return None
    records = _records(content, "," if kind == ".csv" else "\t")
    return next((line for k, (line, _) in enumerate(records) if k == row), None)


def _records(content: bytes, delimiter: str) -> Iterator[tuple[int, int]]:
    """The records of a text table that are not blank, the header first: the line that each starts on, and its cells."""
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, len(cells)
            line = reader.line_num + 1
    except csv.Error:  # a cell of more than 128 KiB: the lines after it stay unknown
        return


# ── where the bytes come from ────────────────────────────────────────────────────────────────────────────────────────


def _download(url: str) -> bytes:
    """What an address answers with."""
    from http.client import HTTPException
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=_URL_TIMEOUT_S) as answer:  # the scheme is http or https
            content: bytes = answer.read()
    except (URLError, OSError, HTTPException, ValueError) as error:
        raise data_error(f"`{url}` cannot be fetched: {error}") from error
    return content


def _read_file(where: str, base: Path | None) -> bytes:
    """The bytes of a file."""
    path = (base or Path()) / where
    try:
        if not path.exists():
            raise data_error(f"there is no file `{where}`", _nearest_file(path))
        if not path.is_file():
            raise data_error(f"`{where}` is not a file")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise data_error(f"`{where}` cannot be read: {reason}") from error


def _nearest_file(path: Path) -> str | None:
    """A hint that offers the nearest table in the folder."""
    if not path.parent.is_dir():
        return f"there is no folder `{path.parent}`"
    return did_you_mean(path.name, (entry.name for entry in path.parent.iterdir() if entry.is_file()))


# ── formats ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _parse_parquet(content: bytes, _: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet

    return pyarrow.parquet.read_table(pa.BufferReader(content))


def _parse_arrow(content: bytes, _: str) -> pa.Table:
    """Arrow IPC, as a file (Feather is that) or as a stream."""
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.BufferReader(content)).read_all()
    except pa.ArrowInvalid:
        return pa.ipc.open_stream(pa.BufferReader(content)).read_all()


def _parse_text(content: bytes, where: str, delimiter: str) -> pa.Table:
    """CSV or TSV. Dates and times stay the text that they are."""
    import pyarrow as pa

    _check_utf8(content, where)
    if not content.strip():
        raise data_error(f"`{where}` is empty")
    table = _read_text(content, where, delimiter, {})
    temporal = {field.name: pa.string() for field in table.schema if pa.types.is_temporal(field.type)}
    return _read_text(content, where, delimiter, temporal) if temporal else table


def _read_text(content: bytes, where: str, delimiter: str, types: dict[str, pa.DataType]) -> pa.Table:
    """One reading of CSV, some columns with types."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ragged: list[arrow_csv.InvalidRow] = []

    def keep(row: arrow_csv.InvalidRow) -> str:
        ragged.append(row)
        return "skip"

    table = arrow_csv.read_csv(
        pa.BufferReader(content),
        read_options=arrow_csv.ReadOptions(use_threads=False),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=keep),
        convert_options=arrow_csv.ConvertOptions(
            null_values=list(MISSING_CELLS),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            column_types=types,
        ),
    )
    if ragged:
        raise _ragged_rows(content, where, delimiter, table.num_columns)
    return table


def _ragged_rows(content: bytes, where: str, delimiter: str, columns: int) -> DataError:
    """The error for the first line with another number of cells than the header."""
    for line, cells in _records(content, delimiter):
        if cells != columns:
            found = f"{cells} cell{'' if cells == 1 else 's'}"
            return data_error(f"`{where}`, line {line}: {found} where the header has {columns} columns")
    return data_error(f"`{where}`: a row has not {columns} cells, as the header has")


def _check_utf8(content: bytes, where: str) -> None:
    """Raise DataError, with the line, for text that is not UTF-8."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise data_error(f"`{where}` is in UTF-16", "save it as UTF-8")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise data_error(f"`{where}`, line {line}: this is not UTF-8 text", "save the file as UTF-8") from error
