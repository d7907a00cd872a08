"""The parser that Lark makes of grammar/mlm.lark: its tables are kept as JSON, since making them takes longer than a check.

JSON holds numbers and names, nothing that could run when it is read, as a pickle could. What is kept under a grammar's own
fingerprint is that grammar's; what cannot be read is made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

import lark
from lark import Lark, Token
from lark.grammar import Rule
from lark.lexer import Lexer, TerminalDef

from mlmdsl.cache import private_folder, prune
from mlmdsl.files import write_text
from mlmdsl.language.build_statements import Builder

MOST_BYTES = 2_000_000
"""What tables of all grammars may take together: ten or so."""

_GIVEN = ("lexer", "transformer", "cache")
"""Options that are objects of this project: they are given anew, never read."""


class Tokens(Lexer):
    """Lark's door for tokens made elsewhere: what `parse` is given is already a list of them."""

    def __init__(self, lexer_conf: object) -> None:
        pass

    def lex(self, data: list[Token]) -> Iterator[Token]:  # type: ignore[override]
        """The tokens themselves."""
        yield from data


def build_parser() -> Lark:
    """The parser, from kept tables if there are any."""
    grammar = grammar_text()
    path = _kept_at(grammar)
    if path is not None and (restored := _restored(path)) is not None:
        return restored
    made = Lark(grammar, parser="lalr", lexer=Tokens, start="spec", transformer=Builder())
    if path is not None:
        with suppress(OSError):
            write_text(path, _as_json(made))
            prune(path.parent, "*.json", MOST_BYTES)
    return made


def grammar_text() -> str:
    """The text of the grammar: a package of its own in an install, the folder beside this one in a bare checkout."""
    try:
        folder = resources.files("mlmdsl.grammar")
    except ModuleNotFoundError:
        folder = Path(__file__).parents[2] / "grammar"
    return (folder / "mlm.lark").read_text(encoding="utf-8")


def _kept_at(grammar: str) -> Path | None:
    """Where the tables of a grammar are kept; None where there is no safe place."""
    folder = private_folder("grammar")
    decisive = f"{lark.__version__}\0{grammar}".encode()
    return None if folder is None else folder / f"{hashlib.sha256(decisive).hexdigest()[:32]}.json"


def _as_json(parser: Lark) -> str:
    data, memo = parser.memo_serialize([TerminalDef, Rule])
    data["options"] = {name: value for name, value in data["options"].items() if name not in _GIVEN}
    data["parser"]["lexer_conf"]["lexer_type"] = None
    return json.dumps({"data": data, "memo": memo}, separators=(",", ":"))


def _restored(path: Path) -> Lark | None:
    """The parser of kept tables, None where these are not there or damaged."""
    try:
        kept = json.loads(path.read_bytes(), object_hook=_with_numbers)
        kept["data"]["options"] |= {"lexer": Tokens, "transformer": None}
        kept["data"]["parser"]["lexer_conf"]["lexer_type"] = Tokens
        load: Any = Lark._load_from_dict
        restored: Lark = load(kept["data"], kept["memo"], transformer=Builder())
    except Exception:  # whatever tables of another shape make of Lark's code
        return None
    return restored


def _with_numbers(read: dict[str, Any]) -> dict[Any, Any]:
    """A dictionary whose keys were numbers: JSON has text only."""
    return {int(key): value for key, value in read.items()} if all(map(str.isdigit, read)) else read
