"""How a text table is written: what separates its cells, its decimal mark, what stands for a missing value.

What the author does not say is looked for at the start of the file: cells may be separated by something else than the
ending promises (`;` in much of Europe), and then decimals may have a comma. A comma is taken for decimal only where it
cannot be anything else: `1,234` may be a number in thousands, so that a file with no other commas keeps them as text, which
is told where numbers are needed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlmdsl.data.reading import Content, data_error, ending

MISSING_CELLS = ("", "NA", "N/A", "null", "NULL", "missing")
"""What a cell of a text table holds where its value is missing."""

DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""What the ending of a text table promises."""

_CANDIDATES = (",", ";", "\t", "|")
_SAMPLE = 2**18
_RECORDS = 1000
_SAME = 0.9
"""The share of the records that must have as many cells as the header."""

COMMA_NUMBER = re.compile(r"\s*[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?\s*")
THOUSANDS = re.compile(r"\s*[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+\s*")
POINT_NUMBER = re.compile(r"\s*[+-]?[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?\s*")


@dataclass(frozen=True)
class Writing:
    """What the author says of it; `missing` is missing beside what always is."""

    delimiter: str | None = None
    decimal: str | None = None
    missing: tuple[str, ...] = ()


AS_FOUND = Writing()
"""Nothing said."""


@dataclass(frozen=True)
class Dialect:
    """How one file is written. `quoted_missing`: what is missing is so in quotes too, as where the author says what is."""

    delimiter: str
    decimal: str
    missing: tuple[str, ...]
    quoted_missing: bool = False


def dialect_of(content: Content, where: str, said: Writing = AS_FOUND) -> Dialect:
    """How a text table is written, as its author says or as its start shows.

    Raises:
        DataError: two separators fit, or the decimal mark is the separator and stands in no quoted number.
    """
    text = _start(content)
    delimiter = said.delimiter or _delimiter(text, where)
    records = _records(text, delimiter)
    decimal = said.decimal or _decimal(records, delimiter)
    quoted = any(COMMA_NUMBER.fullmatch(cell) for record in records for cell in record)
    if decimal == delimiter and not quoted:
        hint = f"say what separates its cells: `delim=';'`; or leave `decimal='{decimal}'` out"
        raise data_error(f"`{where}`: `{delimiter}` cannot both separate cells and be the decimal mark", hint)
    return Dialect(delimiter, decimal, (*MISSING_CELLS, *said.missing), bool(said.missing))


def _start(content: Content) -> str:
    """The first lines, none of them cut."""
    part = bytes(content[:_SAMPLE])
    if len(part) == _SAMPLE:
        part = part[: part.rfind(b"\n") + 1] or part
    return part.decode("utf-8-sig", "replace")


def _records(text: str, delimiter: str) -> list[list[str]]:
    """The cells of the first records that are not blank."""
    found: list[list[str]] = []
    try:
        for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if cells:
                found.append(cells)
            if len(found) == _RECORDS:
                break
    except csv.Error:  # a cell of more than 128 KiB: what came before tells enough
        pass
    return found


def _delimiter(text: str, where: str) -> str:
    """What separates the cells: what the ending promises, unless the header and the records agree on another."""
    promised = DELIMITERS[ending(where)]
    fits = [mark for mark in _CANDIDATES if _splits(_records(text, mark))]
    if fits == [promised] or not fits:
        return promised
    if len(fits) == 1:
        return fits[0]
    shown = " and ".join("`\\t`" if mark == "\t" else f"`{mark}`" for mark in fits)
    example = "\\t" if fits[0] == "\t" else fits[0]
    hint = f"say which: `@data \"{where}\" delim='{example}' begin`"
    raise data_error(f"`{where}`: its cells may be separated by {shown}, both fit", hint)


def _splits(records: Sequence[Sequence[str]]) -> bool:
    """Whether a separator makes several columns of a header and of the records below it."""
    if not records or len(records[0]) < 2:
        return False
    width = len(records[0])
    return sum(len(cells) == width for cells in records) >= _SAME * len(records)


def _decimal(records: Sequence[Sequence[str]], delimiter: str) -> str:
    """`,` where cells are numbers with a comma that cannot mean thousands, and none has a point; else `.`."""
    if delimiter == ",":
        return "."
    cells = [cell for record in records[1:] for cell in record]
    commas = [cell for cell in cells if COMMA_NUMBER.fullmatch(cell)]
    decisive = any(not THOUSANDS.fullmatch(cell) for cell in commas)
    return "," if decisive and not any(map(POINT_NUMBER.fullmatch, cells)) else "."


def as_number(cell: str, decimal: str = ".") -> float | None:
    """The number that a cell is, if it is one."""
    if not cell.isascii() or "_" in cell or (decimal == "," and "." in cell):
        return None
    try:
        return float(cell.replace(",", ".") if decimal == "," else cell)
    except ValueError:
        return None
