"""The grammar's rules → nodes of the tree: one method a rule or alternative, called by the parser as it reduces.

What the grammar is too general to refuse (`2 = x`, a loop in a `@data` block) is refused here, with a `Misuse`.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple, cast

from lark import Token, Transformer, v_args

from mlmdsl.language import faults, literals, tree, walk
from mlmdsl.language.errors import Diagnostic
from mlmdsl.language.source import Span

_SPELLINGS = {
    "≤": "<=", "≥": ">=", "≠": "!=", "≡": "===", "≢": "!==", "∈": "in", "−": "-", "·": "⋅", "|": "||", "&": "&&",
}  # fmt: skip


Chain = list[Token | tree.Node]
"""Operands and the comparisons between them, by turns."""


class Misuse(Exception):
    """Something that parses and means nothing."""

    def __init__(self, message: str, span: Span, hint: str) -> None:
        self.diagnostic = Diagnostic(message, span, hint)
        super().__init__(self.diagnostic)


class Arguments(NamedTuple):
    """What stands between the parentheses of a call."""

    args: tuple[tree.Expression, ...]
    keywords: tuple[tree.Keyword, ...]


class Block(NamedTuple):
    """`begin … end`: its statements become those of the block around it."""

    statements: tuple[tree.Statement, ...]
    span: Span


class Header(NamedTuple):
    """The name and parameters of a model or function."""

    name: str
    params: tuple[tree.Param, ...]
    keywords: tuple[tree.Param, ...]


class Iterators(NamedTuple):
    """`for i in a, j in b if condition` inside brackets."""

    iterators: tuple[tree.Iterator, ...]
    condition: tree.Expression | None
    span: Span


class Row(NamedTuple):
    """A row of a matrix."""

    items: tuple[tree.Expression, ...]


def span_of(part: object) -> Span:
    """Where a part stands."""
    if isinstance(part, Token):
        return Span(part.start_pos or 0, part.end_pos or 0)
    assert isinstance(part, tree.Node | Block | Iterators)
    return part.span


def between(first: object, last: object) -> Span:
    """From the start of one part to the end of another."""
    return Span(span_of(first).start, span_of(last).end)


def _operator(token: Token) -> tuple[str, bool]:
    """An operator's one spelling, and whether it has a dot."""
    dotted = token.startswith(".")
    text = str(token[1:] if dotted else token)
    return _SPELLINGS.get(text, text), dotted


def _name(token: Token) -> str:
    """The name that a NAME token spells."""
    try:
        return literals.name_value(str(token))
    except literals.LiteralError as error:
        raise Misuse(error.args[0], span_of(token), error.args[1]) from None


def _name_node(token: Token) -> tree.Name:
    """A NAME token as a node."""
    return tree.Name(id=_name(token), span=span_of(token))


def _statements(parts: tuple[object, ...]) -> tuple[tree.Statement, ...]:
    """The statements among a rule's parts, `begin … end` blocks laid flat."""
    found: list[tree.Statement] = []
    for part in parts:
        if isinstance(part, Block):
            found.extend(part.statements)
        elif isinstance(part, tree.Statement):
            found.append(part)
    return tuple(found)


def _expressions(parts: tuple[object, ...]) -> tuple[tree.Expression, ...]:
    """The nodes among a rule's parts."""
    return tuple(cast(tree.Expression, part) for part in parts if isinstance(part, tree.Node))


@v_args(inline=True)
class ExpressionBuilder(Transformer[Token, tree.Node]):
    """The rules of expressions."""

    # ── operators ────────────────────────────────────────────────────────────────────────────────────────────────────

    def bare_tuple(self, *items: tree.Expression) -> tree.Tuple:
        return tree.Tuple(items=items, span=between(items[0], items[-1]))

    def arrow(self, params: tree.Expression, arrow: Token, body: tree.Expression) -> tree.Lambda:
        names = params.items if isinstance(params, tree.Tuple) and params.names is None else (params,)
        if not all(isinstance(name, tree.Name) for name in names):
            raise Misuse("expected names before `->`", params.span, "write `x -> …` or `(x, y) -> …`")
        return tree.Lambda(params=cast(tuple[tree.Name, ...], names), body=body, span=between(params, body))

    def macro(self, macro: Token, operand: tree.Node | Block) -> tree.Node | Block:
        if macro.endswith("view") and isinstance(operand, tree.Index):
            return dataclasses.replace(operand, view=True)
        if not macro.endswith("."):
            return operand
        for part in operand.statements if isinstance(operand, Block) else (operand,):
            if (deep := walk.deepest(part)) is not None:
                raise Misuse("nested too deeply", deep.span, str(faults.too_deep(deep.span).hint))
        if isinstance(operand, Block):
            return Block(tuple(walk.dotted(statement) for statement in operand.statements), operand.span)
        return walk.dotted(operand)

    def choice(
        self, condition: tree.Expression, mark: Token, then: tree.Expression, colon: Token, otherwise: tree.Expression
    ) -> tree.Ternary:
        span = between(condition, otherwise)
        return tree.Ternary(condition=condition, then=then, otherwise=otherwise, span=span)

    def logical(self, left: tree.Expression, operator: Token, right: tree.Expression) -> tree.Logical:
        op, dotted = _operator(operator)
        return tree.Logical(op=op, left=left, right=right, dotted=dotted, span=between(left, right))

    def chain(self, first: Chain | tree.Node, operator: Token, last: tree.Node) -> Chain:
        return [*(first if isinstance(first, list) else [first]), operator, last]

    def comparison(self, chain: Chain) -> tree.Comparison | tree.Not:
        operands = cast(tuple[tree.Expression, ...], tuple(chain[::2]))
        ops = [_operator(cast(Token, token)) for token in chain[1::2]]
        span = between(operands[0], operands[-1])
        absent = ops[0][0] == "∉" and len(ops) == 1
        if not absent and any(op == "∉" for op, _ in ops):
            raise Misuse("`∉` cannot be chained", span, "join the comparisons with `&&`")
        names = ("in",) if absent else tuple(op for op, _ in ops)
        node = tree.Comparison(operands=operands, ops=names, dotted=tuple(dotted for _, dotted in ops), span=span)
        return tree.Not(operand=node, dotted=ops[0][1], span=span) if absent else node

    def pipe(self, argument: tree.Expression, operator: Token, function: tree.Expression) -> tree.Call:
        dotted = operator.startswith(".")
        return tree.Call(function=function, args=(argument,), dotted=dotted, span=between(argument, function))

    def range(self, start: tree.Expression, colon: Token, *rest: object) -> tree.Range:
        *middle, stop = _expressions(rest)
        return tree.Range(start=start, step=middle[0] if middle else None, stop=stop, span=between(start, stop))

    def binary(self, left: tree.Expression, operator: Token, right: tree.Expression) -> tree.Operator | tree.Logical:
        op, dotted = _operator(operator)
        span = between(left, right)
        if op in ("&&", "||"):
            return tree.Logical(op=op, left=left, right=right, dotted=True, span=span)
        return tree.Operator(op=op, operands=(left, right), dotted=dotted, span=span)

    def juxtaposition(self, left: tree.Expression, nothing: Token, right: tree.Expression) -> tree.Operator:
        return tree.Operator(op="*", operands=(left, right), span=between(left, right))

    def unary(self, operator: Token, operand: tree.Expression) -> tree.Expression:
        op, dotted = _operator(operator)
        span = between(operator, operand)
        if op == "!":
            return tree.Not(operand=operand, dotted=dotted, span=span)
        if op == "√":
            function = tree.Name(id="sqrt", span=span_of(operator))
            return tree.Call(function=function, args=(operand,), dotted=dotted, span=span)
        return tree.Operator(op=op, operands=(operand,), dotted=dotted, span=span)

    def declared(self, operand: tree.Expression, annotation: tree.Node) -> tree.Expression:
        return operand

    def annotation(self, colons: Token, kind: tree.Expression) -> tree.Expression:
        return kind

    # ── calls, indices, fields ───────────────────────────────────────────────────────────────────────────────────────

    def call(self, function: tree.Expression, bracket: Token, arguments: Arguments, close: Token) -> tree.Call:
        dotted = bracket.type == "DOT_CALL"
        span = between(function, close)
        return tree.Call(function=function, args=arguments.args, keywords=arguments.keywords, dotted=dotted, span=span)

    def do_call(
        self, function: tree.Expression, bracket: Token, arguments: Arguments, close: Token, do: Token,
        block: tree.Lambda, end: Token,
    ) -> tree.Call:  # fmt: skip
        args = (dataclasses.replace(block, span=between(do, end)), *arguments.args)
        return tree.Call(function=function, args=args, keywords=arguments.keywords, span=between(function, end))

    def do_block(self, *parts: object) -> tree.Lambda:
        names = next((part for part in parts if isinstance(part, list)), [])
        body = cast(tree.Expression, parts[-1])
        return tree.Lambda(params=tuple(map(_name_node, names)), body=body, span=body.span)

    def arguments(self, positional: list[tree.Expression | tree.Keyword], *options: list[tree.Keyword]) -> Arguments:
        both = [*positional, *(options[0] if options else ())]
        keywords = tuple(part for part in both if isinstance(part, tree.Keyword))
        return Arguments(tuple(part for part in both if not isinstance(part, tree.Keyword)), keywords)

    def positional(self, *parts: tree.Expression | tree.Keyword) -> list[tree.Expression | tree.Keyword]:
        return list(parts)

    def generator_argument(self, body: tree.Expression, iterators: Iterators) -> list[tree.Expression]:
        return [self._generator(body, iterators, between(body, iterators))]

    def options(self, *keywords: tree.Keyword) -> list[tree.Keyword]:
        return list(keywords)

    def keyword(self, name: Token, sign: Token, value: tree.Expression) -> tree.Keyword:
        if sign != "=":
            raise Misuse("expected `=` between a keyword and its value", span_of(sign), f"write `{name}=…`")
        return tree.Keyword(name=_name(name), value=value, span=between(name, value))

    def shorthand(self, name: Token) -> tree.Keyword:
        return tree.Keyword(name=_name(name), value=_name_node(name), span=span_of(name))

    def splat(self, operand: tree.Expression, dots: Token) -> tree.Splat:
        return tree.Splat(operand=operand, span=between(operand, dots))

    def index(self, base: tree.Expression, *parts: object) -> tree.Index:
        return tree.Index(base=base, indices=_expressions(parts), span=between(base, parts[-1]))

    def type_apply(
        self, base: tree.Expression, bracket: Token, params: list[tree.Expression], close: Token
    ) -> tree.TypeApply:
        return tree.TypeApply(base=base, params=tuple(params), span=between(base, close))

    def type_args(self, *parts: list[tree.Expression] | tree.Expression) -> list[tree.Expression]:
        first, *rest = parts
        return [*(first if isinstance(first, list) else [first]), *cast(list[tree.Expression], rest)]

    def upper_bound(self, sign: Token, kind: tree.Expression) -> tree.Expression:
        return kind

    def field(self, base: tree.Expression, dot: Token, name: Token) -> tree.Field:
        return tree.Field(base=base, name=_name(name), span=between(base, name))

    def adjoint(self, operand: tree.Expression, prime: Token) -> tree.Adjoint:
        return tree.Adjoint(operand=operand, span=between(operand, prime))

    # ── atoms ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def name(self, token: Token) -> tree.Name:
        return _name_node(token)

    def number(self, token: Token) -> tree.Number:
        try:
            return tree.Number(value=literals.number_value(str(token)), span=span_of(token))
        except literals.LiteralError as error:
            raise Misuse(error.args[0], span_of(token), error.args[1]) from None

    def boolean(self, token: Token) -> tree.Boolean:
        return tree.Boolean(value=token == "true", span=span_of(token))

    def string(self, token: Token) -> tree.String:
        try:
            return tree.String(value=literals.string_value(str(token)), span=span_of(token))
        except literals.LiteralError as error:
            raise Misuse(error.args[0], span_of(token), error.args[1]) from None

    def symbol(self, token: Token) -> tree.Symbol:
        return tree.Symbol(value=str(token), span=span_of(token))

    def colon(self, token: Token) -> tree.Colon:
        return tree.Colon(span=span_of(token))

    def end_index(self, token: Token) -> tree.End:
        return tree.End(span=span_of(token))

    def begin_index(self, token: Token) -> tree.Number:
        return tree.Number(value=1, span=span_of(token))

    def macro_call(self, macro: Token, bracket: Token, operand: tree.Expression, close: Token) -> tree.Node | Block:
        return self.macro(macro, dataclasses.replace(operand, span=between(macro, close)))

    def group(self, bracket: Token, inner: tree.Expression, close: Token) -> tree.Expression:
        return dataclasses.replace(inner, span=between(bracket, close))

    def group_generator(self, bracket: Token, body: tree.Expression, found: Iterators, close: Token) -> tree.Generator:
        return self._generator(body, found, between(bracket, close))

    def _generator(self, body: tree.Expression, found: Iterators, span: Span) -> tree.Generator:
        return tree.Generator(body=body, iterators=found.iterators, condition=found.condition, span=span)

    def tuple_literal(self, *parts: object) -> tree.Tuple:
        return tree.Tuple(items=_expressions(parts), span=between(parts[0], parts[-1]))

    def named_tuple(self, *parts: object) -> tree.Tuple:
        keywords = [part for part in parts if isinstance(part, tree.Keyword)]
        names = tuple(keyword.name for keyword in keywords)
        items = tuple(keyword.value for keyword in keywords)
        return tree.Tuple(items=items, names=names, span=between(parts[0], parts[-1]))

    def vector(self, *parts: object) -> tree.VectorLiteral:
        return tree.VectorLiteral(items=_expressions(parts), span=between(parts[0], parts[-1]))

    def comprehension(
        self, bracket: Token, body: tree.Expression, found: Iterators, close: Token
    ) -> tree.Comprehension:
        span = between(bracket, close)
        return tree.Comprehension(body=body, iterators=found.iterators, condition=found.condition, span=span)

    def wide(self, *parts: Row | tree.Expression) -> Row:
        first, *rest = parts
        return Row((*(first.items if isinstance(first, Row) else (first,)), *_expressions(tuple(rest))))

    def row(self, part: Row | tree.Expression) -> Row:
        return part if isinstance(part, Row) else Row((part,))

    def grid(self, *parts: list[Row] | Row | tree.Expression) -> list[Row]:
        rows: list[Row] = []
        for part in parts:
            rows.extend(part if isinstance(part, list) else [self.row(part)])
        return rows

    def matrix(
        self, bracket: Token, grid: list[Row] | tree.Expression, close: Token
    ) -> tree.VectorLiteral | tree.MatrixLiteral:
        span, rows = between(bracket, close), self.grid(grid)
        if all(len(row.items) == 1 for row in rows):
            return tree.VectorLiteral(items=tuple(row.items[0] for row in rows), concatenate=True, span=span)
        return tree.MatrixLiteral(rows=tuple(row.items for row in rows), span=span)

    # ── loops ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def names(self, *parts: list[Token] | Token) -> list[Token]:
        return [token for part in parts for token in (part if isinstance(part, list) else [part])]

    def target(self, *parts: object) -> tuple[list[Token], bool, Span]:
        names = next((part for part in parts if isinstance(part, list)), None)
        found = names if names is not None else [cast(Token, parts[0])]
        return found, names is not None, between(parts[0], parts[-1])

    def iterator(self, target: tuple[list[Token], bool, Span], sign: Token, iterable: tree.Expression) -> tree.Iterator:
        names, destructured, span = target
        return tree.Iterator(
            targets=tuple(map(_name_node, names)),
            destructured=destructured,
            iterable=iterable,
            span=span.to(iterable.span),
        )

    def iterators(self, word: Token, *parts: tree.Iterator | Token | tree.Expression) -> Iterators:
        found = tuple(part for part in parts if isinstance(part, tree.Iterator))
        condition = None if isinstance(parts[-1], tree.Iterator) else cast(tree.Expression, parts[-1])
        return Iterators(found, condition, between(word, parts[-1]))
