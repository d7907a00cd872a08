"""How the parser goes on after an error: with the tokens that follow the statement in error, in the blocks around it.

What stands before has been found right and is not parsed again, so that finding all errors costs about one parse.
"""

from __future__ import annotations

from typing import NamedTuple

from lark import Token

from mlmdsl.language.layout import STATEMENT_ENDS

OPENERS = frozenset({"FOR", "IF", "BEGIN", "FUNCTION", "DO", "FAULT_BLOCK"})
BRANCHES = frozenset({"ELSE", "ELSEIF"})


class Rest(NamedTuple):
    """The tokens to go on with, and where the statement stood that was left out."""

    tokens: list[Token]
    start: int


class _Body(NamedTuple):
    """The block around a token: its opener, and where the statements start that stand before the token."""

    opener: int
    first: int


def rest_after(tokens: list[Token], at: int) -> Rest | None:
    """What to parse after an error at a token, or None where its statement cannot be told apart.

    An error in the head of a block (`for`, `if`, a model's parameters) takes the block with it.
    """
    if at >= len(tokens):
        return None
    stray = tokens[at].type in BRANCHES and at > 0 and tokens[at - 1].type in STATEMENT_ENDS
    start = at if stray else _statement_start(tokens, at)
    end = _statement_end(tokens, start + stray)
    if start >= end or end < at:
        return None
    heads = _heads(tokens, start)
    if end < len(tokens) and tokens[end].type == "_SEP":
        end += 1
    elif heads and heads[-1].type == "_SEP":
        heads.pop()
    return Rest(heads + tokens[end:], len(heads))


def _heads(tokens: list[Token], start: int) -> list[Token]:
    """The heads of the blocks around a statement, outermost first, without the statements before it."""
    heads: list[Token] = []
    body = _enclosing(tokens, start)
    while body is not None:
        outer = _statement_start(tokens, body.opener)
        heads = tokens[outer : body.first] + heads
        body = _enclosing(tokens, outer)
    return heads


def _enclosing(tokens: list[Token], position: int) -> _Body | None:
    """The block around a position, or None at the top of the file."""
    depth, branch = 0, None
    for index in range(position - 1, -1, -1):
        kind = tokens[index].type
        if kind == "END":
            depth += 1
        elif kind in BRANCHES and depth == 0 and branch is None:
            branch = index
        elif kind in OPENERS:
            if depth == 0:
                return _Body(index, _body_start(tokens, index if branch is None else branch, position))
            depth -= 1
    return None


def _body_start(tokens: list[Token], head: int, position: int) -> int:
    """Where the statements of a block start whose head starts at a token."""
    if tokens[head].type in ("BEGIN", "ELSE"):
        return head + 1
    separators = (index + 1 for index in range(head, position) if tokens[index].type == "_SEP")
    return next(separators, position)


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
