"""From a path or URL to the pieces of an Arrow table: finding the file, its format by its ending, the columns wanted.

A file may be larger than memory: it is mapped, not read (what comes zipped or from an address is first written to a
temporary file), and a piece of the columns wanted is in memory at a time. Text tables are the business of `text.py`.
"""

from __future__ import annotations

import gzip
import io
import mmap
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mlmdsl.data.network import download, network_forbidden, scheme_of
from mlmdsl.language import rows
from mlmdsl.language.errors import DataError, Diagnostic, did_you_mean, without_passwords

if TYPE_CHECKING:
    import pyarrow as pa

ENDINGS = (".csv", ".tsv", ".parquet", ".feather", ".arrow")
"""The endings that are understood; `.gz` after any of them too."""

PIECE = 2**18
"""Rows of a piece of a Parquet file."""

Content = bytes | memoryview
"""The bytes of a file: in memory, or where they are many mapped from a file."""

Wanted = Callable[[str], bool]
"""Whether a column of some name is read."""

_STEP = 2**20


@dataclass(frozen=True)
class Pieces:
    """A table in pieces: the names of all its columns, and the types of those that the batches have."""

    names: Sequence[str]
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def data_error(message: str, hint: str | None = None) -> DataError:
    """A DataError with one diagnostic and no place in the spec."""
    return DataError([Diagnostic(message, hint=hint)])


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
        raise data_error(f"`{without_passwords(where)}` is not an address: {error}") from error
    name = PurePosixPath(path.replace("\\", "/")).name.lower().removesuffix(".gz")
    found = PurePosixPath(name).suffix
    if found in ENDINGS:
        return found
    hint = "save the sheet as .csv" if found in (".xls", ".xlsx", ".ods") else f"known endings: {' '.join(ENDINGS)}"
    where = without_passwords(where)
    raise data_error(f"`{where}`: {f'unknown ending `{found}`' if found else 'the file name has no ending'}", hint)


# ── where the bytes come from ────────────────────────────────────────────────────────────────────────────────────────


def read_bytes(where: str, base: Path | None, network: bool = True) -> Content:
    """The bytes of a URL, or of a file (relative to `base`); gzip undone. What is long lies in a file, not in memory.

    Raises:
        DataError: there is no such file, it cannot be read, or it is an address where `network` or the environment
            forbids these.
    """
    content = _download(where, network) if scheme_of(where) else _read_file(where, base)
    if not where.lower().endswith(".gz"):
        return content
    try:
        with gzip.GzipFile(fileobj=opened(content)) as unzipped:
            return rows.on_disk(iter(partial(unzipped.read, _STEP), b""))
    except (OSError, EOFError, zlib.error) as error:
        raise data_error(f"`{without_passwords(where)}` is not a gzip file: {error}") from error


def _download(where: str, network: bool) -> Content:
    """What an address answers with."""
    shown = without_passwords(where)
    if not is_url(where):
        raise data_error(
            f"`{shown}` is neither a file nor an http(s) address", "tables come from files, http and https"
        )
    ending(where)
    forbidden = network_forbidden(network)
    if forbidden is not None:
        raise data_error(
            f"`{shown}` is not fetched: {forbidden} forbids addresses", "give the table as a file: --data FILE"
        )
    try:
        return rows.on_disk(download(where))
    except OSError as error:
        raise data_error(f"`{shown}` cannot be kept: {error}") from error


def opened(content: Content) -> io.BufferedReader:
    """Bytes as a file to read."""
    return io.BufferedReader(_Mapped(memoryview(content)))


class _Mapped(io.RawIOBase):
    """A file over bytes, which are not copied as `io.BytesIO` would."""

    def __init__(self, content: memoryview) -> None:
        self.content, self.place = content, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self.content[self.place : self.place + len(buffer)]
        buffer[: len(part)] = part
        self.place += len(part)
        return len(part)


def _read_file(where: str, base: Path | None) -> Content:
    """The bytes of a file."""
    path = (base or Path()) / where
    try:
        if not path.exists():
            raise data_error(f"there is no file `{where}`", _nearest_file(path))
        if not path.is_file():
            raise data_error(f"`{where}` is not a file")
        if path.stat().st_size <= rows.LONG:
            return path.read_bytes()
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise data_error(f"`{where}` cannot be read: {reason}") from error


def _nearest_file(path: Path) -> str | None:
    """A hint that offers the nearest table in the folder."""
    if not path.parent.is_dir():
        return f"there is no folder `{path.parent}`"
    tables = (entry.name for entry in path.parent.iterdir() if entry.is_file() and _is_table(entry.name))
    return did_you_mean(path.name, tables)


def _is_table(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(ENDINGS)


# ── what all formats share ───────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def readable(where: str) -> Iterator[None]:
    """What Arrow says of a bad file, as a DataError."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, DataError | MemoryError):
            raise
        raise data_error(f"`{where}` is not in the {ending(where)} format: {str(error).splitlines()[0]}") from error


def each_readable(batches: Iterator[pa.RecordBatch], where: str) -> Iterator[pa.RecordBatch]:
    """The batches, with what goes wrong in them said as `readable` does."""
    while True:
        with readable(where):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def chosen(names: Sequence[str], wanted: Wanted) -> list[str]:
    """The columns that are wanted; the first where none is, since a table has rows all the same."""
    return [name for name in names if wanted(name)] or list(names[:1])


# ── binary formats ───────────────────────────────────────────────────────────────────────────────────────────────────


def parse_binary(content: Content, where: str, wanted: Wanted) -> Pieces:
    """The pieces of a Parquet or Arrow file.

    Raises:
        DataError: it is none, or damaged (that may show as the pieces are taken).
    """
    import pyarrow as pa

    parse = _parse_parquet if ending(where) == ".parquet" else _parse_arrow
    with readable(where):
        found = parse(pa.py_buffer(content), wanted)
    return Pieces(found.names, found.schema, each_readable(found.batches, where))


def _parse_parquet(buffer: pa.Buffer, wanted: Wanted) -> Pieces:
    import pyarrow as pa
    from pyarrow import parquet

    schema = parquet.read_schema(pa.BufferReader(buffer))
    columns = chosen(schema.names, wanted)
    texts = [field.name for field in schema if field.name in columns and pa.types.is_string(field.type)]
    file = parquet.ParquetFile(pa.BufferReader(buffer), read_dictionary=texts)
    batches = file.iter_batches(PIECE, columns=columns, use_threads=False)
    return _selected(file.schema_arrow, batches, columns)


def _parse_arrow(buffer: pa.Buffer, wanted: Wanted) -> Pieces:
    """Arrow IPC, as a file (Feather is that) or as a stream."""
    import pyarrow as pa

    try:
        file = pa.ipc.open_file(pa.BufferReader(buffer))
    except pa.ArrowInvalid:
        stream = pa.ipc.open_stream(pa.BufferReader(buffer))
        return _selected(stream.schema, iter(stream), chosen(stream.schema.names, wanted))
    batches = (file.get_batch(k) for k in range(file.num_record_batches))
    return _selected(file.schema, batches, chosen(file.schema.names, wanted))


def _selected(schema: pa.Schema, batches: Iterator[pa.RecordBatch], columns: Sequence[str]) -> Pieces:
    """Some columns of a table; all where two have one name, which the caller refuses."""
    import pyarrow as pa

    if len(set(schema.names)) < len(schema.names):
        return Pieces(schema.names, schema, batches)
    fields = pa.schema([schema.field(name) for name in columns])
    return Pieces(schema.names, fields, (batch.select(columns) for batch in batches))
