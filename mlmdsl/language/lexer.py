"""Spec text → tokens: everything in Julia's syntax that depends on white space or on what stands before.

One regular expression, made of the grammar's terminals, cuts the text; a stack of open brackets and blocks and the token
before decide what each piece is (the comments beside the `%declare` lines of grammar/mlm.lark list these decisions).

What cannot be cut becomes a FAULT token, which no rule accepts: the parser then reports it in its turn, between the errors
of its own. A fatal fault (a bracket or block left open) ends the tokens, since all that follows would be misread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from lark import Token
from lark.lexer import PatternStr, TerminalDef

from mlmdsl.language import faults
from mlmdsl.language.characters import may_start_name, name_length
from mlmdsl.language.errors import Diagnostic
from mlmdsl.language.source import Span

MAX_NESTING = 64
"""How many brackets and blocks may stand open at once."""

VALUE_ENDS = frozenset(
    "NAME NUMBER STRING SYMBOL TRUE FALSE COLON_ALL END_INDEX BEGIN_INDEX RPAR RSQB RBRACE ADJOINT SPLAT".split()
)
STATEMENT_ENDS = VALUE_ENDS | {"END", "RETURN", "DO", "USING", "FAULT"}
STATEMENT_STARTS = frozenset({"", "_SEP", "BEGIN", "ELSE", "STATEMENT_MACRO"})
CALLABLE = frozenset({"NAME", "SEED", "RPAR", "RSQB", "RBRACE", "ADJOINT"})
JUXTAPOSES = frozenset({"NUMBER", "RPAR", "RSQB", "ADJOINT"})
BLOCK_ENDS = frozenset({"END", "ELSE", "ELSEIF"})
ITEM_STARTS = frozenset({"NAME", "NUMBER", "STRING", "TRUE", "FALSE", "END", "BEGIN", "LPAR", "LSQB", "MACRO", "NOT", "SQRT"})
CLOSERS = {"(": "RPAR", "call": "RPAR", "[": "RSQB", "index": "RSQB", "{": "RBRACE"}
BLOCK = "block"


@dataclass(slots=True)
class Frame:
    """An open bracket (`(` or `call`, `[` or `index`, `{`) or block, the token that opened it, and what it has seen."""

    kind: str
    opener: Token
    commas: int = 0
    questions: int = 0


class Scanned(NamedTuple):
    """The tokens, the faults that FAULT tokens point to (their value is an index), and where scanning had to stop."""

    tokens: list[Token]
    faults: list[Diagnostic]
    fatal: Diagnostic | None


class Lexicon:
    """The grammar's terminals, ready to cut text with: one expression for all, and the words it reserves."""

    def __init__(self, terminals: Iterable[TerminalDef]) -> None:
        kept = list(terminals)
        self.keywords = {t.pattern.value: t.name for t in kept if isinstance(t.pattern, PatternStr) and t.pattern.value.isalpha()}
        shapes = [f"(?P<{t.name}>{t.pattern.to_regexp()})" for t in kept if t.name not in self.keywords.values()]
        foreign = "|".join(map(re.escape, faults.FOREIGN_OPERATORS))
        self.match = re.compile("|".join([f"(?P<FOREIGN>{foreign})", *shapes])).match


def scan(text: str, lexicon: Lexicon) -> Scanned:
    """The tokens of a text. Never fails: what is wrong is among the faults."""
    scanner = _Scanner(text, lexicon)
    scanner.run()
    return Scanned(scanner.tokens, scanner.faults, scanner.fatal)


class _Scanner:
    """One pass over a text. `previous` is the type of the last token, `spaced` whether white space followed it."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.text = text
        self.lexicon = lexicon
        self.tokens: list[Token] = []
        self.faults: list[Diagnostic] = []
        self.fatal: Diagnostic | None = None
        self.frames = [Frame(BLOCK, Token("FILE", "", 0, end_pos=0))]
        self.misindented: Frame | None = None
        self.previous = ""
        self.spaced = False
        self.line_end: int | None = None
        self.semicolon = False
        self.item_start = 0

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

    def emit(self, kind: str, start: int, end: int, value: str | None = None) -> Token:
        """Add a token."""
        token = Token(kind, self.text[start:end] if value is None else value, start, end_pos=end)
        self.tokens.append(token)
        self.previous = kind
        self.spaced = self.semicolon = False
        self.line_end = None
        return token

    def fault(self, diagnostic: Diagnostic, start: int, end: int, fatal: bool = False) -> int:
        """Add a FAULT token for what is wrong here."""
        if fatal:
            self.fatal = diagnostic
        self.emit("FAULT", start, end, str(len(self.faults)))
        self.faults.append(diagnostic)
        return end

    # ── what white space means ───────────────────────────────────────────────────────────────────────────────────────

    def separator(self, lexeme: str, start: int) -> None:
        """A line end or `;`: noted in a block and in `[ ]` (what comes next decides), a token in parentheses."""
        self.spaced = True
        kind = self.frames[-1].kind
        if kind == BLOCK:
            self.semicolon = self.semicolon or lexeme == ";"
            self.line_end = start if self.line_end is None else self.line_end
        elif lexeme == "\n":
            self.line_end = start if self.line_end is None else self.line_end
        else:
            self.emit("_ROW" if kind == "[" else "_SEMI", start, start + 1)

    def separate(self, kind: str, start: int, end: int) -> None:
        """Before a token that white space precedes: end the statement, the row or the item, where there is one to end."""
        frame = self.frames[-1]
        if frame.kind == BLOCK:
            if self.line_end is not None:
                self.end_statement(kind, self.line_end)
        elif frame.kind == "[":
            if self.previous in VALUE_ENDS and self.starts_item(kind, start, end):
                row = self.line_end
                self.emit("_SPACE" if row is None else "_ROW", start if row is None else row, start)
                self.spaced = True

    def end_statement(self, kind: str, position: int) -> None:
        """Add the token between two statements, unless there is no statement before it or none after."""
        dangling = self.semicolon and self.previous not in STATEMENT_STARTS
        if (self.previous in STATEMENT_ENDS or dangling) and kind not in BLOCK_ENDS:
            self.emit("_SEP", position, position + 1)
            self.frames[-1].questions = 0
            if len(self.frames) == 1:
                self.item_start = len(self.tokens)
        self.spaced = True
        self.line_end = None

    def starts_item(self, kind: str, start: int, end: int) -> bool:
        """Whether a token that follows a space in `[ ]` starts an item: a value does, and `-b` in `[a -b]`."""
        if kind in ITEM_STARTS:
            return True
        following = self.text[end : end + 1]
        if kind == "RANGE":
            return bool(following) and may_start_name(following)
        return kind == "PLUS" and self.text[end - 1] in "+-−" and not following.isspace()

    # ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def word(self, lexeme: str) -> str:
        """The type of a word: a name, or what Julia reserves it for."""
        if self.previous == "DOT":
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

    def juxtapose(self, start: int, after: frozenset[str]) -> None:
        """Add the product that a value right behind another means."""
        if not self.spaced and self.previous in after:
            self.emit("JUXT", start, start)

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

    def end(self, lexeme: str, start: int, end: int) -> int:
        """`end` of a block or of an axis."""
        if self.in_index():
            self.emit("END_INDEX", start, end)
            return end
        if self.frames[-1].kind != BLOCK:
            return self.report_open(start)
        if len(self.frames) == 1:
            return self.fault(faults.stray_closer(lexeme, start, end), start, end)
        frame = self.frames.pop()
        if self.indentation(start) < self.indentation(frame.opener.start_pos or 0) and self.misindented is None:
            self.misindented = frame
        self.emit("END", start, end)
        return end

    def in_index(self) -> bool:
        """Whether the innermost brackets, up to the next block, hold those of an index."""
        for frame in reversed(self.frames):
            if frame.kind in (BLOCK, "index"):
                return frame.kind == "index"
        return False

    def indentation(self, position: int) -> int:
        """How far the line of a position is indented."""
        line = self.text[self.text.rfind("\n", 0, position) + 1 : position + 1]
        return len(line) - len(line.lstrip())

    def check_closed(self) -> None:
        """At the end of the text, nothing may be open."""
        if len(self.frames) > 1:
            self.report_open(len(self.text))

    def report_open(self, position: int) -> int:
        """A bracket or block is open where none may be: blame the bracket, else the block whose `end` was misplaced."""
        bracket = next((frame for frame in self.innermost_brackets()), None)
        culprit = bracket or self.misindented or self.frames[-1]
        words = self.text[culprit.opener.start_pos : culprit.opener.end_pos]
        diagnostic = faults.unclosed(words, Span(culprit.opener.start_pos or 0, culprit.opener.end_pos or 0))
        return self.fault(diagnostic, position, position, fatal=True)

    def innermost_brackets(self) -> list[Frame]:
        """The brackets open since the last block was opened, outermost first."""
        blocks = [index for index, frame in enumerate(self.frames) if frame.kind == BLOCK]
        return self.frames[blocks[-1] + 1 :]

    # ── brackets ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def open(self, frame: str, kind: str, start: int, end: int) -> None:
        """Add the token that opens a bracket or block."""
        if len(self.frames) > MAX_NESTING:
            self.fault(faults.too_deep(Span(start, end)), start, end, fatal=True)
            return
        if kind == "FUNCTION" and self.previous == "MODEL":
            start, opener = self.tokens[-1].start_pos or 0, self.emit(kind, start, end)
            self.frames.append(Frame(frame, Token(kind, "", start, end_pos=opener.end_pos)))
        else:
            self.frames.append(Frame(frame, self.emit(kind, start, end)))

    def parenthesis(self, lexeme: str, start: int, end: int) -> int:
        """`(`: of a call right behind a value, of a macro right behind one, else around an expression."""
        if not self.spaced and self.previous in CALLABLE:
            self.open("call", "CALL_OPEN", start, end)
            return end
        if not self.spaced and self.previous in ("MACRO", "STATEMENT_MACRO"):
            self.tokens[-1] = self.tokens[-1].update(type="MACRO_CALL")
        self.juxtapose(start, frozenset({"NUMBER"}))
        self.open("(", "LPAR", start, end)
        return end

    def dot_call(self, lexeme: str, start: int, end: int) -> int:
        """`.(` of a call with a dot."""
        self.open("call", "DOT_CALL", start, end)
        return end

    def square(self, lexeme: str, start: int, end: int) -> int:
        """`[`: of an index right behind a value, else of a vector or matrix."""
        index = not self.spaced and self.previous in CALLABLE
        self.open("index" if index else "[", "INDEX_OPEN" if index else "LSQB", start, end)
        return end

    def brace(self, lexeme: str, start: int, end: int) -> int:
        """`{`: of a type's parameters right behind a name, else of a `where`."""
        applied = not self.spaced and self.previous in ("NAME", "RBRACE")
        self.open("{", "TYPE_OPEN" if applied else "LBRACE", start, end)
        return end

    def close(self, lexeme: str, start: int, end: int) -> int:
        """`)`, `]`, `}`: the bracket that it closes must be the one opened last."""
        frame = self.frames[-1]
        kind = {")": "RPAR", "]": "RSQB", "}": "RBRACE"}[lexeme]
        if frame.kind == BLOCK:
            return self.fault(faults.stray_closer(lexeme, start, end), start, end, fatal=len(self.frames) > 1)
        if CLOSERS[frame.kind] != kind:
            opener = Span(frame.opener.start_pos or 0, frame.opener.end_pos or 0)
            diagnostic = faults.wrong_closer(self.text[opener.start : opener.end], lexeme, Span(start, end))
            return self.fault(diagnostic, start, end, fatal=True)
        if self.previous == "COMMA" and len(self.tokens) > 1 and self.tokens[-2].type in VALUE_ENDS:
            self.drop_comma(frame)
        self.frames.pop()
        self.emit(kind, start, end)
        return end

    def drop_comma(self, frame: Frame) -> None:
        """A comma with nothing behind it means something in `(a,)` only."""
        comma = self.tokens.pop()
        if frame.kind == "(" and frame.commas == 1:
            self.tokens.append(comma.update(type="LONE_COMMA"))

    def comma(self, lexeme: str, start: int, end: int) -> int:
        """`,`."""
        self.frames[-1].commas += 1
        self.emit("COMMA", start, end)
        return end

    # ── operators ────────────────────────────────────────────────────────────────────────────────────────────────────

    def plus(self, lexeme: str, start: int, end: int) -> int:
        """`+`, `-`, `|`: between two operands, or before one."""
        if self.previous in VALUE_ENDS or self.is_operator_as_value(lexeme, start, end):
            return self.operator("PLUS", lexeme, start, end)
        self.emit("PLUS" if lexeme[-1] == "|" else "UNARY", start, end)
        return end

    def operator(self, kind: str, lexeme: str, start: int, end: int) -> int:
        """An operator between operands, or as a value of its own: `reduce(+, x)`."""
        self.emit("NAME" if self.is_operator_as_value(lexeme, start, end) else kind, start, end)
        return end

    def is_operator_as_value(self, lexeme: str, start: int, end: int) -> bool:
        """Whether an operator stands alone as an argument."""
        if self.previous not in ("CALL_OPEN", "LPAR", "COMMA", "ASSIGN") or lexeme.startswith("."):
            return False
        return self.text[end : end + 16].lstrip().startswith((",", ")"))

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
        else:
            self.emit("COLON_ALL", start, end)
        return end + length

    def assign(self, lexeme: str, start: int, end: int) -> int:
        """`=`; at the top of a file, after `f(…)`, it makes a function of what stands before."""
        if len(self.frames) == 1 and lexeme == "=" and self.follows_signature():
            position = self.tokens[self.item_start].start_pos
            self.tokens.insert(self.item_start, Token("SHORT", "", position, end_pos=position))
        self.emit("ASSIGN", start, end)
        return end

    def follows_signature(self) -> bool:
        """Whether the statement so far is a name, parentheses, and perhaps types."""
        types = [token.type for token in self.tokens[self.item_start :]]
        if types[:2] != ["NAME", "CALL_OPEN"]:
            return False
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
        return self.fault(faults.character_literal(Span(start, end)), start, end)

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


Handler = Callable[[_Scanner, str, int, int], int]

HANDLERS: dict[str, Handler] = {
    "NAME": _Scanner.name,
    "NUMBER": _Scanner.number,
    "RESERVED": _Scanner.reserved,
    "FOR": _Scanner.open_block,
    "IF": _Scanner.open_block,
    "BEGIN": _Scanner.open_block,
    "DO": _Scanner.open_block,
    "FUNCTION": _Scanner.open_block,
    "DATA": _Scanner.top_level,
    "MODEL": _Scanner.top_level,
    "END": _Scanner.end,
    "LPAR": _Scanner.parenthesis,
    "DOT_CALL": _Scanner.dot_call,
    "LSQB": _Scanner.square,
    "LBRACE": _Scanner.brace,
    "RPAR": _Scanner.close,
    "RSQB": _Scanner.close,
    "RBRACE": _Scanner.close,
    "COMMA": _Scanner.comma,
    "PLUS": _Scanner.plus,
    "TIMES": _Scanner.times,
    "POWER": _Scanner.power,
    "COMPARE": _Scanner.compare,
    "SQRT": _Scanner.root,
    "QUESTION": _Scanner.question,
    "RANGE": _Scanner.colon,
    "ASSIGN": _Scanner.assign,
    "ADJOINT": _Scanner.prime,
    "MACRO": _Scanner.macro,
    "FOREIGN": _Scanner.foreign,
}
"""What decides about each kind of piece; a kind that is not here is a token as it stands."""
