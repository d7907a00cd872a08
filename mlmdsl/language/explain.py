"""What to say where the parser meets a token that no rule accepts: in the words of the language, never the grammar's.

`EXPLANATIONS` is tried in order; each looks at the token, the one before and what would have been accepted, and either
says what is wrong or passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lark import Token

from mlmdsl.language.errors import Diagnostic
from mlmdsl.language.layout import STATEMENT_ENDS, VALUE_ENDS
from mlmdsl.language.source import Source, Span

VALUE_STARTS = frozenset({
    "NAME", "NUMBER", "STRING", "SYMBOL", "TRUE", "FALSE", "COLON_ALL", "END_INDEX", "BEGIN_INDEX", "LPAR", "LSQB",
    "MACRO", "MACRO_CALL", "NOT", "SQRT", "UNARY",
})  # fmt: skip
BINARY = frozenset({"OR", "AND", "COMPARE", "IN", "PIPE", "RANGE", "PLUS", "TIMES", "POWER"})
OPERATORS = BINARY | {"UNARY", "NOT", "SQRT", "QUESTION", "TERNARY_COLON", "ARROW", "DECL"}
STATEMENT_SIGNS = frozenset({"ASSIGN", "UPDATE", "TRACK", "TILDE"})
OPENING = {
    "CALL_OPEN": ")", "DOT_CALL": ")", "LPAR": ")", "INDEX_OPEN": "]", "LSQB": "]", "TYPE_OPEN": "}", "LBRACE": "}",
}  # fmt: skip
CLOSING = frozenset({"RPAR", "RSQB", "RBRACE"})
BLOCK_WORDS = frozenset({"FOR", "IF", "ELSEIF", "ELSE", "BEGIN", "END", "DO", "FUNCTION", "RETURN"})
UNSEEN = frozenset({"JUXT", "SHORT", "_SPACE", "_ROW"})


@dataclass(frozen=True)
class Place:
    """A token that was not accepted, the one before, the bracket around them, and what would have been accepted."""

    source: Source
    token: Token
    before: Token
    bracket: Token | None
    accepted: frozenset[str]
    preceding: tuple[Token, ...]
    following: tuple[Token, ...]

    @property
    def found(self) -> str:
        """The token in words."""
        return "the end of the line" if self.breaks_off else shown(self.source, self.token, self.following)

    @property
    def previous(self) -> str:
        """The token before in words."""
        return shown(self.source, self.before, ())

    @property
    def here(self) -> Span:
        """Where the token stands; for the end of a line or file, the token before."""
        at_end = self.breaks_off or self.token.type in ("_SEP", "$END")
        return _span(self.before if at_end else self.token)

    @property
    def breaks_off(self) -> bool:
        """Whether the token ends a block whose last line is not finished."""
        between = self.source.text[self.before.end_pos or 0 : self.token.start_pos or 0]
        return self.token.type in ("END", "ELSE", "ELSEIF") and "\n" in between

    @property
    def closer(self) -> str | None:
        """What closes the bracket around, or None outside of brackets."""
        return OPENING[self.bracket.type] if self.bracket is not None else None


def explain(source: Source, tokens: list[Token], at: int, accepted: frozenset[str]) -> Diagnostic:
    """What is wrong at a token, and what to write instead."""
    end = len(source.text)
    token = tokens[at] if at < len(tokens) else Token("$END", "", end, end_pos=end)
    before = tokens[at - 1] if at else Token("START", "", 0, end_pos=0)
    bracket = _open_bracket(tokens[:at])
    place = Place(source, token, before, bracket, accepted, tuple(tokens[:at]), tuple(tokens[at + 1 : at + 4]))
    for explanation in EXPLANATIONS:
        diagnostic = explanation(place)
        if diagnostic is not None:
            return diagnostic
    return Diagnostic(f"{place.found} does not belong here", place.here, _expectation(place))


def shown(source: Source, token: Token, following: tuple[Token, ...]) -> str:
    """A token in words."""
    if token.type in UNSEEN and source.excerpt(_span(token)) != ";" and following:
        return shown(source, following[0], following[1:])
    if token.type == "$END":
        return "the end of the file"
    text = source.excerpt(_span(token))
    if token.type == "_SEP" or not text.strip():
        return "`;`" if text == ";" else "the end of the line"
    return f"`{text if len(text) <= 30 else text[:29] + '…'}`"


def _span(token: Token) -> Span:
    return Span(token.start_pos or 0, token.end_pos or 0)


def _open_bracket(tokens: list[Token]) -> Token | None:
    """The innermost bracket that is open after these tokens, unless a block was opened since."""
    depth = 0
    for token in reversed(tokens):
        if token.type in CLOSING:
            depth += 1
        elif token.type in OPENING:
            if depth == 0:
                return token
            depth -= 1
        elif token.type == "_SEP" and depth == 0:
            return None
    return None


# ── the explanations ─────────────────────────────────────────────────────────────────────────────────────────────────


def _item(place: Place) -> Diagnostic | None:
    """Something at the top of the file that no spec holds."""
    if "MODEL" not in place.accepted:
        return None
    message = "a spec holds `using` and `seed!(…)` lines, a `@data` block, `@model` functions and helper functions"
    called = place.token.type == "NAME" and place.following and place.following[0].type == "CALL_OPEN"
    if called and place.token == "sample":
        hint = "leave it out: `mlmdsl run` draws the sample"
    elif any(token.type == "ASSIGN" for token in place.following):
        hint = "put data in a `@data` block; a model takes them as its arguments and needs no call"
    else:
        hint = "leave it out, or put it in the body of a model; a comment starts with `#`"
    return Diagnostic(f"{message}; found {place.found}", place.here, hint)


def _after_item(place: Place) -> Diagnostic | None:
    """Something behind the `end` of a block."""
    if place.before.type != "END" or place.token.type in ("_SEP", "$END"):
        return None
    return Diagnostic(f"expected a new line after `end`, found {place.found}", place.here, "start a new line")


def _data_block(place: Place) -> Diagnostic | None:
    """`@data` without its `begin`, `@model` without its head."""
    if place.before.type == "DATA" or "BEGIN" in place.accepted and place.before.type in ("STRING", "RSQB"):
        hint = 'write `@data "table.csv" begin … end`'
        return Diagnostic(f"expected `begin` after `@data`, found {place.found}", place.here, hint)
    if place.before.type in ("MODEL", "FUNCTION"):
        macro = "@model " if place.before.type == "MODEL" else ""
        hint = f"write `{macro}function name(x, y) … end`"
        return Diagnostic(f"expected a name after {place.previous}, found {place.found}", place.here, hint)
    return None


def _space_before_bracket(place: Place) -> Diagnostic | None:
    """`f (x)`, `x [i]`."""
    spaced = (place.before.end_pos or 0) < (place.token.start_pos or 0)
    if place.token.type not in ("LPAR", "LSQB") or place.before.type not in ("NAME", "RPAR", "RSQB") or not spaced:
        return None
    if place.source.text.count("\n", place.before.end_pos or 0, place.token.start_pos or 0):
        return None
    bracket = "(" if place.token.type == "LPAR" else "["
    message = f"a space stands between {place.previous} and `{bracket}`"
    span = _span(place.before).to(_span(place.token))
    closed = "f(x)" if bracket == "(" else "x[i]"
    return Diagnostic(message, span, f"write it without the space, as in `{closed}`; a product is written with `*`")


def _iterator(place: Place) -> Diagnostic | None:
    """`for i 1:n`."""
    if "IN" not in place.accepted or "ASSIGN" not in place.accepted or place.accepted & {"PLUS"}:
        return None
    hint = "write `for i in 1:n`"
    return Diagnostic(f"expected `in` after {place.previous}, found {place.found}", place.here, hint)


def _missing_iterator(place: Place) -> Diagnostic | None:
    """`for` with nothing to run over."""
    if place.before.type not in ("FOR", "COMP_FOR"):
        return None
    return Diagnostic(f"expected a name after `for`, found {place.found}", place.here, "write `for i in 1:n`")


def _choice(place: Place) -> Diagnostic | None:
    """`a ? b` without its `:`, or with a `:` that has no spaces."""
    if "TERNARY_COLON" not in place.accepted or place.before.type not in VALUE_ENDS:
        return None
    hint = "write `condition ? a : b`, with spaces around `:`"
    return Diagnostic(f"expected ` : ` and what holds otherwise, found {place.found}", place.here, hint)


def _block_as_value(place: Place) -> Diagnostic | None:
    """`1 + if …`, a loop in parentheses, `return` in an expression."""
    if place.token.type not in ("IF", "FOR", "BEGIN", "RETURN", "FUNCTION", "ADDLOGPROB", "STATEMENT_MACRO"):
        return None
    if place.token.type == "FUNCTION":
        hint = "define it at the top of the file, outside of models; without a name it is `x -> …`"
        return Diagnostic("a `function` cannot stand inside another", place.here, hint)
    hint = "write `condition ? a : b`" if place.token.type == "IF" else "put it on a line of its own"
    return Diagnostic(f"{place.found} starts a statement and cannot stand here", place.here, hint)


def _second_for(place: Place) -> Diagnostic | None:
    """`[f(i, j) for i in a for j in b]`, and `for` where no comprehension is."""
    if place.token.type != "COMP_FOR":
        return None
    hint = "join the loops with a comma: `[f(i, j) for i in a, j in b]` is a matrix"
    return Diagnostic("a second `for` is not part of the spec language", place.here, hint)


def _head_of_model(place: Place) -> Diagnostic | None:
    """`@model m(x)` without a `function` or a `=`."""
    if place.accepted != {"ASSIGN"}:
        return None
    hint = "write `@model function name(x, y) … end`, or `@model name(x, y) = begin … end`"
    return Diagnostic(f"expected `=` after {place.previous}, found {place.found}", place.here, hint)


def _statement_sign(place: Place) -> Diagnostic | None:
    """`a = b = c`, `f(x ~ d)`, a sign with nothing before it, or behind a statement that was not finished."""
    if place.token.type not in STATEMENT_SIGNS:
        return None
    unfinished = _unfinished_line(place)
    if unfinished is not None and place.bracket is None:
        words = place.source.excerpt(_span(unfinished))
        wanted = "a name" if unfinished.type == "DOT" else "a value"
        message = f"expected {wanted} after `{words}`, found the end of the line"
        return Diagnostic(message, _span(unfinished), "write what follows it")
    if place.before.type not in VALUE_ENDS:
        return Diagnostic(f"expected a name before {place.found}", place.here, f"write `name {place.token} …`")
    if place.bracket is not None:
        hint = "a keyword argument is written `name=value`, a comparison `a == b`"
        return Diagnostic(f"{place.found} cannot stand in brackets", place.here, hint)
    return Diagnostic(f"a second {place.found} in one statement", place.here, "write a statement for each")


def _unfinished_line(place: Place) -> Token | None:
    """The last token of this statement after which a line ends that another has to continue."""
    after = place.token
    for token in reversed(place.preceding):
        if token.type == "_SEP":
            return None
        broken = "\n" in place.source.text[token.end_pos or 0 : after.start_pos or 0]
        if broken and token.type in OPERATORS | STATEMENT_SIGNS | {"COMMA", "DOT"}:
            return token
        after = token
    return None


def _no_left_side(place: Place) -> Diagnostic | None:
    """`* x`, `a + * b`."""
    if place.token.type not in BINARY | {"QUESTION", "TERNARY_COLON", "ARROW", "SPLAT", "DOT", "DOT_CALL"}:
        return None
    if place.before.type in VALUE_ENDS:
        return None
    if place.before.type in OPERATORS | STATEMENT_SIGNS | {"COMMA"}:
        message = f"expected a value after {place.previous}, found {place.found}"
        return Diagnostic(message, place.here, "write the value, or leave one of them out")
    return Diagnostic(f"{place.found} has no value on its left", place.here, "write the value before it")


def _no_right_side(place: Place) -> Diagnostic | None:
    """`a + )`, `x ~` and nothing more."""
    if place.before.type not in OPERATORS | STATEMENT_SIGNS | {"COMMA", "SPLAT", "IF", "ELSEIF", "DOT", "COMP_IF"}:
        return None
    what = "a name" if place.before.type == "DOT" else "a value"
    message = f"expected {what} after {place.previous}, found {place.found}"
    return Diagnostic(message, place.here, f"write {what} there, or leave {place.previous} out")


def _else_without_if(place: Place) -> Diagnostic | None:
    """`else` where no `if` is open."""
    if place.token.type not in ("ELSE", "ELSEIF") or place.before.type not in STATEMENT_ENDS:
        return None
    words = place.source.excerpt(_span(place.token))
    return Diagnostic(f"this `{words}` belongs to no `if`", _span(place.token), "write `if condition … else … end`")


def _splat(place: Place) -> Diagnostic | None:
    """`...` where nothing is spread."""
    if place.token.type != "SPLAT":
        return None
    hint = "`...` spreads a value over the arguments of a call, `f(x...)`; parameters and keywords are named one by one"
    return Diagnostic("`...` cannot stand here", place.here, hint)


def _keyword_argument(place: Place) -> Diagnostic | None:
    """`f(a; 2)`."""
    if place.before.type != "_SEMI":
        return None
    hint = "write `name=value` after the `;`"
    return Diagnostic(f"expected a keyword argument after `;`, found {place.found}", place.here, hint)


def _two_values(place: Place) -> Diagnostic | None:
    """`a b`: an operator, a comma or a line end is missing, or a bracket before was left open."""
    unseen = place.token.type in UNSEEN and place.following and place.found != "`;`"
    token = place.following[0] if unseen else place.token
    if place.before.type not in VALUE_ENDS or token.type not in VALUE_STARTS | BLOCK_WORDS | {"STATEMENT_MACRO"}:
        return None
    start, end = place.before.end_pos or 0, token.start_pos or 0
    if place.bracket is None:
        hint = "write the operator between them (`*` for a product), or start a new line"
        message = f"expected an operator or a new line between {place.previous} and {place.found}"
        return Diagnostic(message, place.here, hint)
    message = f"expected `,`, `{place.closer}` or an operator between {place.previous} and {place.found}"
    if "\n" in place.source.text[start:end]:
        line, _ = place.source.position(place.bracket.start_pos or 0)
        words = place.source.excerpt(_span(place.bracket))
        hint = f"the `{words}` of line {line} is still open here: close it with `{place.closer}`"
        return Diagnostic(message, _span(token), hint)
    return Diagnostic(message, _span(token), "write what joins them")


def _in_brackets(place: Place) -> Diagnostic | None:
    """`;` where `,` is meant, an empty index, a row where no matrix is."""
    if place.bracket is None:
        return None
    if place.token.type in ("_SEMI", "_ROW") or place.found == "`;`":
        hint = "separate with `,`; `;` stands before the keyword arguments of a call and between the rows of a matrix"
        return Diagnostic("`;` cannot stand here", place.here, hint)
    if place.before.type == "INDEX_OPEN" and place.token.type == "RSQB":
        span = _span(place.before).to(_span(place.token))
        return Diagnostic("an index is empty", span, "write `x[i]`, or `x[:]` for all of it")
    if place.token.type in CLOSING:
        hint = "write the value, or leave the comma out"
        return Diagnostic(f"expected a value before {place.found}", place.here, hint)
    return None


def _incomplete(place: Place) -> Diagnostic | None:
    """A statement that ends too early."""
    if place.token.type not in ("_SEP", "$END", "END", "ELSE", "ELSEIF"):
        return None
    return Diagnostic(f"expected more after {place.previous}, found {place.found}", place.here, _expectation(place))


_WORDS = {
    "NAME": "a name or value", "BEGIN": "`begin`", "END": "`end`", "IN": "`in`", "ASSIGN": "`=`", "RPAR": "`)`",
    "RSQB": "`]`", "RBRACE": "`}`", "COMMA": "`,`", "CALL_OPEN": "`(`", "_SEP": "a new line", "PLUS": "an operator",
    "TERNARY_COLON": "` : `", "STRING": "a string",
}  # fmt: skip


def _expectation(place: Place) -> str:
    """What could stand here instead, as a hint."""
    words = [word for kind, word in _WORDS.items() if kind in place.accepted]
    return f"here can stand {', '.join(words)}" if words else "leave it out"


EXPLANATIONS: tuple[Callable[[Place], Diagnostic | None], ...] = (
    _item,
    _data_block,
    _missing_iterator,
    _iterator,
    _choice,
    _second_for,
    _head_of_model,
    _splat,
    _keyword_argument,
    _space_before_bracket,
    _block_as_value,
    _statement_sign,
    _no_left_side,
    _no_right_side,
    _after_item,
    _else_without_if,
    _two_values,
    _in_brackets,
    _incomplete,
)
"""Tried in order."""
