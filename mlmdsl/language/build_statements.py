"""The grammar's rules of statements and of the file → nodes of the tree; build.py has those of expressions."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import cast

from lark import Token, v_args

from mlmdsl.language import tree
from mlmdsl.language.build import (
    Block,
    ExpressionBuilder,
    Header,
    Misuse,
    _name,
    _operator,
    _statements,
    between,
    span_of,
)
from mlmdsl.language.source import Span


@v_args(inline=True)
class Builder(ExpressionBuilder):
    """All the rules."""

    # ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────

    def expression_statement(self, value: tree.Expression) -> tree.ExpressionStatement:
        return tree.ExpressionStatement(value=value, span=value.span)

    def tilde(self, target: tree.Expression, sign: Token, distribution: tree.Expression) -> tree.Tilde:
        span = between(target, distribution)
        return tree.Tilde(target=target, distribution=distribution, dotted=sign.startswith("."), span=span)

    def assign(self, target: tree.Expression, sign: Token, value: tree.Expression) -> tree.Assign:
        _require_target(target)
        return tree.Assign(target=target, value=value, dotted=sign.startswith("."), span=between(target, value))

    def update(self, target: tree.Expression, sign: Token, value: tree.Expression) -> tree.Assign:
        _require_target(target)
        op, dotted = _operator(cast(Token, sign[:-1]))
        return tree.Assign(target=target, value=value, op=op, dotted=dotted, span=between(target, value))

    def track(self, target: tree.Expression, sign: Token, value: tree.Expression) -> tree.Track:
        _require_target(target)
        return tree.Track(target=target, value=value, span=between(target, value))

    def if_value(self, statement: tree.If) -> tree.Expression:
        otherwise = _only_value(statement.otherwise, statement)
        for branch in reversed(statement.branches):
            then = _only_value(branch.body, statement)
            otherwise = tree.Ternary(condition=branch.condition, then=then, otherwise=otherwise, span=statement.span)
        return otherwise

    def block_value(self, block: Block) -> tree.Expression:
        return _only_value(block.statements, block)

    def for_loop(self, *parts: object) -> tree.For:
        iterators = tuple(part for part in parts if isinstance(part, tree.Iterator))
        return tree.For(iterators=iterators, body=_statements(parts), span=between(parts[0], parts[-1]))

    def block(self, *parts: object) -> Block:
        return Block(_statements(parts), between(parts[0], parts[-1]))

    def if_block(
        self, word: Token, branches: list[tree.Branch], otherwise: tuple[tree.Statement, ...], end: Token
    ) -> tree.If:
        return tree.If(branches=tuple(branches), otherwise=otherwise, span=between(word, end))

    def branches(self, *parts: list[tree.Branch] | tree.Branch | Token) -> list[tree.Branch]:
        first = parts[0] if isinstance(parts[0], list) else []
        return [*first, *(part for part in parts if isinstance(part, tree.Branch))]

    def branch(self, condition: tree.Expression, *body: object) -> tree.Branch:
        statements = _statements(body)
        span = between(condition, statements[-1] if statements else condition)
        return tree.Branch(condition=condition, body=statements, span=span)

    def otherwise(self, *parts: object) -> tuple[tree.Statement, ...]:
        return _statements(parts)

    def return_value(self, word: Token, *values: tree.Statement) -> tree.Return:
        if not values:
            return tree.Return(value=None, span=span_of(word))
        value, span = values[0], between(word, values[0])
        if isinstance(value, tree.ExpressionStatement):
            return tree.Return(value=value.value, span=span)
        if not isinstance(value, tree.Tilde | tree.Assign):
            raise Misuse("`:=` cannot be returned", value.span, "put `x := …` on a line of its own, then `return x`")
        return tree.Return(value=value, span=span)

    def add_log_prob(self, macro: Token, value: tree.Expression) -> tree.AddLogProb:
        return tree.AddLogProb(value=value, span=between(macro, value))

    # ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def spec(self, *items: tree.Item) -> tree.Spec:
        blocks = [item for item in items if isinstance(item, tree.DataBlock)]
        if len(blocks) > 1:
            raise Misuse("a spec has one `@data` block, this is a second", blocks[1].span, "join the two blocks")
        return tree.Spec(items=items, span=between(items[0], items[-1]) if items else Span(0, 0))

    def data(self, word: Token, path: tree.String | None, *parts: object) -> tree.DataBlock:
        body = _statements(parts)
        options = tuple(part for part in parts if isinstance(part, tree.Keyword))
        _require_options(options)
        for statement in body:
            if not isinstance(statement, tree.Assign) or statement.op or not tree.target_names(statement.target):
                hint = "write `name = …`: the model's argument on the left, columns on the right"
                raise Misuse("a `@data` block holds only assignments to names", statement.span, hint)
        span = between(word, parts[-1])
        return tree.DataBlock(path=path.value if path else None, body=body, options=options, span=span)

    def data_option(self, name: Token, sign: Token, *parts: Token) -> tree.Keyword:
        strings = [self.string(part) for part in parts if part.type == "STRING"]
        value: tree.Expression = strings[0]
        if parts[0].type == "LSQB":
            value = tree.VectorLiteral(items=tuple(strings), span=between(parts[0], parts[-1]))
        return tree.Keyword(name=_name(name), value=value, span=between(name, parts[-1]))

    def path(self, *strings: Token) -> tree.String | None:
        return self.string(strings[0]) if strings else None

    def model(self, word: Token, function: Token, header: Header, *parts: object) -> tree.ModelDef:
        return tree.ModelDef(**header._asdict(), body=_statements(parts), span=between(word, parts[-1]))

    def short_model(self, word: Token, header: Header, sign: Token, body: Block) -> tree.ModelDef:
        return tree.ModelDef(**header._asdict(), body=body.statements, span=between(word, body))

    def function(self, word: Token, header: Header, *parts: object) -> tree.FunctionDef:
        return tree.FunctionDef(**header._asdict(), body=_statements(parts), span=between(word, parts[-1]))

    def short_function(self, mark: Token, header: Header, sign: Token, body: Block) -> tree.FunctionDef:
        return tree.FunctionDef(**header._asdict(), body=body.statements, span=between(mark, body))

    def short_body(self, part: Block | tree.Statement) -> Block:
        return part if isinstance(part, Block) else Block((part,), part.span)

    def using(self, token: Token) -> tree.Using:
        text = " ".join(token.split())
        name = r"""(?:(?:@|\.+)?[^\W\d][\w.]*!?|[^\w\s:,"'()\[\]{}]+)"""
        if not re.fullmatch(rf"(?:using|import) {name}(?: ?[:,] ?{name}| as {name})*", text):
            hint = "write `using Turing`, or leave it out"
            raise Misuse(f"expected the name of a package after `{text.split()[0]}`", span_of(token), hint)
        return tree.Using(text=text, span=span_of(token))

    def seed(self, word: Token, bracket: Token, number: Token, close: Token) -> tree.Seed:
        value = self.number(number).value
        if not isinstance(value, int):
            raise Misuse("a seed is a whole number", span_of(number), "write `seed!(123)`")
        return tree.Seed(value=value, span=between(word, close))

    def header(self, name: Token, *parts: object) -> Header:
        lists = [part for part in parts if isinstance(part, tuple)]
        return Header(_name(name), lists[0], lists[1] if len(lists) > 1 else ())

    def params(self, *params: tree.Param) -> tuple[tree.Param, ...]:
        return params

    def param(self, *parts: Token | tree.Expression) -> tree.Param:
        first = parts[0]
        name = _name(first) if isinstance(first, Token) else _type_name(first)
        return tree.Param(name=name, span=between(first, parts[-1]))

    def default(self, param: tree.Param, sign: Token, value: tree.Expression) -> tree.Param:
        if param.default is not None or sign != "=":
            raise Misuse("expected `,` or `)` after a default", span_of(sign), "write `name=default`, once a parameter")
        return dataclasses.replace(param, default=value, span=between(param, value))

    def where(self, *parts: object) -> None:
        return None

    def bounds(self, *parts: object) -> None:
        return None

    def bound(self, *parts: object) -> None:
        return None


_DATA_OPTIONS = {
    "delim": ("what separates cells", "`delim=';'`"),
    "decimal": ("the decimal mark", "`decimal=','`"),
    "missing": ("what a missing value is written as", '`missing=["n/a", "."]`'),
}


def _require_options(options: Sequence[tree.Keyword]) -> None:
    """Refuse options that a text table does not have."""
    for place, option in enumerate(options):
        known = ", ".join(example for _, example in _DATA_OPTIONS.values())
        if option.name not in _DATA_OPTIONS:
            raise Misuse(f"a table has no option `{option.name}`", option.span, f"its options are {known}")
        if any(other.name == option.name for other in options[:place]):
            raise Misuse(f"the option `{option.name}` is given twice", option.span, "leave one out")
        meaning, example = _DATA_OPTIONS[option.name]
        if option.name != "missing" and not _is_one_mark(option):
            raise Misuse(f"`{option.name}` is {meaning}, one character", option.span, f"write {example}")


def _is_one_mark(option: tree.Keyword) -> bool:
    """Whether an option is a character that can separate cells, or a decimal point or comma."""
    value = option.value.value if isinstance(option.value, tree.String) else ""
    allowed = value in (".", ",") if option.name == "decimal" else value.isascii() and value not in '"\n\r'
    return len(value) == 1 and allowed


def _type_name(kind: tree.Node) -> str:
    """What to call a parameter that has only a type: the `T` of `::Type{T}`, else `_`."""
    inner = kind.params[0] if isinstance(kind, tree.TypeApply) else kind
    return inner.id if isinstance(inner, tree.Name) and isinstance(kind, tree.TypeApply) else "_"


def _require_target(target: tree.Expression) -> None:
    """Refuse what cannot be assigned to."""
    for part in target.items if isinstance(target, tree.Tuple) else (target,):
        if isinstance(part, tree.Call):
            hint = "define functions at the top of the file, outside of models; a random variable is written `x ~ …`"
            raise Misuse("a call cannot be assigned to", part.span, hint)
        if not isinstance(part, tree.Name | tree.Index | tree.Field):
            raise Misuse("only a name or an indexed name can be assigned to", part.span, "write `name = …`")


def _only_value(statements: Sequence[tree.Statement], block: tree.If | Block) -> tree.Expression:
    """The value of a block that holds nothing else."""
    if len(statements) == 1 and isinstance(statements[0], tree.ExpressionStatement):
        return statements[0].value
    hint = "give each branch one value, or assign inside the branches: `if c; x = a; else; x = b; end`"
    raise Misuse("a block used as a value must hold one expression in each branch", block.span, hint)
