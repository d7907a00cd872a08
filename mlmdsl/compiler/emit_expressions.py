"""Expressions of the IR as Python: plain PyTorch where a person would write it, `einsum` where nothing plainer says it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import AxisKey, key_of
from mlmdsl.compiler.emit_index import index_code
from mlmdsl.compiler.layout import Placed, arranged, keys_of, permuted
from mlmdsl.compiler.python_text import Code, Names, call, form, literal, name, numbers_of
from mlmdsl.language.functions import FUNCTIONS
from mlmdsl.language.types import Axis

_PYTHON_OPERATORS: dict[str, type[ast.operator]] = {
    "+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div, "^": ast.Pow,
}  # fmt: skip
_ARITHMETIC = frozenset(_PYTHON_OPERATORS)
_COMPARISONS: dict[str, type[ast.cmpop]] = {
    "==": ast.Eq, "!=": ast.NotEq, "<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE,
}  # fmt: skip
_HOISTED_KINDS = frozenset({"reduce", "vector", "data"})
_HOISTED_SPECIAL = frozenset(
    {"unique", "cor", "cov", "cholesky", "det", "logdet", "matrix_inv", "solve", "qr_Q", "qr_R", "length"}
)


class UnknownData(ValueError):
    """Only the data tell how the program goes on."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is known only with data")


_WHOLE = frozenset({"range", "sortperm", "to_int"})
_REDUCED = frozenset({"count", "sum", "maximum", "minimum", "prod"})
_AS_GIVEN = frozenset({"fill", "repeat", "vec", "unique", "identity", "float"})
"""Functions of whole numbers whose tensors are of whole numbers: always, where the result is, where the argument is."""


@dataclass
class Emitter:
    """What emission knows of a model: names, sizes of axes, and the constants it took out of the body."""

    arguments: Mapping[str, ir.Argument]
    sizes: Mapping[AxisKey, ir.Expr]
    dtype: str = "float64"
    device: str = "cpu"
    names: Names = field(default_factory=Names)
    python_numbers: set[str] = field(default_factory=set)
    longs: set[str] = field(default_factory=set)
    local: set[str] = field(default_factory=set)
    constants: dict[ir.Expr, tuple[str, ir.Expr]] = field(default_factory=dict)
    hoisting: bool = True
    statistics: dict[str, Code] = field(default_factory=dict)
    """What a collapsed likelihood needs of the rows, by name: computed with the constants."""

    # ── what is a number of Python's own ─────────────────────────────────────────────────────────────────────────────

    def is_python(self, expr: ir.Expr) -> bool:
        """Whether the code of an expression is a Python number, not a tensor."""
        if isinstance(expr, ir.Const):
            return True
        if isinstance(expr, ir.Ref):
            return expr.name in self.python_numbers
        if isinstance(expr, ir.Map):
            return all(self.is_python(arg) for arg in expr.args)
        if isinstance(expr, ir.Call):
            if expr.function in ("float", "identity"):
                return self.is_python(expr.args[0])
            if expr.function in ("size", "range_length", "to_int"):
                return expr.function != "to_int" or (expr.type.is_scalar and ir.is_data(expr))
            return self.is_hoisted(expr) and expr.type.is_scalar
        return False

    def is_hoisted(self, expr: ir.Expr) -> bool:
        """Whether an expression is computed once, when data are bound."""
        if (
            not self.hoisting
            or not isinstance(expr, ir.Call)
            or expr.type.loops
            or not ir.is_data(expr)
            or not expr.args
        ):
            return False
        row = FUNCTIONS.get(expr.function)
        if expr.function == "ismissing":
            return False
        if not (row is not None and row.kind in _HOISTED_KINDS) and expr.function not in _HOISTED_SPECIAL:
            return False
        refs = [
            node for part in (expr, *self._sizes_within(expr)) for node in ir.walk(part) if isinstance(node, ir.Ref)
        ]
        loops = any(getattr(node, "type", ir.Type()).loops for node in ir.walk(expr) if not isinstance(node, ir.Dist))
        return (
            bool(refs) and not loops and all(ref.name in self.arguments and ref.name not in self.local for ref in refs)
        )

    def _sizes_within(self, expr: ir.Expr) -> list[ir.Expr]:
        """The sizes of the axes of an expression's parts, where they are expressions."""
        axes = {axis for node in ir.walk(expr) for axis in getattr(node, "axes", ()) if isinstance(axis, Axis)}
        axes |= {axis for node in ir.walk(expr) if not isinstance(node, ir.Dist) for axis in _axes_of(node)}
        return [self.sizes[key_of(axis)] for axis in axes if key_of(axis) in self.sizes]

    # ── code ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def code(self, expr: ir.Expr) -> Code:
        """The code of an expression, its tensor laid out as its type says."""
        if self.is_hoisted(expr) or (isinstance(expr, ir.Numbers) and self.hoisting):
            return name(self._constant(cast(ir.Call, expr)))
        return _RULES[type(expr)](self, expr)

    def _constant(self, expr: ir.Call | ir.Numbers) -> str:
        if expr not in self.constants:
            parts = (
                ["places"]
                if isinstance(expr, ir.Numbers)
                else [expr.function, *(node.name for node in ir.walk(expr) if isinstance(node, ir.Ref))]
            )
            from mlmdsl.compiler.python_text import identifier

            wanted = self.names.fresh(identifier("_".join(dict.fromkeys(parts))))
            self.constants[expr] = (wanted, expr)
        return self.constants[expr][0]

    def placed(self, expr: ir.Expr) -> Placed:
        """The code of an expression with the axes of its tensor."""
        return Placed(self.code(expr), keys_of(expr.type))

    def tensor(self, expr: ir.Expr) -> Code:
        """Code that is a tensor of reals, whatever the expression is."""
        if self.is_python(expr):
            return form("real({0})", self.code(expr))
        return self.real(expr)

    def real(self, expr: ir.Expr) -> Code:
        """Code of the program's own floating-point type: integers and truth values become that."""
        code = self.code(expr)
        if self.is_python(expr) or not self.is_integral(expr):
            return code
        return form("{0}.double()" if self.dtype == "float64" else "{0}.float()", code)

    def is_integral(self, expr: ir.Expr) -> bool:
        """Whether the code of an expression is a tensor of integers or truth values."""
        if isinstance(expr, ir.Ref) and expr.data and expr.name in self.arguments:
            return expr.type.element == "bool" or expr.name in self.longs
        if isinstance(expr, ir.Numbers):
            return True
        if isinstance(expr, ir.Gather | ir.Permute | ir.Lift):
            return not self.is_python(expr.x) and self.is_integral(expr.x)
        if isinstance(expr, ir.Ref):
            return expr.name in self.longs or expr.type.element == "bool"
        if isinstance(expr, ir.Map) and expr.op in ("+", "-", "*", "/", "^"):
            return expr.op != "/" and all(self.is_python(arg) or self.is_integral(arg) for arg in expr.args)
        if isinstance(expr, ir.Counter):
            return True
        if isinstance(expr, ir.Stack) and ir.is_large(expr.type):
            return all(self.is_python(item) for item in expr.items)
        if isinstance(expr, ir.Call) and expr.function in _WHOLE | _REDUCED:
            return expr.type.element == "int" and (expr.function in _WHOLE or self.is_integral(expr.args[0]))
        if isinstance(expr, ir.Call) and expr.function in _AS_GIVEN:
            return self.is_integral(expr.args[0])
        return expr.type.element == "bool"

    def long(self, expr: ir.Expr) -> Code:
        """Code of whole numbers, to index with."""
        code = self.code(expr)
        if self.is_python(expr) or self.is_integral(expr):
            return code
        return form("{0}.long()", code)

    def integer(self, expr: ir.Expr) -> Code:
        """Code that is an integer of Python's own."""
        code = self.code(expr)
        return code if self.is_python(expr) and expr.type.element == "int" else form("int({0})", code)

    def arange(self, *bounds: Code) -> Code:
        """Whole numbers as a tensor; on a GPU made there, since they meet tensors that are."""
        made = call(form("torch.arange"), *bounds)
        if self.device != "cpu":
            cast(ast.Call, made).keywords.append(ast.keyword("device", literal(self.device)))
        return made

    # ── sizes ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def size(self, axis: Axis) -> Code:
        """The size of an axis: of an argument that has it, as the author wrote it, or as a number."""
        found = self.told_size(axis)
        if found is None:
            raise UnknownData(f"the size of `{axis.name}` ({axis.size})")
        return found

    def told_size(self, axis: Axis) -> Code | None:
        """The size of an axis, or None where nothing but a value along it tells."""
        if key_of(axis) in self.sizes:
            return self.integer(self.sizes[key_of(axis)])
        for argument in self.arguments.values():
            for position, own in enumerate(argument.type.axes):
                if own.name == axis.name and own.size == axis.size:
                    return self.size_of(name(self.names(argument.name)), argument.type.rank, position)
        return literal(axis.size) if isinstance(axis.size, int) else None

    def size_of(self, code: Code, rank: int, position: int) -> Code:
        """The size of a tensor's axis."""
        if position == 0:
            return form("len({0})", code)
        return form("{0}.shape[{1}]", code, literal(position - rank if position != 1 or rank != 2 else 1))

    def constant_array(self, function: str, axes: Sequence[Axis]) -> Code:
        """`torch.zeros(n, m, **REAL)`."""
        sizes = [self.size(axis) for axis in axes]
        made = call(form(f"torch.{function}"), *sizes)
        assert isinstance(made, ast.Call)
        made.keywords.append(ast.keyword(None, name("REAL")))
        return made


def _axes_of(node: object) -> tuple[Axis, ...]:
    """The array axes of an expression's type."""
    type_ = getattr(node, "type", None)
    return type_.axes if isinstance(type_, ir.Type) else ()


def _const(em: Emitter, expr: ir.Const) -> Code:
    return literal(expr.value)


def _numbers(em: Emitter, expr: ir.Numbers) -> Code:
    """Numbers of the data: `torch.tensor([…])`, or a text where they are many."""
    sizes = [int(axis.size) for axis in expr.type.axes]
    if 0 < prod(sizes) <= _LISTED:  # an empty list would be of reals
        made = call(form("torch.tensor"), ast.List([literal(value) for value in numbers_of(expr.runs)], ast.Load()))
    else:
        made = call(form("runtime.whole_numbers"), literal(expr.runs))
    if em.device != "cpu":
        cast(ast.Call, made).keywords.append(ast.keyword("device", literal(em.device)))
    return made if len(sizes) == 1 else call(form("{0}.reshape", made), *map(literal, sizes))


_LISTED = 24
"""The most whole numbers that are written out one by one."""


def _ref(em: Emitter, expr: ir.Ref) -> Code:
    return name(em.names(expr.name))


def _counter(em: Emitter, expr: ir.Counter) -> Code:
    count = em.size(expr.axis)
    start = em.integer(expr.start)
    plain = isinstance(expr.start, ir.Const) and isinstance(expr.step, ir.Const)
    if plain and cast(ir.Const, expr.step).value == 1 and cast(ir.Const, expr.start).value == 1:
        return em.arange(literal(1), form("{0} + 1", count))
    return form("{0} + {1} * {2}", start, em.integer(expr.step), em.arange(count))


def _map(em: Emitter, expr: ir.Map) -> Code:
    wanted = keys_of(expr.type)
    exact = expr.type.element == "real" or expr.op == "/"
    if expr.op in _COMPARISONS and any(arg.type.element == "real" for arg in expr.args):
        exact = True
    codes = []
    for arg in expr.args:
        code = em.real(arg) if exact else em.code(arg)
        if not exact and arg.type.element == "bool" and expr.op in _ARITHMETIC and not em.is_python(arg):
            code = form("{0}.long()", code)  # truth values are 0 and 1 here: as they are, they would be a mask
        codes.append(arranged(Placed(code, keys_of(arg.type)), wanted))
    return _operation(em, expr, codes)


_UNBOUNDED = {"/": "quotient", "^": "power"}
"""What Python's own numbers refuse at 0, where Julia's answer is infinite or no number."""


def _may_be_infinite(expr: ir.Map) -> bool:
    """Whether a quotient's divisor, or the base of a negative power, may be 0."""
    left, right = (arg.type for arg in expr.args)
    return right.low <= 0 <= right.high if expr.op == "/" else right.low < 0 and left.low <= 0 <= left.high


def _operation(em: Emitter, expr: ir.Map, codes: Sequence[Code]) -> Code:
    python = em.is_python(expr)
    if len(codes) == 1:
        if expr.op == "!":
            return form("not {0}" if python else "~{0}", codes[0])
        return ast.UnaryOp(ast.USub(), codes[0])
    left, right = codes
    if python and expr.op in _UNBOUNDED and _may_be_infinite(expr):
        return form(f"runtime.{_UNBOUNDED[expr.op]}({{0}}, {{1}})", left, right)
    if expr.op in _PYTHON_OPERATORS:
        return ast.BinOp(left, _PYTHON_OPERATORS[expr.op](), right)
    if expr.op in _COMPARISONS:
        return ast.Compare(left, [_COMPARISONS[expr.op]()], [right])
    if expr.op in ("&&", "||"):
        if not python and expr.type.is_scalar and ir.is_data(expr):
            return form(f"torch.as_tensor(bool({{0}}) {'and' if expr.op == '&&' else 'or'} bool({{1}}))", left, right)
        word, sign = ("and", "&") if expr.op == "&&" else ("or", "|")
        return form(f"{{0}} {word} {{1}}" if python else f"{{0}} {sign} {{1}}", left, right)
    return form("torch.isin({0}, {1})", left, right)


def _contract(em: Emitter, expr: ir.Contract) -> Code:
    a, b = (em.real(part) for part in (expr.a, expr.b))
    if not expr.type.loops and expr.a.type.rank <= 2 and expr.b.type.rank <= 2:
        return ast.BinOp(a, ast.MatMult(), b)
    letters = iter("ijlmnopqrstuvwxyz")
    of = {axis.name: next(letters) for axis in expr.type.loops}
    left = [of[axis.name] for axis in expr.a.type.loops]
    right = [of[axis.name] for axis in expr.b.type.loops]
    outer = [next(letters) for _ in range(expr.a.type.rank - 1)]
    inner = [next(letters) for _ in range(expr.b.type.rank - 1)]
    loops = "".join(of[axis.name] for axis in expr.type.loops)
    pattern = f"{''.join(left + outer)}k,k".replace(",k", f",{''.join(right)}k")
    return form(
        "torch.einsum({0}, {1}, {2})", literal(f"{pattern}{''.join(inner)}->{loops}{''.join(outer + inner)}"), a, b
    )


def _gather(em: Emitter, expr: ir.Gather) -> Code:
    return index_code(em, expr)


def _permute(em: Emitter, expr: ir.Permute) -> Code:
    loops = len(expr.x.type.loops)
    return permuted(em.code(expr.x), [*range(loops), *(loops + position for position in expr.order)])


def _lift(em: Emitter, expr: ir.Lift) -> Code:
    have = keys_of(expr.x.type)
    lifted = [axis.name for axis in expr.axes]
    rest = [axis.name for axis in expr.x.type.loops if axis.name not in lifted]
    wanted = [*rest, *lifted, *range(expr.x.type.rank)]
    absent = [axis for axis in expr.axes if axis.name not in have]
    code = em.tensor(expr.x) if em.is_python(expr.x) else em.code(expr.x)
    code = arranged(Placed(code, have), wanted)
    if not absent:
        return code
    keep = literal(-1)
    sizes = [
        *([keep] * len(rest)),
        *(em.size(axis) if axis in absent else keep for axis in expr.axes),
        *([keep] * expr.x.type.rank),
    ]
    return call(form("{0}.expand", code), *sizes)


def _stack(em: Emitter, expr: ir.Stack) -> Code:
    if all(em.is_python(item) for item in expr.items):
        kind = "torch.tensor" if expr.type.element == "bool" or ir.is_large(expr.type) else "real"
        return form(f"{kind}({{0}})", ast.List([em.code(item) for item in expr.items], ast.Load()))
    rank = expr.type.rank - 1
    wanted = [*(axis.name for axis in expr.type.loops), *range(rank)]
    codes = [
        em.code(item) if expr.type.element == "bool" and not em.is_python(item) else em.tensor(item)
        for item in expr.items
    ]
    items = [arranged(Placed(code, keys_of(item.type)), wanted) for code, item in zip(codes, expr.items, strict=True)]
    packed = ast.List(items, ast.Load())
    if expr.type.loops:
        together = form("torch.broadcast_tensors({0})", ast.Starred(packed, ast.Load()))
        return form("torch.stack({0}, {1})", together, literal(-1 - rank))
    return form("torch.stack({0})", packed)


def _sequence(em: Emitter, expr: ir.Sequence) -> Code:
    em.python_numbers.add(expr.variable)
    em.local.add(expr.variable)
    item = arranged(Placed(em.tensor(expr.body), keys_of(expr.body.type)), keys_of(expr.body.type))
    target = ast.Name(em.names(expr.variable), ast.Store())
    tests = [em.code(expr.condition)] if expr.condition is not None else []
    part = ast.comprehension(target, range_code(em, expr.start, expr.stop, expr.step), tests, 0)
    made = ast.ListComp(item, [part])
    if not _has_items(expr):
        sizes = [em.size(axis) for axis in (*expr.type.loops, *expr.body.type.axes)]
        sizes.insert(len(expr.type.loops), literal(0))
        stacked = form(
            "runtime.stack_items({0}, {1}, {2})", made, ast.Tuple(sizes, ast.Load()), literal(-1 - expr.body.type.rank)
        )
        cast(ast.Call, stacked).keywords.append(ast.keyword(None, name("REAL")))
        return stacked
    if expr.type.loops:
        return form("torch.stack({0}, {1})", made, literal(-1 - expr.body.type.rank))
    return form("torch.stack({0})", made)


def _has_items(expr: ir.Sequence) -> bool:
    """Whether a comprehension is known to have an item."""
    ends = (expr.start, expr.stop, expr.step)
    start, stop, step = (end.value if isinstance(end, ir.Const) else None for end in ends)
    if expr.condition is not None or not (isinstance(start, int) and isinstance(stop, int) and isinstance(step, int)):
        return False
    return len(range(start, stop + (1 if step > 0 else -1), step)) > 0


def range_code(em: Emitter, start: ir.Expr, stop: ir.Expr, step: ir.Expr) -> Code:
    """Python's `range` for a range that includes its end."""
    by = step.value if isinstance(step, ir.Const) else None
    first, last = em.integer(start), em.integer(stop)
    if by == 1:
        return form("range({0}, {1})", first, plus(last, 1))
    down = step.type.high < 0
    known = down or step.type.low > 0
    end = plus(last, -1 if down else 1) if known else form("{0} + (1 if {1} > 0 else -1)", last, em.integer(step))
    return form("range({0}, {1}, {2})", first, end, em.integer(step))


def plus(code: Code, number: int) -> Code:
    """`code + number`, folded where the code is a number."""
    if isinstance(code, ast.Constant) and isinstance(code.value, int):
        return literal(code.value + number)
    if isinstance(code, ast.BinOp) and isinstance(code.right, ast.Constant) and isinstance(code.right.value, int):
        sign = {ast.Add: 1, ast.Sub: -1}.get(type(code.op))
        if sign is not None:
            return plus_of(code.left, sign * code.right.value + number)
    return plus_of(code, number)


def plus_of(code: Code, number: int) -> Code:
    """`code + number` for code that is no number itself."""
    if number == 0:
        return code
    return form("{0} + {1}" if number > 0 else "{0} - {1}", code, literal(abs(number)))


def _call(em: Emitter, expr: ir.Call) -> Code:
    from mlmdsl.compiler.emit_calls import call_code

    return call_code(em, expr)


_RULES: dict[type, Callable[[Emitter, Any], Code]] = {
    ir.Const: _const,
    ir.Numbers: _numbers,
    ir.Ref: _ref,
    ir.Counter: _counter,
    ir.Map: _map,
    ir.Contract: _contract,
    ir.Gather: _gather,
    ir.Permute: _permute,
    ir.Lift: _lift,
    ir.Stack: _stack,
    ir.Sequence: _sequence,
    ir.Call: _call,
}
