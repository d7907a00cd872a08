"""How the parser goes on after an error: the tokens without the statement that holds it."""

from __future__ import annotations

from lark import Token

OPENERS = frozenset({"FOR", "IF", "BEGIN", "FUNCTION", "DO", "FAULT_BLOCK"})


def without_statement(tokens: list[Token], at: int) -> list[Token] | None:
    """The tokens without the innermost statement around one of them, or None where none can be told apart.

    An error in the head of a block (`for`, `if`, a model's parameters) takes the block with it.
    """
    if at >= len(tokens):
        return None
    start = _statement_start(tokens, at)
    end = _statement_end(tokens, start)
    if start >= end or end < at:
        return None
    if end < len(tokens) and tokens[end].type == "_SEP":
        end += 1
    elif start > 0 and tokens[start - 1].type == "_SEP":
        start -= 1
    return tokens[:start] + tokens[end:]


def _statement_start(tokens: list[Token], at: int) -> int:
    """Where the statement around a token starts: after a separator, a `begin` or an `else` of its own block."""
    depth, index, in_head = 0, at, False
    while index > 0:
        kind = tokens[index - 1].type
        if depth == 0 and not in_head and kind in ("_SEP", "BEGIN", "ELSE"):
            break
        if kind == "END":
            depth += 1
        elif kind in OPENERS and depth:
            depth -= 1
        elif depth == 0:
            in_head = kind == "ELSEIF" or (in_head and kind not in OPENERS)
        index -= 1
    return index


def _statement_end(tokens: list[Token], start: int) -> int:
    """Where a statement ends: at a separator, or at what ends the block around it."""
    depth, index = 0, start
    while index < len(tokens):
        kind = tokens[index].type
        if depth == 0 and kind in ("_SEP", "ELSE", "ELSEIF", "END"):
            break
        depth += (kind in OPENERS) - (kind == "END")
        index += 1
    return index
