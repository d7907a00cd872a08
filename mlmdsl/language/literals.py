"""Numbers and strings as the author spells them → their values."""

from __future__ import annotations

import math
import re
import struct
import textwrap

LARGEST_INTEGER = 2**63 - 1
"""Julia's `typemax(Int64)`."""

_ESCAPES = {
    "n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "$": "$", "a": "\a", "b": "\b", "e": "\x1b",
    "f": "\f", "v": "\v",
}  # fmt: skip

_ESCAPE = re.compile(
    r"\\(?:x(?P<byte>[0-9a-fA-F]{1,2})|u(?P<short>[0-9a-fA-F]{1,4})|U(?P<long>[0-9a-fA-F]{1,8})|(?P<octal>[0-7]{1,3})"
    r"|(?P<line>\n[ \t]*)|(?P<char>[\s\S]))"
)


class LiteralError(ValueError):
    """A literal that has no value: its arguments are the message and the hint."""


def number_value(text: str) -> int | float:
    """The value of a number: an Int64 or a Float64 (`1f0`: rounded to Float32), or a LiteralError."""
    plain = text.replace("_", "").replace("−", "-")
    if plain[:2] in ("0x", "0b", "0o") or plain.isdigit():
        return _whole(plain)
    value = float(plain.replace("f", "e"))
    if "f" in plain:
        value = _single(value)
    if math.isinf(value):
        raise LiteralError(f"`{text}` is larger than any number", "write `Inf` where infinity is meant")
    return value


def _whole(text: str) -> int:
    """The value of a whole number; checked by its length first, since it may have any number of digits."""
    base = {"0x": 16, "0b": 2, "0o": 8}.get(text[:2], 10)
    digits = (text[2:] if base != 10 else text).lstrip("0")
    value = int(digits or "0", base) if len(digits) <= 64 else LARGEST_INTEGER + 1
    if value > LARGEST_INTEGER:
        raise LiteralError("this whole number is larger than 64 bits hold", "write it with a decimal point: `1e20`")
    return value


def _single(value: float) -> float:
    """A number rounded to Float32."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.inf


def string_value(text: str) -> str:
    """The characters of a string, its quotes taken off and its escapes resolved, or a LiteralError."""
    if not text.startswith('"""'):
        return _unescaped(text[1:-1])
    body = text[3:-3]
    return _unescaped(textwrap.dedent(body[1:]) if body.startswith("\n") else body)


def name_value(text: str) -> str:
    """The characters of a name; those between the quotes in `var"…"`."""
    if not text.startswith('var"'):
        return text
    value = re.sub(r'\\(["\\])', r"\1", text[4:-1])
    if not value:
        raise LiteralError("this name is empty", 'write the name between the quotes: `var"Sepal.Length"`')
    return value


def _unescaped(body: str) -> str:
    """A string's characters with the escapes resolved."""
    if re.search(r"(?<!\\)(?:\\\\)*\$", body):
        raise LiteralError("a string has no interpolation here", "write the text itself, or `\\$` for a dollar sign")
    return _ESCAPE.sub(_character, body)


def _character(found: re.Match[str]) -> str:
    """What one escape stands for."""
    digits = found["byte"] or found["short"] or found["long"]
    if digits or found["octal"]:
        code = int(digits, 16) if digits else int(found["octal"], 8)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise LiteralError(f"`{found.group()}` is no character", "write a code point up to `\\U10FFFF`")
        return chr(code)
    if found["line"] is not None:
        return ""
    if found["char"] not in _ESCAPES:
        raise LiteralError(f"`{found.group()}` is no escape", "write `\\\\` for a backslash")
    return _ESCAPES[found["char"]]
