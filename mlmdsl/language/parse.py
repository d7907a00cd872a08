"""Spec text → syntax tree, or every syntax error in it.

    text ──► lexer.scan ──► tokens ──► Lark's LALR(1) parser, grammar/mlm.lark ──► build: a node a rule ──► Spec

After an error the statement that holds it is left out and the rest is parsed again, so that one run reports them all.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import cast

from lark import Lark, Token, UnexpectedToken
from lark.lexer import Lexer

from mlmdsl.language import faults, walk
from mlmdsl.language.build import Misuse
from mlmdsl.language.build_statements import Builder
from mlmdsl.language.errors import Diagnostic, SpecError
from mlmdsl.language.explain import explain
from mlmdsl.language.lexer import Lexicon, Scanned, scan
from mlmdsl.language.printer import to_text
from mlmdsl.language.recover import without_statement
from mlmdsl.language.source import Source
from mlmdsl.language.tree import Spec

__all__ = ["parse", "to_text"]

MAX_ERRORS = 10
"""How many errors one run reports."""


def parse(source: Source) -> Spec:
    """The tree of a spec.

    Raises:
        SpecError: the syntax errors, at most MAX_ERRORS, in the order of the text; each with its span and a hint.
    """
    parser, lexicon = _parser()
    scanned = scan(source.text, lexicon)
    tokens = scanned.tokens
    found: list[Diagnostic] = []
    spec: Spec | None = None
    while spec is None and len(found) < MAX_ERRORS:
        try:
            spec = cast(Spec, parser.parse(cast(str, tokens)))
            break
        except UnexpectedToken as error:
            at = _index(tokens, error.token)
            diagnostic = _diagnose(source, scanned, tokens, at, error)
            stop = diagnostic is scanned.fatal
        except Misuse as error:
            diagnostic, stop = error.diagnostic, False
            at = _at(tokens, diagnostic)
        if found and at >= len(tokens):
            break
        found.append(diagnostic)
        shorter = None if stop else without_statement(tokens, at)
        if shorter is None:
            break
        tokens = shorter
    if found:
        raise SpecError(found, source)
    assert spec is not None
    if (deep := walk.deepest(spec)) is not None:
        raise SpecError([faults.too_deep(deep.span)], source)
    return spec


def _diagnose(source: Source, scanned: Scanned, tokens: list[Token], at: int, error: UnexpectedToken) -> Diagnostic:
    """What to say about a token that no rule accepts; after a bracket left open, that is what is wrong."""
    fatal = scanned.fatal
    position = tokens[at].start_pos if at < len(tokens) else len(source.text)
    if fatal is not None and scanned.unclosed_from < (position or 0):
        return fatal
    if at < len(tokens) and tokens[at].type.startswith("FAULT"):
        return scanned.faults[int(tokens[at])]
    return explain(source, tokens, at, frozenset(error.accepts or ()))


def _index(tokens: list[Token], wanted: Token) -> int:
    """Where a token stands among the tokens; the end of the text stands behind them all."""
    return next((index for index, token in enumerate(tokens) if token is wanted), len(tokens))


def _at(tokens: list[Token], diagnostic: Diagnostic) -> int:
    """The token at which a diagnostic's span starts."""
    start = diagnostic.span.start if diagnostic.span else 0
    return next((index for index, token in enumerate(tokens) if (token.start_pos or 0) >= start), len(tokens))


class _Tokens(Lexer):
    """Lark's door for tokens made elsewhere: what `parse` is given is already a list of them."""

    def __init__(self, lexer_conf: object) -> None:
        pass

    def lex(self, data: list[Token]) -> Iterator[Token]:  # type: ignore[override]
        """The tokens themselves."""
        yield from data


@functools.cache
def _parser() -> tuple[Lark, Lexicon]:
    """The parser and the lexicon of the grammar, made once a process."""
    lark = Lark(_grammar(), parser="lalr", lexer=_Tokens, start="spec", transformer=Builder())
    return lark, Lexicon(lark.terminals)


def _grammar() -> str:
    """The text of the grammar: a package of its own in an install, the folder beside this one in a bare checkout."""
    try:
        folder = resources.files("mlmdsl.grammar")
    except ModuleNotFoundError:
        folder = Path(__file__).parents[2] / "grammar"
    return (folder / "mlm.lark").read_text(encoding="utf-8")
