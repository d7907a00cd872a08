"""The layout of a spec's text as it is read: open brackets and blocks, and what white space means in each.

A line end ends a statement in a block, a row in `[ ]`, and nothing in parentheses; a space in `[ ]` ends an item; a
bracket right behind a value calls or indexes it. What is left open is reported at the bracket or word that opened it.
"""

from __future__ import annotations

from dataclasses import dataclass

from lark import Token

from mlmdsl.language import faults
from mlmdsl.language.characters import may_start_name
from mlmdsl.language.errors import Diagnostic
from mlmdsl.language.source import Span

MAX_NESTING = 64
"""How many brackets and blocks may stand open at once."""

VALUE_ENDS = frozenset({
    "NAME", "NUMBER", "STRING", "SYMBOL", "TRUE", "FALSE", "COLON_ALL", "END_INDEX", "BEGIN_INDEX", "RPAR", "RSQB",
    "RBRACE", "ADJOINT", "SPLAT",
})  # fmt: skip
STATEMENT_ENDS = VALUE_ENDS | {"END", "RETURN", "DO", "USING", "FAULT"}
STATEMENT_STARTS = frozenset({"", "_SEP", "BEGIN", "ELSE", "STATEMENT_MACRO"})
CALLABLE = frozenset({"NAME", "SEED", "RPAR", "RSQB", "RBRACE", "ADJOINT"})
JUXTAPOSES = frozenset({"NUMBER", "RPAR", "RSQB", "ADJOINT"})
BLOCK_ENDS = frozenset({"END", "ELSE", "ELSEIF"})
ITEM_STARTS = frozenset({
    "NAME", "NUMBER", "STRING", "TRUE", "FALSE", "END", "BEGIN", "LPAR", "LSQB", "MACRO", "NOT", "SQRT",
})  # fmt: skip
CLOSERS = {"(": "RPAR", "call": "RPAR", "[": "RSQB", "index": "RSQB", "{": "RBRACE"}
BLOCK = "block"


@dataclass(slots=True)
class Frame:
    """An open bracket (`(` or `call`, `[` or `index`, `{`) or block, the token that opened it, and what it has seen."""

    kind: str
    opener: Token
    commas: int = 0
    questions: int = 0


class Layout:
    """The tokens so far. `previous` is the type of the last one, `spaced` whether white space has followed it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        self.faults: list[Diagnostic] = []
        self.fatal: Diagnostic | None = None
        self.unclosed_from = len(text)
        self.frames = [Frame(BLOCK, Token("FILE", "", 0, end_pos=0))]
        self.misindented: Frame | None = None
        self.previous = ""
        self.spaced = False
        self.line_end: int | None = None
        self.semicolon = False
        self.item_start = 0

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

    def juxtapose(self, start: int, after: frozenset[str]) -> None:
        """Add the product that a value right behind another means."""
        if not self.spaced and self.previous in after:
            self.emit("JUXT", start, start)

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
            if kind == "call" and self.previous == "COMMA":
                self.tokens.pop()
            self.emit("_ROW" if kind == "[" else "_SEMI", start, start + 1)

    def separate(self, kind: str, start: int, end: int) -> None:
        """Before a token that white space precedes: end the statement, row or item before it, if there is one."""
        frame = self.frames[-1]
        if frame.kind == BLOCK:
            if self.line_end is not None:
                self.end_statement(kind, self.line_end)
        elif frame.kind == "[" and self.previous in VALUE_ENDS and self.starts_item(kind, start, end):
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

    # ── blocks ───────────────────────────────────────────────────────────────────────────────────────────────────────

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
        start = self.text.rfind("\n", 0, position) + 1
        return next(index for index in range(start, position + 1) if not self.text[index].isspace()) - start

    def check_closed(self) -> None:
        """At the end of the text, nothing may be open."""
        if len(self.frames) > 1:
            self.report_open(len(self.text))

    def report_open(self, position: int) -> int:
        """A bracket or block is open where none may be: blame the bracket, else the block whose `end` was misplaced."""
        bracket = next((frame for frame in self.innermost_brackets()), None)
        culprit = bracket or self.misindented or self.frames[-1]
        if bracket is not None:
            self.unclosed_from = bracket.opener.start_pos or 0
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
            self.unclosed_from = -1
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
