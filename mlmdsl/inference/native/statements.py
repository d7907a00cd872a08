"""Statements of C in which the places they touch are marked.

The same statements are written out one after the other (`plain`), or where they are many and much alike, once for all that
differ in their places alone (`tape.py`). A mark is `‹pointer|offset|index›`, for element offset + index of what the pointer
points to; `‹#|2.5|›` is a number.
"""

from __future__ import annotations

import re

MARK = re.compile(r"‹([^|›]*)\|([^|›]*)\|([^›]*)›")
NUMBER = "#"
"""The pointer of a mark that is a number."""
MARKED = 5
"""Characters that a mark adds to a number."""


def place(pointer: str, offset: int, index: str) -> str:
    """The mark of an element."""
    return f"‹{pointer}|{offset}|{index}›"


def number(text: str) -> str:
    """The mark of a number."""
    return f"‹{NUMBER}|{text}|›"


def is_shared(pointer: str) -> bool:
    """Whether a pointer's numbers are the same in all lanes: constants, which `lower.py` calls k0, k1, …"""
    return pointer.startswith("k")


def element(pointer: str, index: str, shared: bool) -> str:
    """The C expression of an element."""
    return f"{pointer}[{index}]" if shared else f"LANE({pointer}, {index})"


def plain(text: str) -> str:
    """The statements in C."""
    return MARK.sub(_plain, text)


def _plain(mark: re.Match[str]) -> str:
    pointer, offset, index = mark.groups()
    if pointer == NUMBER:
        return offset
    where = offset if not index else index if offset == "0" else f"{index} + {offset}"
    return element(pointer, where, is_shared(pointer))
