"""Spec text → tokens: everything in Julia's syntax that depends on white space or on what stands before.

One regular expression, made of the grammar's terminals, cuts the text; the layout (open brackets and blocks, the token
before) decides what each piece is. The comments beside the `%declare` lines of grammar/mlm.lark list these decisions.

What cannot be cut becomes a FAULT token, which no rule accepts: the parser then reports it in its turn, between the
errors of its own. A fatal fault (a bracket or block left open) ends the tokens: all that follows would be misread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from lark import Token
from lark.lexer import PatternStr, TerminalDef

from mlmdsl.language import faults
from mlmdsl.language.characters import name_length
from mlmdsl.language.errors import Diagnostic
from mlmdsl.language.layout import BLOCK, CALLABLE, JUXTAPOSES, STATEMENT_STARTS, VALUE_ENDS, Layout
from mlmdsl.language.source import Span


class Scanned(NamedTuple):
    """The tokens, the faults that FAULT tokens point to (their value is an index), and why scanning had to stop.

    `unclosed_from`: where a bracket stands that nothing closes, or the text's length; what follows it is misread. Less
    than 0 where the text is nested too deeply to be read at all.
    """

    tokens: list[Token]
    faults: list[Diagnostic]
    fatal: Diagnostic | None
    unclosed_from: int


class Lexicon:
    """The grammar's terminals, ready to cut text with: one expression for all, and the words it reserves."""

    def __init__(self, terminals: Iterable[TerminalDef]) -> None:
        kept = list(terminals)
        words = [t for t in kept if isinstance(t.pattern, PatternStr) and t.pattern.value.isalpha()]
        self.keywords = {t.pattern.value: t.name for t in words}
        shapes = [f"(?P<{t.name}>{t.pattern.to_regexp()})" for t in kept if t.name not in self.keywords.values()]
        foreign = "|".join(map(re.escape, faults.FOREIGN_OPERATORS)).replace("<\\-", r"<\-(?=\s)")
        self.match = re.compile("|".join([f"(?P<FOREIGN>{foreign})", *shapes])).match


def scan(text: str, lexicon: Lexicon) -> Scanned:
    """The tokens of a text. Never fails: what is wrong is among the faults."""
    scanner = Scanner(text, lexicon)
    scanner.run()
    return Scanned(scanner.tokens, scanner.faults, scanner.fatal, scanner.unclosed_from)


class Scanner(Layout):
    """One pass over a text: words, operators, and what is neither."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        super().__init__(text)
        self.lexicon = lexicon

    def run(self) -> None:
        """Cut the whole text, or as far as makes sense."""
        position, text, match = 0, self.text, self.lexicon.match
        while position < len(text) and self.fatal is None:
            found = match(text, position)
            if found is None:
                position = self.irregular(position)
                continue
            kind, lexeme, end = found.lastgroup or "", found.group(), found.end()
            if kind == "WS" or kind == "COMMENT":
                self.spaced = True
            elif kind == "_SEP":
                self.separator(lexeme, position)
            else:
                end = self.token(kind, lexeme, position, end)
            position = end
        if self.fatal is None:
            self.check_closed()

    def token(self, kind: str, lexeme: str, start: int, end: int) -> int:
        """Decide what a piece of text is, add its token or tokens, and tell where the next piece starts."""
        if kind == "NAME":
            kind = self.word(lexeme)
        if self.spaced:
            self.separate(kind, start, end)
        handler = HANDLERS.get(kind)
        if handler is not None:
            return handler(self, lexeme, start, end)
        self.emit(kind, start, end)
        return end

    # ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def word(self, lexeme: str) -> str:
        """The type of a word: a name, or what Julia reserves it for."""
        if self.previous == "DOT" and not self.spaced:
            return "NAME"
        kind = self.lexicon.keywords.get(lexeme)
        if kind is None:
            return "RESERVED" if lexeme in faults.RESERVED_WORDS else "NAME"
        if kind in ("IN", "WHERE") and self.previous not in VALUE_ENDS:
            return "NAME"
        if kind in ("FOR", "IF") and self.frames[-1].kind != BLOCK and self.previous in VALUE_ENDS:
            return f"COMP_{kind}"
        return kind

    def name(self, lexeme: str, start: int, end: int) -> int:
        """A name, after the `*` that juxtaposition leaves out; at a character no name may hold, it ends."""
        if not lexeme.isascii() and not lexeme.startswith('var"'):
            length = name_length(lexeme)
            if length == 0:
                return self.fault(faults.unknown_character(self.text, start), start, start + 1)
            end = start + length
        self.juxtapose(start, JUXTAPOSES)
        self.emit("NAME", start, end)
        return end

    def number(self, lexeme: str, start: int, end: int) -> int:
        """A number; `1.+x` is refused, as Julia does, since its dot could belong to either."""
        after = self.text[end : end + 2]
        if len(after) == 2 and after[0] == "." and after[1] not in ".(" and lexeme.isdigit():
            return self.fault(faults.dot_after_number(lexeme, start, end), start, end)
        self.emit("NUMBER", start, end)
        return end

    def reserved(self, lexeme: str, start: int, end: int) -> int:
        """A word of Julia's that a spec has no use for."""
        if lexeme in faults.RESERVED_BLOCKS:
            self.open(BLOCK, "FAULT_BLOCK", start, end)
            self.tokens[-1] = Token("FAULT_BLOCK", str(len(self.faults)), start, end_pos=end)
            self.faults.append(faults.reserved_word(lexeme, start, end))
            return end
        return self.fault(faults.reserved_word(lexeme, start, end), start, end)

    # ── blocks ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def open_block(self, lexeme: str, start: int, end: int) -> int:
        """`for`, `if`, `begin`, `do`, `function`: what an `end` will close."""
        if lexeme == "begin" and self.in_index():
            self.emit("BEGIN_INDEX", start, end)
        elif lexeme == "function" and self.starts_item_of_file(start):
            return self.top_level(lexeme, start, end)
        else:
            self.open(BLOCK, lexeme.upper(), start, end)
        return end

    def top_level(self, lexeme: str, start: int, end: int) -> int:
        """`@model`, `@data` and `function` stand at the top of a file: where a block is open, its `end` is missing."""
        if len(self.frames) > 1:
            return self.report_open(start)
        if lexeme == "function":
            self.open(BLOCK, "FUNCTION", start, end)
        else:
            self.emit("MODEL" if lexeme == "@model" else "DATA", start, end)
        return end

    def starts_item_of_file(self, start: int) -> bool:
        """Whether a `function` stands where only the top of a file has one: first on its line, not indented."""
        return start == 0 or self.text[start - 1] == "\n"

    # ── operators ────────────────────────────────────────────────────────────────────────────────────────────────────

    def plus(self, lexeme: str, start: int, end: int) -> int:
        """`+`, `-`, `|`: between two operands, or before one."""
        if self.previous in VALUE_ENDS or self.is_operator_as_value(lexeme, start, end):
            return self.operator("PLUS", lexeme, start, end)
        self.emit("PLUS" if lexeme[-1] == "|" else "UNARY", start, end)
        return end

    def operator(self, kind: str, lexeme: str, start: int, end: int) -> int:
        """An operator between operands, or as a value of its own: `reduce(+, x)`, `map(.^, x, k)`."""
        self.emit("NAME" if self.is_operator_as_value(lexeme, start, end) else kind, start, end)
        return end

    def is_operator_as_value(self, lexeme: str, start: int, end: int) -> bool:
        """Whether an operator stands alone as an argument."""
        if self.previous not in ("CALL_OPEN", "DOT_CALL", "LPAR", "COMMA", "ASSIGN"):
            return False
        return self.text[end : end + 16].lstrip().startswith((",", ")", ";"))

    def times(self, lexeme: str, start: int, end: int) -> int:
        """`*` and its like."""
        return self.operator("TIMES", lexeme, start, end)

    def compare(self, lexeme: str, start: int, end: int) -> int:
        """`<` and its like; `∈` is also the `in` of a loop."""
        return self.operator("IN" if lexeme == "∈" else "COMPARE", lexeme, start, end)

    def power(self, lexeme: str, start: int, end: int) -> int:
        """`^`."""
        return self.operator("POWER", lexeme, start, end)

    def root(self, lexeme: str, start: int, end: int) -> int:
        """`√`, also right behind a number."""
        self.juxtapose(start, frozenset({"NUMBER"}))
        self.emit("SQRT", start, end)
        return end

    def question(self, lexeme: str, start: int, end: int) -> int:
        """`?`: a `:` is to come."""
        self.frames[-1].questions += 1
        self.emit("QUESTION", start, end)
        return end

    def colon(self, lexeme: str, start: int, end: int) -> int:
        """`:` of a symbol, of a whole axis, of a choice (with spaces around it) or of a range."""
        frame = self.frames[-1]
        if self.previous not in VALUE_ENDS:
            return self.symbol(start, end)
        if frame.questions and self.spaced and self.text[end : end + 1].isspace():
            frame.questions -= 1
            self.emit("TERNARY_COLON", start, end)
        else:
            self.emit("RANGE", start, end)
        return end

    def symbol(self, start: int, end: int) -> int:
        """`:name`, or `:` alone."""
        found = self.lexicon.match(self.text, end)
        length = name_length(found.group()) if found is not None and found.lastgroup == "NAME" else 0
        if length:
            self.emit("SYMBOL", start, end + length, self.text[end : end + length])
        elif self.is_alone(end):
            self.emit("COLON_ALL", start, end)
        else:
            return self.fault(faults.lone_colon(Span(start, end), self.text.startswith("(", end)), start, end)
        return end + length

    def is_alone(self, end: int) -> bool:
        """Whether a `:` that ends here is an index or argument by itself."""
        following = self.text[end : end + 64].lstrip()
        return self.frames[-1].kind in ("index", "call", "(") and following.startswith((",", "]", ")", ";"))

    def assign(self, lexeme: str, start: int, end: int) -> int:
        """`=`; at the top of a file, after `f(…)`, it makes a function of what stands before."""
        if len(self.frames) == 1 and lexeme == "=" and self.follows_signature():
            position = self.tokens[self.item_start].start_pos
            self.tokens.insert(self.item_start, Token("SHORT", "", position, end_pos=position))
        self.emit("ASSIGN", start, end)
        return end

    def follows_signature(self) -> bool:
        """Whether the statement so far is a name, parentheses, and perhaps types."""
        if [token.type for token in self.tokens[self.item_start : self.item_start + 2]] != ["NAME", "CALL_OPEN"]:
            return False
        types = [token.type for token in self.tokens[self.item_start :]]
        depth = 0
        for index, kind in enumerate(types):
            depth += (kind in ("CALL_OPEN", "LPAR", "DOT_CALL")) - (kind == "RPAR")
            if kind == "RPAR" and depth == 0:
                return types[index + 1 : index + 2] in ([], ["WHERE"], ["DECL"])
        return False

    def prime(self, lexeme: str, start: int, end: int) -> int:
        """`'` right behind a value; elsewhere it would be a character."""
        if not self.spaced and self.previous in (*CALLABLE, "NUMBER", "END_INDEX"):
            self.emit("ADJOINT", start, end)
            return end
        found = re.compile(r"'(?:[^'\\\n]|\\[^\n])*'").match(self.text, start)
        end = found.end() if found else end
        if found is not None and self.in_data_head():
            inner = found.group()[1:-1]
            text = {'"': '\\"', "\\'": "'"}.get(inner, inner)
            self.emit("STRING", start, end, f'"{text}"')
            return end
        return self.fault(faults.character_literal(Span(start, end)), start, end)

    def in_data_head(self) -> bool:
        """Whether this stands between `@data` and its `begin`, where an option may be a character."""
        last = next((token.type for token in reversed(self.tokens) if token.type in ("DATA", "BEGIN", "_SEP")), "")
        return last == "DATA"

    def macro(self, lexeme: str, start: int, end: int) -> int:
        """A macro that says how, not what; others are not part of the language."""
        if lexeme.rpartition("@")[2].rpartition(".")[2] not in faults.MACROS and lexeme != "@.":
            return self.fault(faults.unknown_macro(lexeme, Span(start, end)), start, end)
        self.emit("STATEMENT_MACRO" if self.previous in STATEMENT_STARTS else "MACRO", start, end)
        return end

    def foreign(self, lexeme: str, start: int, end: int) -> int:
        """An operator of Julia's, or of another language, that a spec does not have."""
        return self.fault(faults.foreign_operator(lexeme, Span(start, end)), start, end)

    # ── what no terminal matches ─────────────────────────────────────────────────────────────────────────────────────

    def irregular(self, start: int) -> int:
        """A block comment, a string without an end, or a character that has no place in a spec."""
        if self.text.startswith("#=", start):
            return self.block_comment(start)
        if self.spaced:
            self.separate("FAULT", start, start + 1)
        if self.text[start] == '"':
            return self.fault(faults.unclosed_string(self.text, start), start, start + 1, fatal=True)
        return self.fault(faults.unknown_character(self.text, start), start, start + 1)

    def block_comment(self, start: int) -> int:
        """`#= … =#`, nested ones inside."""
        depth = 0
        for found in re.compile("#=|=#").finditer(self.text, start):
            depth += 1 if found.group() == "#=" else -1
            if depth == 0:
                self.spaced = True
                return found.end()
        return self.fault(faults.unclosed("#=", Span(start, start + 2)), start, start + 2, fatal=True)


Handler = Callable[[Scanner, str, int, int], int]

HANDLERS: dict[str, Handler] = {
    "NAME": Scanner.name,
    "NUMBER": Scanner.number,
    "RESERVED": Scanner.reserved,
    "FOR": Scanner.open_block,
    "IF": Scanner.open_block,
    "BEGIN": Scanner.open_block,
    "DO": Scanner.open_block,
    "FUNCTION": Scanner.open_block,
    "DATA": Scanner.top_level,
    "MODEL": Scanner.top_level,
    "END": Scanner.end,
    "LPAR": Scanner.parenthesis,
    "DOT_CALL": Scanner.dot_call,
    "LSQB": Scanner.square,
    "LBRACE": Scanner.brace,
    "RPAR": Scanner.close,
    "RSQB": Scanner.close,
    "RBRACE": Scanner.close,
    "COMMA": Scanner.comma,
    "PLUS": Scanner.plus,
    "TIMES": Scanner.times,
    "POWER": Scanner.power,
    "COMPARE": Scanner.compare,
    "SQRT": Scanner.root,
    "QUESTION": Scanner.question,
    "RANGE": Scanner.colon,
    "ASSIGN": Scanner.assign,
    "ADJOINT": Scanner.prime,
    "MACRO": Scanner.macro,
    "FOREIGN": Scanner.foreign,
}
"""What decides about each kind of piece; a kind that is not here is a token as it stands."""
