"""Errors as values: what is wrong, where, and what to write instead.

    MlmError
    ├── SpecError        the spec: syntax, names, types, shapes, supports
    └── DataError        the table or the arguments: files, columns, rows, missing values

Each carries `.diagnostics`; `str(error)` is what the command line prints.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlmdsl.language.source import Source, Span


def listed(items: Sequence[object], most: int, quoted: bool = False) -> str:
    """`a, b, …`: the first items of a list, in backticks where they are quoted."""
    shown = (f"`{item}`" if quoted else str(item) for item in items[:most])
    return ", ".join(shown) + (", …" if len(items) > most else "")


@dataclass(frozen=True)
class Diagnostic:
    """One thing that is wrong. `span` is None where no place in the spec is to blame (a file, a column)."""

    message: str
    span: Span | None = None
    hint: str | None = None

    def render(self, source: Source | None) -> str:
        """`file:line:col: message`, the source line with the span underlined, and the hint."""
        lines = [self.message]
        if source is not None and self.span is not None:
            line, column = source.position(self.span.start)
            lines = [f"{source.name}:{line}:{column}: {self.message}", *_underlined(source, self.span)]
        elif source is not None:
            lines = [f"{source.name}: {self.message}"]
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class MlmError(Exception):
    """What both kinds of error share: the diagnostics, and the source they point into."""

    def __init__(self, diagnostics: Iterable[Diagnostic], source: Source | None = None) -> None:
        self.diagnostics = tuple(diagnostics)
        self.source = source
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n\n".join(diagnostic.render(self.source) for diagnostic in self.diagnostics)


class SpecError(MlmError):
    """The spec is wrong: its syntax, a name, a type, a shape, a support."""


class DataError(MlmError):
    """The data are wrong: a file, a column, a value, an argument."""


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a name may be a slip for, or None: equal but for case, or as few edits away as slips are.

    An edit is a letter more, less, other, or two the other way round; of a name with 1 or 2 letters none is allowed.
    """
    wanted = _folded(name)
    distances = {other: _distance(wanted, _folded(other)) for other in candidates if other != name}
    close = {other: edits for other, edits in distances.items() if edits <= _allowed(wanted, _folded(other))}
    return min(close, key=lambda other: (close[other], _distance(name, other)), default=None)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _allowed(name: str, other: str) -> int:
    """How many edits may lie between two names of some lengths."""
    letters = min(len(name), len(other))
    return 0 if letters < 3 else 1 if letters < 6 else 2 if letters < 12 else 3


def _distance(name: str, other: str) -> int:
    """The edits from one name to another: the optimal string alignment distance; names of other lengths are far."""
    if abs(len(name) - len(other)) > 3:
        return max(len(name), len(other))
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(name, start=1):
        row = [i]
        for j, theirs in enumerate(other, start=1):
            edits = [rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (letter != theirs)]
            if i > 1 and j > 1 and letter == other[j - 2] and name[i - 2] == theirs:
                edits.append(rows[i - 2][j - 2] + 1)
            row.append(min(edits))
        rows.append(row)
    return rows[-1][-1]


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """A hint that offers the nearest name."""
    close = nearest(name, candidates)
    return f"did you mean `{close}`?" if close else None


def without_passwords(text: str, keep_width: bool = False) -> str:
    """A text with stars for the user names and passwords of the addresses in it."""
    return re.sub(r'(?<=://)[^\s"`]*(?=@)', lambda found: "*" * (len(found[0]) if keep_width else 3), text)


def _underlined(source: Source, span: Span) -> list[str]:
    """The line on which a span starts, and carets under the span (to the end of that line at most)."""
    line, column = source.position(span.start)
    text = source.line(line)
    width = max(1, min(span.end - span.start, len(text) - column + 1))
    text = without_passwords(text, keep_width=True)
    margin = f"{line:>5} | "
    before = "".join("\t" if char == "\t" else " " * _columns(char) for char in text[: column - 1])
    under = "^" * max(1, sum(_columns(char) for char in text[column - 1 : column - 1 + width]))
    return [f"{margin}{text}", f"{' ' * (len(margin) - 2)}| {before}{under}"]


def _columns(char: str) -> int:
    """How many terminal columns a character takes."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
