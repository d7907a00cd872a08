"""Tree → spec text: `parse(to_text(tree)) == tree`, with the fewest parentheses that make it so."""

from __future__ import annotations

import functools
import math
import unicodedata
from collections.abc import Iterable

from mlmdsl.language import tree
from mlmdsl.language.characters import is_name
from mlmdsl.language.faults import RESERVED_WORDS

LOOSE, CHOICE, OR, AND, COMPARISON, RANGE, SUM, PRODUCT, UNARY, POWER, TIGHT = range(11)
"""How tightly an expression holds together, from `x -> …` to `f(x)`; an operand that is looser needs parentheses."""

_SUMS = frozenset({"+", "-"})
_KEYWORDS = frozenset(
    ["for", "if", "elseif", "else", "begin", "end", "do", "function", "return", "where", "true", "false", "in", "using",
     "import", "seed!"]
)  # fmt: skip
_OPERATORS = frozenset({"+", "-", "*", "/", "\\", "^", "⋅", "%", "÷", "<", ">", "<=", ">=", "==", "!=", "===", "!=="})


def to_text(node: tree.Node) -> str:
    """A node as spec text: an expression on one line, a statement or a file over as many as it takes."""
    if isinstance(node, tree.Expression):
        return _text(node)
    return "\n".join(_lines(node))


# ── expressions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _text(node: tree.Node, least: int = LOOSE) -> str:
    """An expression, in parentheses if it holds together less tightly than it must here."""
    text, tightness = _expression(node)
    return f"({text})" if tightness < least else text


def _list(nodes: Iterable[tree.Node]) -> str:
    return ", ".join(_text(node) for node in nodes)


@functools.singledispatch
def _expression(node: tree.Node) -> tuple[str, int]:
    """The text of an expression, and how tightly it holds together."""
    raise TypeError(f"{type(node).__name__} is not an expression")


@_expression.register
def _(node: tree.Number) -> tuple[str, int]:
    if isinstance(node.value, float) and not math.isfinite(node.value):
        return "NaN" if math.isnan(node.value) else f"{'-' * (node.value < 0)}Inf", UNARY
    return repr(node.value), UNARY if node.value < 0 else TIGHT


@_expression.register
def _(node: tree.Boolean) -> tuple[str, int]:
    return str(node.value).lower(), TIGHT


@_expression.register
def _(node: tree.String) -> tuple[str, int]:
    return _quoted(node.value), TIGHT


@_expression.register
def _(node: tree.Symbol) -> tuple[str, int]:
    return f":{node.value}", TIGHT


@_expression.register
def _(node: tree.Name) -> tuple[str, int]:
    return f"({node.id})" if node.id in _OPERATORS else _name(node.id), TIGHT


@_expression.register
def _(node: tree.Colon) -> tuple[str, int]:
    return ":", TIGHT


@_expression.register
def _(node: tree.End) -> tuple[str, int]:
    return "end", TIGHT


@_expression.register
def _(node: tree.Operator) -> tuple[str, int]:
    op = "." * node.dotted + node.op
    if len(node.operands) == 1:
        operand = _text(node.operands[0], UNARY)
        return f"{op}({operand})" if operand.startswith((".", op)) else f"{op}{operand}", UNARY
    left, right = node.operands
    if node.op == "^":
        return f"{_text(left, TIGHT)}{' ' * node.dotted}{op}{' ' * node.dotted}{_text(right, UNARY)}", POWER
    level = SUM if node.op in _SUMS else PRODUCT
    return f"{_text(left, level)} {op} {_text(right, level + 1)}", level


@_expression.register
def _(node: tree.Comparison) -> tuple[str, int]:
    first, *rest = (_text(operand, RANGE) for operand in node.operands)
    spelt = ("∈" if op == "in" and dotted else op for op, dotted in zip(node.ops, node.dotted, strict=True))
    steps = (f" {'.' * dotted}{op} {text}" for op, dotted, text in zip(spelt, node.dotted, rest, strict=True))
    return first + "".join(steps), COMPARISON


@_expression.register
def _(node: tree.Logical) -> tuple[str, int]:
    level = OR if node.op == "||" else AND
    return f"{_text(node.left, level)} {'.' * node.dotted}{node.op} {_text(node.right, level + 1)}", level


@_expression.register
def _(node: tree.Not) -> tuple[str, int]:
    return f"{'.' * node.dotted}!{_text(node.operand, UNARY)}", UNARY


@_expression.register
def _(node: tree.Ternary) -> tuple[str, int]:
    condition, then = _text(node.condition, OR), _text(node.then, CHOICE)
    return f"{condition} ? {then} : {_text(node.otherwise, CHOICE)}", CHOICE


@_expression.register
def _(node: tree.Range) -> tuple[str, int]:
    parts = (node.start, node.stop) if node.step is None else (node.start, node.step, node.stop)
    texts = (_text(part, SUM) for part in parts)
    return ":".join(f"({text})" if text.startswith(":") else text for text in texts), RANGE


@_expression.register
def _(node: tree.Keyword) -> tuple[str, int]:
    return _named(node.name, node.value), LOOSE


@_expression.register
def _(node: tree.Call) -> tuple[str, int]:
    sole = len(node.args) == 1 and isinstance(node.args[0], tree.Generator)
    args = ", ".join(_generator(arg) if sole else _argument(arg) for arg in node.args)
    keywords = f"; {_list(node.keywords)}" if node.keywords else ""
    return f"{_base(node.function)}{'.' * node.dotted}({args}{keywords})", TIGHT


@_expression.register
def _(node: tree.Index) -> tuple[str, int]:
    text = f"{_base(node.base)}[{_list(node.indices)}]"
    return f"@view({text})" if node.view else text, TIGHT


@_expression.register
def _(node: tree.Field) -> tuple[str, int]:
    return f"{_base(node.base)}.{_name(node.name)}", TIGHT


@_expression.register
def _(node: tree.Adjoint) -> tuple[str, int]:
    return f"{_base(node.operand)}'", TIGHT


@_expression.register
def _(node: tree.VectorLiteral) -> tuple[str, int]:
    if node.concatenate:
        end = ";" if len(node.items) == 1 else ""
        return f"[{'; '.join(_item(item) for item in node.items)}{end}]", TIGHT
    return f"[{_list(node.items)}]", TIGHT


@_expression.register
def _(node: tree.MatrixLiteral) -> tuple[str, int]:
    return f"[{'; '.join(' '.join(_item(item) for item in row) for row in node.rows)}]", TIGHT


@_expression.register
def _(node: tree.Tuple) -> tuple[str, int]:
    if node.names is not None:
        named = zip(node.names, node.items, strict=True)
        return f"(; {', '.join(_named(name, item) for name, item in named)})", TIGHT
    return f"({_list(node.items)}{',' * (len(node.items) == 1)})", TIGHT


@_expression.register
def _(node: tree.Comprehension) -> tuple[str, int]:
    return f"[{_generator(node)}]", TIGHT


@_expression.register
def _(node: tree.Generator) -> tuple[str, int]:
    return f"({_generator(node)})", TIGHT


@_expression.register
def _(node: tree.Lambda) -> tuple[str, int]:
    params = ", ".join(_name(name.id) for name in node.params)
    return f"{params if len(node.params) == 1 else f'({params})'} -> {_text(node.body)}", LOOSE


@_expression.register
def _(node: tree.Splat) -> tuple[str, int]:
    return f"{_text(node.operand, TIGHT)}...", LOOSE


@_expression.register
def _(node: tree.TypeApply) -> tuple[str, int]:
    return f"{_base(node.base)}{{{_list(node.params)}}}", TIGHT


def _argument(node: tree.Node) -> str:
    """An argument of a call; an operator needs no parentheses there."""
    return node.id if isinstance(node, tree.Name) and node.id in _OPERATORS else _text(node)


def _base(node: tree.Node) -> str:
    """What is called, indexed or transposed: a number, text or symbol there needs parentheses."""
    bare = isinstance(node, tree.Number | tree.String | tree.Symbol | tree.Boolean | tree.Colon | tree.End)
    return f"({_text(node)})" if bare else _text(node, TIGHT)


def _item(node: tree.Node) -> str:
    """An item of a matrix: spaces separate items, so that an expression with spaces in it takes parentheses."""
    return _text(node, TIGHT)


def _generator(node: tree.Node) -> str:
    """What stands between the brackets of a generator or comprehension."""
    assert isinstance(node, tree.Generator | tree.Comprehension)
    condition = "" if node.condition is None else f" if {_text(node.condition)}"
    return f"{_text(node.body)} for {', '.join(map(_iterator, node.iterators))}{condition}"


def _iterator(node: tree.Iterator) -> str:
    names = ", ".join(_name(name.id) for name in node.targets)
    return f"{f'({names})' if node.destructured else names} in {_text(node.iterable)}"


def _name(name: str) -> str:
    """A name as it is written; in `var"…"` where it is not a word."""
    reserved = name in _KEYWORDS or name in RESERVED_WORDS
    if is_name(name) and not reserved:
        return name
    return 'var"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _named(name: str, value: tree.Node) -> str:
    """`name=value`; `x! =value`, since `x!=value` is a comparison."""
    return f"{_name(name)}{' ' * name.endswith('!')}={_text(value)}"


def _quoted(value: str) -> str:
    """A string literal."""
    named = {"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    composed = unicodedata.is_normalized("NFC", value)

    def shown(char: str) -> str:
        plain = char.isprintable() and (composed or char.isascii())
        return named.get(char) or (char if plain else f"\\U{ord(char):08x}")

    return f'"{"".join(map(shown, value))}"'


# ── statements and the file ──────────────────────────────────────────────────────────────────────────────────────────


@functools.singledispatch
def _lines(node: tree.Node) -> list[str]:
    """A statement or item, line by line."""
    raise TypeError(f"{type(node).__name__} has no text of its own")


def _block(statements: Iterable[tree.Node]) -> list[str]:
    """The lines of a block's statements, indented."""
    return [f"    {line}" for statement in statements for line in _lines(statement)]


@_lines.register
def _(node: tree.Tilde) -> list[str]:
    return [f"{_text(node.target)} {'.' * node.dotted}~ {_text(node.distribution)}"]


@_lines.register
def _(node: tree.Assign) -> list[str]:
    return [f"{_text(node.target)} {'.' * node.dotted}{node.op or ''}= {_text(node.value)}"]


@_lines.register
def _(node: tree.Track) -> list[str]:
    return [f"{_text(node.target)} := {_text(node.value)}"]


@_lines.register
def _(node: tree.For) -> list[str]:
    return [f"for {', '.join(map(_iterator, node.iterators))}", *_block(node.body), "end"]


@_lines.register
def _(node: tree.If) -> list[str]:
    lines: list[str] = []
    for branch in node.branches:
        lines += [f"{'elseif' if lines else 'if'} {_text(branch.condition)}", *_block(branch.body)]
    return [*lines, *(["else", *_block(node.otherwise)] if node.otherwise else []), "end"]


@_lines.register
def _(node: tree.Return) -> list[str]:
    if node.value is None:
        return ["return"]
    first, *rest = _lines(node.value) if isinstance(node.value, tree.Tilde | tree.Assign) else [_text(node.value)]
    return [f"return {first}", *rest]


@_lines.register
def _(node: tree.AddLogProb) -> list[str]:
    return [f"@addlogprob! {_text(node.value)}"]


@_lines.register
def _(node: tree.ExpressionStatement) -> list[str]:
    return [_text(node.value)]


@_lines.register
def _(node: tree.ModelDef) -> list[str]:
    return [f"@model function {_name(node.name)}{_params(node)}", *_block(node.body), "end"]


@_lines.register
def _(node: tree.FunctionDef) -> list[str]:
    return [f"function {_name(node.name)}{_params(node)}", *_block(node.body), "end"]


@_lines.register
def _(node: tree.DataBlock) -> list[str]:
    path = [] if node.path is None else [_quoted(node.path)]
    options = [f"{option.name}={_text(option.value)}" for option in node.options]
    return [" ".join(["@data", *path, *options, "begin"]), *_block(node.body), "end"]


@_lines.register
def _(node: tree.Using) -> list[str]:
    return [node.text]


@_lines.register
def _(node: tree.Seed) -> list[str]:
    return [f"seed!({node.value})"]


@_lines.register
def _(node: tree.Spec) -> list[str]:
    return "\n\n".join("\n".join(_lines(item)) for item in node.items).split("\n") if node.items else []


def _params(node: tree.ModelDef | tree.FunctionDef) -> str:
    keywords = f"; {', '.join(map(_param, node.keywords))}" if node.keywords else ""
    return f"({', '.join(map(_param, node.params))}{keywords})"


def _param(node: tree.Param) -> str:
    return _name(node.name) if node.default is None else _named(node.name, node.default)
