"""Where a thing stands in what the author wrote: the text of a spec, and spans of it."""

from __future__ import annotations

import bisect
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` up to, not including, `end` of a source text."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of another."""
        return Span(min(self.start, other.start), max(self.end, other.end))


@dataclass(frozen=True)
class Source:
    """A spec's text and the name that errors give it: a path, `<stdin>` or `<string>`.

    The text is kept with line ends as `\n` and in Unicode's composed form (NFC), so that `ŷ` is one name however it was
    typed; offsets count its characters.
    """

    text: str
    name: str = "<string>"
    _line_starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _normalised(self.text))
        starts = [0, *(index + 1 for index, char in enumerate(self.text) if char == "\n")]
        object.__setattr__(self, "_line_starts", tuple(starts))

    def position(self, offset: int) -> tuple[int, int]:
        """The 1-based line and column (in characters) of an offset."""
        line = bisect.bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a 1-based line, without its line end."""
        start = self._line_starts[number - 1]
        end = self._line_starts[number] - 1 if number < len(self._line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r")

    def excerpt(self, span: Span) -> str:
        """The characters of a span."""
        return self.text[span.start : span.end]


def _normalised(text: str) -> str:
    """A text without its byte order mark, with `\n` line ends, in NFC; halves of surrogate pairs become U+FFFD."""
    if not text.isascii():
        text = text.removeprefix("\ufeff").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = unicodedata.normalize("NFC", text)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def read_source(where: str | Path | bytes, name: str | None = None) -> Source:
    """A spec from a file, or from the bytes of one; UTF-8, a byte order mark allowed.

    Args:
        where: a path, or the bytes themselves.
        name: what errors call it; the path itself, or `<bytes>`, if none is given.

    Raises:
        SpecError: the file cannot be read, or is not UTF-8 text (the byte and the line are named).
    """
    from mlmdsl.language.errors import Diagnostic, SpecError  # errors.py imports this module

    name = name or ("<bytes>" if isinstance(where, bytes) else str(where))
    try:
        data = where if isinstance(where, bytes) else Path(where).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        hint = "give the path of a spec file, or the name of a shipped one"
        raise SpecError([Diagnostic(f"cannot read {name}: {reason}", hint=hint)]) from None
    fault, offset = "is not UTF-8", data.find(b"\0")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        offset = error.start
        text = data.decode("utf-8", "replace")
    else:
        if offset < 0:
            return Source(text, name)
        fault = "is NUL, which no text holds"
    line = data.count(b"\n", 0, offset) + 1
    message = f"byte {offset} (0x{data[offset]:02X}, on line {line}) {fault}"
    shown = Source(text, name)
    start = len(_normalised(data[:offset].decode("utf-8")))
    hint = "save the file as UTF-8 text" if fault == "is not UTF-8" else "this is no text file; give the path of a spec"
    raise SpecError([Diagnostic(message, Span(start, start + 1), hint)], shown)
