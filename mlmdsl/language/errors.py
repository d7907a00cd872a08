"""Errors as values: what is wrong, where, and what to write instead.

    MlmError
    ├── SpecError        the spec: syntax, names, types, shapes, supports
    └── DataError        the table or the arguments: files, columns, rows, missing values

Each carries `.diagnostics`; `str(error)` is what the command line prints.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from mlmdsl.language.source import Source, Span


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
    """The candidate most like a misspelt name, or None where none is close."""
    folded = {unicodedata.normalize("NFKC", candidate).casefold(): candidate for candidate in candidates}
    close = difflib.get_close_matches(unicodedata.normalize("NFKC", name).casefold(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


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
