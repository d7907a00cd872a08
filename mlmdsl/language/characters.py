"""Which characters Julia lets a name hold, so that a name pasted from a Julia program is a name here too.

The rule is Julia's own: letters of any script, and by Unicode category a few kinds of mathematical symbol, may start a
name; digits, marks, primes, superscripts and subscripts may follow.
"""

from __future__ import annotations

import functools
import unicodedata

START_CATEGORIES = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Nl", "Sc", "So"})
PART_CATEGORIES = START_CATEGORIES | {"Mn", "Mc", "Nd", "Pc", "Sk", "Me", "No"}

SYMBOLS_IN_NAMES = frozenset("∂∇∅∆∎∏∐∑∞∟∿⊾⊿⊤⊥∫∬∭∮∯∰∱∲∳∠∡∢⋀⋁⋂⋃♯⁺⁻⁼⁽⁾₊₋₌₍₎⅀⅁⅂⅃⅄")
"""Mathematical symbols (category Sm and brackets Ps, Pe) that Julia reads as letters, not as operators."""

PRIMES = frozenset("′″‴‵‶‷⁗")
ARROWS = range(0x2190, 0x2200)
NOT_LETTERS = frozenset("\ufffc\ufffd\u233f\u00a6")


@functools.lru_cache(maxsize=4096)
def may_start_name(char: str) -> bool:
    """Whether a character may be the first of a name."""
    if char.isascii():
        return char.isalpha() or char == "_"
    if char in SYMBOLS_IN_NAMES:
        return True
    return unicodedata.category(char) in START_CATEGORIES and ord(char) not in ARROWS and char not in NOT_LETTERS


@functools.lru_cache(maxsize=4096)
def may_be_in_name(char: str) -> bool:
    """Whether a character may stand in a name, after the first."""
    if char.isascii():
        return char.isalnum() or char in "_!"
    return may_start_name(char) or char in PRIMES or unicodedata.category(char) in PART_CATEGORIES


def name_length(text: str) -> int:
    """How many characters at the start of a text make a name (0: none does)."""
    if not may_start_name(text[0]):
        return 0
    return next((index for index, char in enumerate(text) if not may_be_in_name(char)), len(text))


def is_name(text: str) -> bool:
    """Whether a text as a whole is a name that needs no `var"…"`."""
    return bool(text) and name_length(text) == len(text)


def described(char: str) -> str:
    """A character in words: itself where it can be shown, its code point, and its Unicode name."""
    shown = f"`{char}` " if char.isprintable() and not char.isspace() else ""
    return f"{shown}(U+{ord(char):04X}, {unicodedata.name(char, 'no character')})"
