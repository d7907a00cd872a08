"""What an expression of the author stands for while a model is lowered.

Most are `Tensor`s: an IR expression, and its value where data alone decide it. The others exist at compile time only and
leave no trace but their effect: structured matrices (never built), functions, ranges, distributions not yet drawn from.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlmdsl.compiler import ir
from mlmdsl.language import tree
from mlmdsl.language.functions import Function
from mlmdsl.language.types import Array, Axis, Scalar


class Home:
    """What tells an array from every other: names with one home are names of one array."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """Numbers. `known` is the value, where data alone decide it and data are bound.

    `counts`: this integer is the size of that axis (`length(unique(idx))`). `levels`: the values index that axis.
    `home`: that of an array with a name. `shares`: those of the arrays that this is a view of.
    """

    expr: ir.Expr
    known: Scalar | Array | None = None
    counts: Axis | None = None
    levels: Axis | None = None
    home: Home | None = None
    shares: tuple[Home, ...] = ()

    @property
    def type(self) -> ir.Type:
        """The type of the expression."""
        return self.expr.type

    @property
    def rank(self) -> int:
        """The number of array axes."""
        return self.expr.type.rank

    @property
    def is_data(self) -> bool:
        """Whether data and constants alone decide the value."""
        return ir.is_data(self.expr)


@dataclass(frozen=True, eq=False)
class Draw:
    """A distribution, not yet drawn from."""

    dist: ir.Dist


@dataclass(frozen=True, eq=False)
class ScaledIdentity:
    """`λ * I`, of any size."""

    scale: Tensor


@dataclass(frozen=True, eq=False)
class DiagonalMatrix:
    """`Diagonal(v)`."""

    diagonal: Tensor


@dataclass(frozen=True, eq=False)
class RowVector:
    """`v'`: an adjoint vector."""

    vector: Tensor


@dataclass(frozen=True, eq=False)
class Factorization:
    """A Cholesky factorisation with lower factor L: of `Cholesky(L)`, `cholesky(Σ)`, or drawn from LKJCholesky.

    With `matrix`, the positive definite matrix L·Lᵀ itself (`PDMat(…)`).
    """

    lower: Tensor
    matrix: bool = False


@dataclass(frozen=True, eq=False)
class OrthogonalTriangular:
    """`qr(A)`: fields Q and R."""

    matrix: Tensor


@dataclass(frozen=True, eq=False)
class TupleValue:
    """Several values; `names` where it is a named tuple."""

    items: tuple[Value, ...]
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class RangeValue:
    """`start:step:stop`. `over` is the axis whose indices these are (`eachindex(y)`), if it is known to be one."""

    start: Tensor
    stop: Tensor
    step: Tensor
    over: Axis | None = None

    @property
    def integers(self) -> range | None:
        """The whole numbers of the range, where data decide its ends; with a step of 0 it has none."""
        start, stop, step = self.start.known, self.stop.known, self.step.known
        if not (isinstance(start, int) and isinstance(stop, int) and isinstance(step, int)) or step == 0:
            return None
        return range(start, stop + (1 if step > 0 else -1), step)

    @property
    def count(self) -> int | None:
        """How many whole numbers they are: more, perhaps, than `len` can say."""
        taken = self.integers
        return (
            None
            if taken is None
            else max(0, (taken.stop - taken.start - (1 if taken.step > 0 else -1)) // taken.step + 1)
        )


@dataclass(frozen=True, eq=False)
class Rows:
    """`eachrow(X)`, `eachcol(X)`: the slices of a matrix along an axis (0 or 1)."""

    matrix: Tensor
    axis: int


@dataclass(frozen=True, eq=False)
class Enumerated:
    """`enumerate(xs)`."""

    iterable: Value


@dataclass(frozen=True, eq=False)
class Zipped:
    """`zip(xs, ys)`."""

    iterables: tuple[Value, ...]


@dataclass(frozen=True, eq=False)
class Nested:
    """A Julia vector of arrays, one for each step along a loop axis: `[X[i, :] for i in 1:n]`."""

    item: Tensor
    axis: Axis


@dataclass(frozen=True, eq=False)
class Unfilled:
    """`Vector{Vector{Float64}}(undef, n)`: n vectors whose length is that of the first that is stored."""

    count: Tensor


@dataclass(frozen=True, eq=False)
class Builtin:
    """A function of the table."""

    row: Function


@dataclass(frozen=True, eq=False)
class OperatorFunction:
    """An operator as a value: `reduce(+, xs)`, `map(.^, xs, ks)`."""

    op: str
    dotted: bool = False


@dataclass(frozen=True, eq=False)
class FamilyName:
    """A distribution or combinator by name: a function that gives a distribution."""

    name: str


@dataclass(frozen=True, eq=False)
class Closure:
    """A helper function or lambda of the author's; `scope` is what a lambda's body may refer to beside its parameters.

    `params` are the positional ones, then the keywords.
    """

    name: str
    params: tuple[str, ...]
    defaults: tuple[tuple[str, tree.Expression], ...]
    body: tuple[tree.Statement, ...]
    scope: dict[str, Value] | None = None
    keyword_names: tuple[str, ...] = ()
    frame: int = 0
    """How many calls were around where a lambda was written."""
    fixed: frozenset[str] = frozenset()
    """Names of loops around, which a lambda keeps as they were."""


@dataclass(frozen=True, eq=False)
class Text:
    """A string or a symbol."""

    text: str


@dataclass(frozen=True, eq=False)
class TypeName:
    """A Julia type, with its parameters: `Vector{Float64}`."""

    name: str


@dataclass(frozen=True, eq=False)
class Absent:
    """An argument that is `missing` as a whole: it is latent, and has no value before its `~`."""

    name: str


@dataclass(frozen=True, eq=False)
class Nothing:
    """`nothing`, `missing`."""

    name: str


@dataclass(frozen=True, eq=False)
class Unknown:
    """What a statement with an error would have defined: later uses say nothing more."""


Value = (
    Tensor | Draw | ScaledIdentity | DiagonalMatrix | RowVector | Factorization | OrthogonalTriangular | TupleValue
    | RangeValue | Rows | Enumerated | Zipped | Nested | Unfilled | Builtin | OperatorFunction | FamilyName | Closure | Text
    | TypeName | Absent | Nothing | Unknown
)  # fmt: skip


def describe(value: Value) -> str:
    """A value in the language's words, for an error."""
    if isinstance(value, Tensor):
        return describe_type(value.type)
    if isinstance(value, Builtin):
        return f"the function `{value.row.name}`"
    if isinstance(value, FamilyName):
        return f"`{value.name}` without its arguments"
    words = {
        Draw: "a distribution", ScaledIdentity: "a multiple of the identity matrix `I`", DiagonalMatrix: "a diagonal matrix",
        RowVector: "a row vector", Factorization: "a Cholesky factorisation", TupleValue: "a tuple", RangeValue: "a range",
        Text: "a text", Nested: "a vector of vectors", Unfilled: "a vector of vectors that has none yet",
        TypeName: "a type", Nothing: "`missing`", Absent: "`missing`",
        OrthogonalTriangular: "a QR factorisation", Rows: "the rows of a matrix",
    }  # fmt: skip
    return words.get(type(value), "a function")


def describe_type(type_: ir.Type) -> str:
    """A type in the language's words: `a vector of length 4`."""
    sizes = [str(axis.size) if isinstance(axis.size, int) else f"`{axis.size}`" for axis in type_.axes]
    if type_.rank == 0:
        return {"int": "an integer", "bool": "a truth value", "text": "a text"}.get(type_.element, "a number")
    of_text = " of texts" if type_.element == "text" else ""
    if type_.rank == 1:
        return f"a vector{of_text} of length {sizes[0]}"
    kind = "matrix" if type_.rank == 2 else "array"
    return f"a {' × '.join(sizes)} {kind}{of_text}"
