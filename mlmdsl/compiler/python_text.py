"""Python text from pieces: expressions are built as `ast`, so that no bracket is placed by hand."""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import cast

Code = ast.expr

RESERVED = frozenset({
    "torch", "dist", "pyro", "runtime", "real", "REAL", "model", "constants", "partial", "math",
    "len", "int", "float", "range", "slice", "print", "max", "min", "abs", "sum", "dict", "round",
})  # fmt: skip
"""Names that emitted programs use themselves."""


def form(template: str, *args: Code, **named: Code) -> Code:
    """A Python expression from a template: `{0}` and `{name}` stand for expressions."""
    places = {f"_arg_{position}": arg for position, arg in enumerate(args)}
    places |= {f"_arg_{name}": arg for name, arg in named.items()}
    return cast(Code, _filled(_parsed(template), places))


@cache
def _parsed(template: str) -> Code:
    return ast.parse(re.sub(r"\{(\w+)\}", r"_arg_\1", template), mode="eval").body


def _filled(part: object, places: dict[str, Code]) -> object:
    """A copy of a template's tree, with expressions in the place of the names that stand for them."""
    if isinstance(part, list):
        return [_filled(item, places) for item in part]
    if isinstance(part, ast.Name) and part.id in places:
        return places[part.id]
    if not isinstance(part, ast.AST) or not part._fields:
        return part
    made = type(part)()
    made.__dict__.update({key: _filled(value, places) for key, value in part.__dict__.items()})
    return made


def literal(value: str | int | float | bool | None) -> Code:
    """A constant; negative numbers and infinities as Python writes them."""
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return form("math.inf") if value > 0 else form("-math.inf")
    if isinstance(value, float) and value != value:
        return form("math.nan")
    if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def name(identifier: str) -> Code:
    """A name."""
    return ast.Name(identifier, ast.Load())


def subscript(base: Code, items: list[Code]) -> Code:
    """`base[items]`."""
    index = items[0] if len(items) == 1 else ast.Tuple(items, ast.Load())
    return ast.Subscript(base, index, ast.Load())


def slice_of(start: Code | None, stop: Code | None, step: Code | None = None) -> Code:
    """`start:stop:step` in a subscript."""
    return ast.Slice(start, stop, step)


def call(function: Code, *args: Code, **keywords: Code) -> Code:
    """`function(args, keywords)`."""
    return ast.Call(function, list(args), [ast.keyword(key, value) for key, value in keywords.items()])


def text(code: ast.AST) -> str:
    """The text of a piece."""
    return ast.unparse(ast.fix_missing_locations(code))


def one_line(words: str) -> str:
    """The author's words on one line, for a comment: nothing in them ends it."""
    return "".join(char if char.isprintable() else " " for char in " ".join(words.split()))


def docstring(words: str) -> str:
    """The author's words as a docstring: nothing in them ends it."""
    plain = one_line(words).replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{plain}"""'


def runs_of(values: Sequence[int]) -> str:
    """Whole numbers as text: those that rise one by one as `first:last`, what is next apart by a space."""
    parts: list[str] = []
    start = 0
    for position in range(1, len(values) + 1):
        if position == len(values) or values[position] != values[position - 1] + 1:
            first, last = values[start], values[position - 1]
            parts.append(f"{first}:{last}" if last > first else str(first))
            start = position
    return " ".join(parts)


def numbers_of(runs: str) -> list[int]:
    """The whole numbers that `runs_of` made a text of."""
    ends = [part.partition(":") for part in runs.split()]
    return [number for first, _, last in ends for number in range(int(first), int(last or first) + 1)]


class Names:
    """Python identifiers for the author's names: as Python folds them (NFKC), and no two alike."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}
        self._taken: set[str] = set(RESERVED)

    def __call__(self, name: str) -> str:
        """The identifier of a name."""
        if name not in self._of:
            self._of[name] = self.fresh(identifier(name))
        return self._of[name]

    def fresh(self, wanted: str) -> str:
        """An identifier like the one wanted that nothing has yet."""
        candidate = wanted
        while candidate in self._taken or keyword.iskeyword(candidate):
            candidate += "_"
        self._taken.add(candidate)
        return candidate

    def alias(self, own: str) -> None:
        """Let an identifier stand for itself."""
        self._of[own] = own

    @staticmethod
    def ascii(name: str) -> str:
        """A name as the start of another identifier."""
        return identifier(identifier(name).strip("_") or "axis")


def identifier(name: str) -> str:
    """A name as Python reads it: folded by NFKC, with `_` for what Python has no place for."""
    folded = unicodedata.normalize("NFKC", name)
    safe = "".join(char if ("a" + char).isidentifier() else "_" for char in folded)
    safe = unicodedata.normalize("NFKC", safe)
    return safe if safe.isidentifier() else f"_{safe}"
