"""The syntax tree: what the author wrote, as frozen dataclasses named after the grammar's rules.

    Spec       = DataBlock? ModelDef+ FunctionDef* Using* Seed?
    Statement  = Tilde | Assign | Track | For | If | Return | AddLogProb | ExpressionStatement
    Expression = Number | Boolean | String | Symbol | Name | Operator | Comparison | Logical | Not | Ternary
               | Range | Call | Index | Colon | End | Field | Adjoint | VectorLiteral | MatrixLiteral | Tuple
               | Comprehension | Generator | Lambda | Splat | TypeApply

Every node carries its span. Spans do not take part in equality, so that `parse(print(tree)) == tree`.
Names are NFC, in the author's spelling.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mlmdsl.language.source import Span


@dataclass(frozen=True, kw_only=True)
class Node:
    """What every node has."""

    span: Span = field(compare=False, repr=False)


# ── expressions ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Number(Node):
    """`1`, `1_000` (int), `1e-6`, `.5`, `1f0` (float)."""

    value: int | float


@dataclass(frozen=True, kw_only=True)
class Boolean(Node):
    """`true`, `false`."""

    value: bool


@dataclass(frozen=True, kw_only=True)
class String(Node):
    """`"text"`, escapes resolved; no interpolation."""

    value: str


@dataclass(frozen=True, kw_only=True)
class Symbol(Node):
    """`:name`."""

    value: str


@dataclass(frozen=True, kw_only=True)
class Name(Node):
    """An identifier, `var"any text"` included. `missing`, `nothing`, `Inf`, `π` are names too."""

    id: str


@dataclass(frozen=True, kw_only=True)
class Operator(Node):
    r"""`-x` (one operand), `a + b` (two): + - * / \ ^ ⋅ % ÷. `dotted` for `.+` and its kin.

    Juxtaposition `2σ` is the `*` it means. `⋅` is an operator. Chains are left-nested, but `^` right-nested.
    """

    op: str
    operands: tuple[Expression, ...]
    dotted: bool = False


@dataclass(frozen=True, kw_only=True)
class Comparison(Node):
    """`a < b <= c`: n operands, n − 1 of `< <= > >= == != === !== in`; ≤ ≥ ≠ ∈ are spelt `<= >= != in`. `dotted[k]`: a dot."""

    operands: tuple[Expression, ...]
    ops: tuple[str, ...]
    dotted: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class Logical(Node):
    """`a && b`, `a || b`; `.&` `.|` `.&&` `.||` `&` `|` have `dotted` (elementwise): op is `&&` or `||` always."""

    op: str
    left: Expression
    right: Expression
    dotted: bool = False


@dataclass(frozen=True, kw_only=True)
class Not(Node):
    """`!a`, `.!a`."""

    operand: Expression
    dotted: bool = False


@dataclass(frozen=True, kw_only=True)
class Ternary(Node):
    """`condition ? then : otherwise`."""

    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, kw_only=True)
class Range(Node):
    """`start:stop`, `start:step:stop`."""

    start: Expression
    step: Expression | None
    stop: Expression


@dataclass(frozen=True, kw_only=True)
class Keyword(Node):
    """`name=value` in a call; `name` alone after `;` means `name=name`."""

    name: str
    value: Expression


@dataclass(frozen=True, kw_only=True)
class Call(Node):
    """`f(a; k=v)`, `f.(a)` (dotted). `function` is a Name, a Field (`Turing.filldist`), a TypeApply or any expression."""

    function: Expression
    args: tuple[Expression, ...]
    keywords: tuple[Keyword, ...] = ()
    dotted: bool = False


@dataclass(frozen=True, kw_only=True)
class Colon(Node):
    """`:` as an index: the whole axis."""


@dataclass(frozen=True, kw_only=True)
class End(Node):
    """`end` inside an index: the length of the axis."""


@dataclass(frozen=True, kw_only=True)
class Index(Node):
    """`base[i, :, end]`. `view`: `@view` stands before it, so that it shares its elements with the base."""

    base: Expression
    indices: tuple[Expression, ...]
    view: bool = False


@dataclass(frozen=True, kw_only=True)
class Field(Node):
    """`Ω.L`."""

    base: Expression
    name: str


@dataclass(frozen=True, kw_only=True)
class Adjoint(Node):
    """`x'`."""

    operand: Expression


@dataclass(frozen=True, kw_only=True)
class VectorLiteral(Node):
    """`[a, b]`; also `[a; b]`, `[a;]` (vertical concatenation) with `concatenate`."""

    items: tuple[Expression, ...]
    concatenate: bool = False


@dataclass(frozen=True, kw_only=True)
class MatrixLiteral(Node):
    """`[a b; c d]`: rows of items, at least one row of two."""

    rows: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Tuple(Node):
    """`(a, b)`, `(a,)`; with `names`, the named tuple `(; a=1, b)` or `(a=1, b=2)`."""

    items: tuple[Expression, ...]
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Iterator(Node):
    """`i in 1:n`, `i = 1:n`, `i ∈ 1:n`, `(i, x) in enumerate(xs)`."""

    targets: tuple[Name, ...]
    destructured: bool
    iterable: Expression


@dataclass(frozen=True, kw_only=True)
class Comprehension(Node):
    """`[body for i in a, j in b if condition]`: two iterators make a matrix."""

    body: Expression
    iterators: tuple[Iterator, ...]
    condition: Expression | None = None


@dataclass(frozen=True, kw_only=True)
class Generator(Node):
    """`f(body for i in a)`: a comprehension as the sole argument of a call, not materialised in Julia."""

    body: Expression
    iterators: tuple[Iterator, ...]
    condition: Expression | None = None


@dataclass(frozen=True, kw_only=True)
class Lambda(Node):
    """`x -> body`, `(x, y) -> body`."""

    params: tuple[Name, ...]
    body: Expression


@dataclass(frozen=True, kw_only=True)
class Splat(Node):
    """`xs...` as an argument of a call."""

    operand: Expression


@dataclass(frozen=True, kw_only=True)
class TypeApply(Node):
    """`Vector{Float64}`, `Array{T, 2}`."""

    base: Expression
    params: tuple[Expression, ...]


Expression = (
    Number | Boolean | String | Symbol | Name | Operator | Comparison | Logical | Not | Ternary | Range | Call | Colon
    | End | Index | Field | Adjoint | VectorLiteral | MatrixLiteral | Tuple | Comprehension | Generator | Lambda | Splat
    | TypeApply
)  # fmt: skip


# ── statements ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Tilde(Node):
    """`target ~ distribution`, `target .~ distribution` (dotted). The target is a Name, an Index or any data expression."""

    target: Expression
    distribution: Expression
    dotted: bool = False


@dataclass(frozen=True, kw_only=True)
class Assign(Node):
    """`x = e`, `x[i] = e`, `a, b = e` (target a Tuple), `x += e` (op `+`), `x .= e`, `x .+= e` (dotted)."""

    target: Expression
    value: Expression
    op: str | None = None
    dotted: bool = False


@dataclass(frozen=True, kw_only=True)
class Track(Node):
    """`x := e`: a deterministic value that is in the output."""

    target: Expression
    value: Expression


@dataclass(frozen=True, kw_only=True)
class For(Node):
    """`for i in 1:n, j in 1:m … end`."""

    iterators: tuple[Iterator, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True)
class Branch(Node):
    """`if condition …` or `elseif condition …`."""

    condition: Expression
    body: tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True)
class If(Node):
    """`if … elseif … else … end`."""

    branches: tuple[Branch, ...]
    otherwise: tuple[Statement, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Return(Node):
    """`return`, `return e`, `return x = e`, `return y ~ d`."""

    value: Expression | Tilde | Assign | None


@dataclass(frozen=True, kw_only=True)
class AddLogProb(Node):
    """`Turing.@addlogprob! e`, `@addlogprob! e`, `@addlogprob!(e)`."""

    value: Expression


@dataclass(frozen=True, kw_only=True)
class ExpressionStatement(Node):
    """An expression for its value (the last one of a function is what it returns)."""

    value: Expression


Statement = Tilde | Assign | Track | For | If | Return | AddLogProb | ExpressionStatement


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Param(Node):
    """A parameter of a model or function: `x`, `x=1`, `x::Vector` (the annotation is read and has no effect)."""

    name: str
    default: Expression | None = None


@dataclass(frozen=True, kw_only=True)
class ModelDef(Node):
    """`@model function name(positional; keyword=default) … end` and `@model name(…) = begin … end`."""

    name: str
    params: tuple[Param, ...]
    keywords: tuple[Param, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True)
class FunctionDef(Node):
    """`function f(a, b) … end`, and `f(x) = e` (a body of one ExpressionStatement)."""

    name: str
    params: tuple[Param, ...]
    keywords: tuple[Param, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True)
class DataBlock(Node):
    """`@data "path" begin … end`: assignments only; `path` is None for `@data begin … end`.

    `options` say how a text table is written: `delim=';'`, `decimal=','`, `missing=["n/a", "."]`.
    """

    path: str | None
    body: tuple[Statement, ...]
    options: tuple[Keyword, ...] = ()

    @property
    def sources(self) -> dict[str, Expression]:
        """The names that the block defines, each with the expression behind it."""
        assigned = (statement for statement in self.body if isinstance(statement, Assign))
        return {name: statement.value for statement in assigned for name in target_names(statement.target)}

    def option(self, name: str) -> tuple[str, ...]:
        """The text or texts that an option gives; none where it is not there."""
        value = next((option.value for option in self.options if option.name == name), None)
        items = value.items if isinstance(value, VectorLiteral) else (value,)
        return tuple(item.value for item in items if isinstance(item, String))


def target_names(target: Expression) -> tuple[str, ...]:
    """The names of `a` or `a, b` on the left of an assignment; none where something else stands there."""
    items = target.items if isinstance(target, Tuple) and target.names is None else (target,)
    return tuple(item.id for item in items if isinstance(item, Name)) if _are_names(items) else ()


def _are_names(items: tuple[Expression, ...]) -> bool:
    return all(isinstance(item, Name) for item in items)


@dataclass(frozen=True, kw_only=True)
class Using(Node):
    """`using Turing`, `import LinearAlgebra: I`: read, without effect."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Seed(Node):
    """`seed!(123)`, `Random.seed!(123)`."""

    value: int


Item = DataBlock | ModelDef | FunctionDef | Using | Seed


@dataclass(frozen=True, kw_only=True)
class Spec(Node):
    """A whole file, its items in the author's order."""

    items: tuple[Item, ...]

    @property
    def data(self) -> DataBlock | None:
        """The `@data` block, if there is one."""
        return next((item for item in self.items if isinstance(item, DataBlock)), None)

    @property
    def models(self) -> tuple[ModelDef, ...]:
        """The `@model` functions."""
        return tuple(item for item in self.items if isinstance(item, ModelDef))

    @property
    def functions(self) -> tuple[FunctionDef, ...]:
        """The plain helper functions."""
        return tuple(item for item in self.items if isinstance(item, FunctionDef))

    @property
    def seed(self) -> int | None:
        """What the last `seed!` says, or None."""
        return next((item.value for item in reversed(self.items) if isinstance(item, Seed)), None)
