"""The prose of lexical errors: what is wrong with a piece of text, and what to write instead."""

from __future__ import annotations

import unicodedata

from mlmdsl.language.characters import described
from mlmdsl.language.errors import Diagnostic, did_you_mean
from mlmdsl.language.source import Span

MACROS = frozenset({".", "~", "view", "views", "inbounds", "simd", "threads"})
"""Macros that say how a value is computed, not what it is; `@.` is the one that changes its meaning."""

RESERVED_BLOCKS = frozenset({"while", "let", "try", "struct", "module", "baremodule", "quote", "macro"})
"""Words of Julia's that open a block which a spec cannot hold."""

RESERVED_WORDS = RESERVED_BLOCKS | {
    "break", "catch", "const", "continue", "export", "finally", "global", "isa", "local", "mutable",
}  # fmt: skip

_WORD_HINTS = {
    "while": "a loop runs over a range: `for i in 1:n … end`",
    "let": "assign the names in the model's body",
    "try": "a spec states a model; there is nothing to catch",
    "struct": "pass the values as arguments of the model",
    "mutable": "pass the values as arguments of the model",
    "break": "let the range of the `for` say where the loop ends",
    "continue": "put what remains under an `if`",
    "global": "pass the value as an argument of the model",
    "local": "every name of a model is local: leave the word out",
    "const": "write the value in the model, or give it as a keyword argument with a default",
    "isa": "types have no effect in a spec",
}

FOREIGN_OPERATORS = {
    "//": "write `/`",
    "**": "a power is written `^`",
    "=>": "pairs are not part of a spec; keyword arguments are written `name=value`",
    "<-": "write `=` to assign a value, `~` for a random variable, `< -` to compare",
    "<<": "a spec has no bit shifts",
    ">>": "a spec has no bit shifts",
    "$": "a spec has no interpolation; write the value itself",
    "`": "a spec runs no commands; leave the backtick out",
}

_MACRO_HINTS = {
    "@submodel": "write its statements in this model, or make it a helper function that returns a distribution",
    "@addlogprob": "write `@addlogprob! e`",
    "@trace": "write `x := e` to keep a value in the output",
    "@code": "write `x := e` to keep a value in the output",
    "@assert": "a spec cannot stop; leave it out",
    "@time": "a spec is not timed; leave it out",
    "@show": "write `x := e` to keep a value in the output",
    "@info": "a spec prints nothing; leave it out",
}


def unclosed(words: str, span: Span) -> Diagnostic:
    """A bracket, comment or block that nothing closes."""
    closers = {"(": ")", ".(": ")", "[": "]", "{": "}", "#=": "=#"}
    if words in closers:
        return Diagnostic(f"this `{words}` is never closed", span, f"write `{closers[words]}` where it ends")
    word = " ".join(words.split())
    return Diagnostic(f"this `{word}` has no `end`", span, "write `end` on a line of its own where the block ends")


def stray_closer(lexeme: str, start: int, end: int) -> Diagnostic:
    """A `)` or `end` with nothing to close."""
    return Diagnostic(f"this `{lexeme}` closes nothing", Span(start, end), "leave it out, or write what it closes")


def wrong_closer(opener: str, closer: str, span: Span) -> Diagnostic:
    """`( … ]`."""
    wanted = {"(": ")", ".(": ")", "[": "]", "{": "}"}[opener]
    return Diagnostic(f"expected `{wanted}` for the `{opener}` before, found `{closer}`", span, f"write `{wanted}`")


def lone_colon(span: Span, quoted: bool) -> Diagnostic:
    """`:` where no range, symbol or axis is."""
    if quoted:
        return Diagnostic("quoted code is not part of the spec language", span, "write the value itself")
    return Diagnostic("`:` has no value before it", span, "write `a:b` for a range, `x[:, 1]` for a whole axis")


def too_deep(span: Span) -> Diagnostic:
    """More brackets, blocks or operators inside one another than is sane."""
    return Diagnostic("nested too deeply", span, "give parts of it names of their own: `part = …`")


def unknown_character(text: str, start: int) -> Diagnostic:
    """A character that has no place in a spec."""
    char = text[start]
    if char in "“”„«»":
        hint = 'strings are written with straight quotes: `"text"`'
    elif char in "‘’`´":
        hint = "a transpose is written with a straight quote: `x'`"
    elif unicodedata.category(char) == "Mn":
        hint = "a combining mark follows the letter that it marks"
    else:
        hint = "leave it out, or write what it stands for with an operator or function of the language"
    return Diagnostic(f"the character {described(char)} has no meaning here", Span(start, start + 1), hint)


def unclosed_string(text: str, start: int) -> Diagnostic:
    """A quote with no partner."""
    if text.startswith('"""', start):
        return Diagnostic('this `"""` has no closing `"""`', Span(start, start + 3), 'write `"""` where the text ends')
    hint = 'write `"` where the text ends; a line break in it is written `\\n`'
    return Diagnostic("this string has no closing quote on its line", Span(start, start + 1), hint)


def dot_after_number(digits: str, start: int, end: int) -> Diagnostic:
    """`1.+x`."""
    message = f"the dot after `{digits}` could belong to the number or to the operator"
    return Diagnostic(message, Span(start, end + 1), f"write `{digits}.0` or put a space before the dot")


def character_literal(span: Span) -> Diagnostic:
    """`'a'`."""
    hint = "text is written with double quotes; a transpose `x'` follows its operand without a space"
    return Diagnostic("characters in single quotes are not part of the spec language", span, hint)


def reserved_word(word: str, start: int, end: int) -> Diagnostic:
    """`while` and its like."""
    message = f"`{word}` is not part of the spec language"
    return Diagnostic(message, Span(start, end), _WORD_HINTS.get(word, "leave it out"))


def unknown_macro(lexeme: str, span: Span) -> Diagnostic:
    """`@anything`."""
    known = ["@" + name for name in sorted(MACROS) if name.isalpha()] + ["@model", "@data", "@addlogprob!"]
    hint = _MACRO_HINTS.get(lexeme) or did_you_mean(lexeme, known)
    return Diagnostic(f"`{lexeme}` is not part of the spec language", span, hint or "leave it out")


def foreign_operator(lexeme: str, span: Span) -> Diagnostic:
    """`//`, `**`, `$` and their like."""
    return Diagnostic(f"`{lexeme}` is not part of the spec language", span, FOREIGN_OPERATORS[lexeme])
