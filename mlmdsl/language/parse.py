"""Spec text → syntax tree, or every syntax error in it.

    text ──► lexer.scan ──► tokens ──► Lark's LALR(1) parser, grammar/mlm.lark ──► build: a node a rule ──► Spec

After an error the statement that holds it is left out and the rest is parsed again, so that one run reports them all.
"""

from __future__ import annotations

import functools
from typing import NamedTuple, cast

from lark import Lark, Token, UnexpectedToken

from mlmdsl.language import faults, walk
from mlmdsl.language.build import Misuse
from mlmdsl.language.errors import Diagnostic, SpecError
from mlmdsl.language.explain import explain
from mlmdsl.language.grammar import build_parser
from mlmdsl.language.lexer import Lexicon, Scanned, scan
from mlmdsl.language.printer import to_text
from mlmdsl.language.recover import rest_after
from mlmdsl.language.source import Source
from mlmdsl.language.tree import Spec

__all__ = ["parse", "to_text"]

MAX_ERRORS = 20
"""How many errors one run reports, of at most five times as many attempts."""


def parse(source: Source) -> Spec:
    """The tree of a spec.

    Raises:
        SpecError: the syntax errors, at most MAX_ERRORS, in the order of the text; each with its span and a hint.
    """
    parser, lexicon = _parser()
    scanned = scan(source.text, lexicon)
    outcome = _attempt(parser, source, scanned, scanned.tokens)
    if isinstance(outcome, _Failure):
        raise SpecError(_all_errors(parser, source, scanned, outcome), source)
    if (deep := walk.deepest(outcome)) is not None:
        raise SpecError([faults.too_deep(deep.span)], source)
    return outcome


class _Failure(NamedTuple):
    """What stopped the parser, at which token, and whether that stands where an item of the file would start."""

    diagnostic: Diagnostic
    at: int
    at_item: bool = False


def _attempt(parser: Lark, source: Source, scanned: Scanned, tokens: list[Token]) -> Spec | _Failure:
    """The tree of these tokens, or the first thing that is wrong with them."""
    try:
        return cast(Spec, parser.parse(cast(str, tokens)))
    except UnexpectedToken as error:
        at = next((index for index, token in enumerate(tokens) if token is error.token), len(tokens))
        accepted = frozenset(error.accepts or ())
        return _Failure(_diagnose(source, scanned, tokens, at, accepted), at, "MODEL" in accepted)
    except Misuse as error:
        start = error.diagnostic.span.start if error.diagnostic.span else 0
        return _Failure(error.diagnostic, sum((token.start_pos or 0) < start for token in tokens))


def _all_errors(parser: Lark, source: Source, scanned: Scanned, failure: _Failure) -> list[Diagnostic]:
    """The first error and those found after it.

    What does not parse at the end of the text follows from an error before; of lines in a row at the top of a file that
    do not belong there, the first stands for all.
    """
    found = [failure.diagnostic]
    tokens = scanned.tokens
    for _ in range(5 * MAX_ERRORS):
        rest = None if failure.diagnostic is scanned.fatal else rest_after(tokens, failure.at)
        if rest is None:
            break
        tokens = rest.tokens
        outcome = _attempt(parser, source, scanned, tokens)
        if not isinstance(outcome, _Failure) or len(found) == MAX_ERRORS:
            break
        follows = outcome.at_item and outcome.at == rest.start
        failure = outcome
        if failure.at < len(tokens) and not follows:
            found.append(failure.diagnostic)
    return found


def _diagnose(source: Source, scanned: Scanned, tokens: list[Token], at: int, accepted: frozenset[str]) -> Diagnostic:
    """What to say about a token that no rule accepts; after a bracket left open, that is what is wrong."""
    fatal = scanned.fatal
    position = tokens[at].start_pos if at < len(tokens) else len(source.text)
    if fatal is not None and scanned.unclosed_from < (position or 0):
        return fatal
    if at < len(tokens) and tokens[at].type.startswith("FAULT"):
        return scanned.faults[int(tokens[at])]
    return explain(source, tokens, at, accepted)


@functools.cache
def _parser() -> tuple[Lark, Lexicon]:
    """The parser and the lexicon of the grammar, made once a process."""
    parser = build_parser()
    return parser, Lexicon(parser.terminals)
