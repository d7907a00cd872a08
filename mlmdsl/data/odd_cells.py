"""A column that would be numbers but for a few cells is text: which cells, on which lines, and what to do about them.

Said where numbers are needed; as labels of groups the text is as good as any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mlmdsl.data.dialect import COMMA_NUMBER, MISSING_CELLS, POINT_NUMBER, THOUSANDS, Dialect, as_number
from mlmdsl.language.rows import Texts
from mlmdsl.language.types import Array

_SHOWN = 3
_FAR = 10**6
"""Lines of rows further down are not looked for."""

_WIDTH = 40


def with_odd_cells(column: Array, where: str, dialect: Dialect, line: Callable[[int], int | None]) -> Array:
    """The column, with what to say of it where numbers are needed: most of its cells are numbers, and some are not."""
    texts = column.values
    if not isinstance(texts, Texts):
        return column
    numeric = np.array([as_number(text, dialect.decimal) is not None for text in texts.texts], dtype=bool)
    odd = ~numeric[texts.codes]
    if column.missing is not None:
        odd &= ~column.missing
    present = len(odd) if column.missing is None else int((~column.missing).sum())
    count = int(odd.sum())
    commas = [text for text in texts.texts if COMMA_NUMBER.fullmatch(text) or THOUSANDS.fullmatch(text)]
    if present and count == 0:
        return replace(column, odd=_too_long(column.name))
    if 2 * count > present and not commas:
        return column
    rows = np.flatnonzero(odd)
    places = ", ".join(_place(int(row) + 1, str(texts[int(row) : int(row) + 1][0]), line) for row in rows[:_SHOWN])
    more = ", …" if count > _SHOWN else ""
    verdict = "is not a number" if count == 1 else "are not numbers"
    message = f"{count} of {present} cells of `{column.name}` {verdict}: {places}{more}"
    found = list(dict.fromkeys(str(texts[int(row) : int(row) + 1][0]) for row in rows[:_SHOWN]))
    points = any(map(POINT_NUMBER.fullmatch, texts.texts))
    return replace(column, odd=(message, _remedy(where, found, dialect, points)))


def _place(row: int, text: str, line: Callable[[int], int | None]) -> str:
    """`line 17 `<0.5``; the row where the line is not known."""
    number = line(row) if row <= _FAR else None
    return f"row {row} (line {number}) `{text[:_WIDTH]}`" if number else f"row {row} `{text[:_WIDTH]}`"


def _remedy(where: str, found: list[str], dialect: Dialect, points: bool) -> str:
    """What to write for cells like these."""
    if all(COMMA_NUMBER.fullmatch(text) or THOUSANDS.fullmatch(text) for text in found):
        if points:
            return "other cells have a decimal point: write all of them with one"
        thousands = all(THOUSANDS.fullmatch(text) for text in found)
        other = "; where it separates thousands, take it out" if thousands else ""
        return f"where the comma is decimal, say so: `@data \"{where}\" decimal=',' begin`{other}"
    said = [text for text in dialect.missing if text not in MISSING_CELLS]
    listed = ", ".join(f'"{text}"' for text in [*said, *found])
    return f'correct them, or say that they are missing: `@data "{where}" missing=[{listed}] begin`'


def _too_long(name: str | None) -> tuple[str, str]:
    message = f"`{name}` holds whole numbers that do not fit in 64 bits, and are kept as text"
    return message, "as identifiers they are right: `levels(…)`; as numbers write them with a decimal point"
