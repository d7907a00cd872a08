"""The statements of a model as lines of Python: values, plates, draws, loops and branches."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from mlmdsl.compiler import ir
from mlmdsl.compiler.context import key_of
from mlmdsl.compiler.emit_collapsed import write_collapsed
from mlmdsl.compiler.emit_distributions import batch_keys, dist_code, event_code
from mlmdsl.compiler.emit_expressions import Emitter, UnknownData, range_code
from mlmdsl.compiler.emit_index import sum_code, zero_based
from mlmdsl.compiler.layout import Key, Placed, arranged, keys_of
from mlmdsl.compiler.python_text import Code, call, form, literal, name, one_line, text
from mlmdsl.compiler.site_names import Suffix, site_suffixes
from mlmdsl.language.errors import Diagnostic, SpecError
from mlmdsl.language.source import Source, Span
from mlmdsl.language.types import Axis


@dataclass
class Writer:
    """Lines, and where each came from."""

    source: Source
    lines: list[str] = field(default_factory=list)
    spans: dict[int, Span] = field(default_factory=dict)
    commented: Span | None = None

    def write(self, indent: int, line: str, span: Span | None = None) -> None:
        """Lines of text at an indentation."""
        for part in line.split("\n"):
            self.lines.append("    " * indent + part if part else "")
            if span is not None:
                self.spans[len(self.lines)] = span

    def comment(self, indent: int, span: Span) -> None:
        """The spec's text as a comment, once for the statements that came from it."""
        if span == self.commented:
            return
        self.commented = span
        excerpt = self.source.excerpt(span)
        said = one_line(excerpt.split("\n")[0] if excerpt.startswith(("for ", "if ")) else excerpt)
        self.write(indent, f"# {said if len(said) <= 110 else said[:107] + '...'}", span)


def samples_of(body: Sequence[ir.Statement]) -> list[ir.Sample]:
    """All draws and observations, in loops and branches too."""
    return [statement for statement in ir.statements(body) if isinstance(statement, ir.Sample)]


def _names_of_loops(body: Sequence[ir.Statement]) -> frozenset[str]:
    """What loops that run in order step or define."""
    loops = [node for node in ir.statements(body) if isinstance(node, ir.Loop)]
    inner = [node for loop in loops for node in ir.statements(loop.body) if isinstance(node, ir.Let | ir.SetIndex)]
    return frozenset({loop.variable for loop in loops} | {node.name for node in inner})


def _changing_reals(em: Emitter, model: ir.Model) -> frozenset[str]:
    """Names that several statements define, one of them not by a number of Python's own: tensors from the start."""
    values: dict[str, list[ir.Expr]] = {}
    variables = {node.variable for node in ir.statements(model.body) if isinstance(node, ir.Loop)}
    for statement in ir.statements(model.body):
        if isinstance(statement, ir.Let | ir.SetIndex):
            values.setdefault(statement.name, []).append(statement.value)
    numbers = {name for name, found in values.items() if all(_is_whole(value) for value in found)}
    while True:
        assumed = replace(em, python_numbers=em.python_numbers | variables | numbers)
        kept = {name for name in numbers if all(assumed.is_python(value) for value in values[name])}
        if kept == numbers:
            return frozenset(name for name, found in values.items() if len(found) > 1 and name not in numbers)
        numbers = kept


def _truths(model: ir.Model) -> frozenset[str]:
    """Names that hold truth values wherever they are used."""
    kinds: dict[str, set[str]] = {}
    for statement in ir.statements(model.body):
        for part in ir.walk(statement):
            if isinstance(part, ir.Ref):
                kinds.setdefault(part.name, set()).add(part.type.element)
    return frozenset(name for name, found in kinds.items() if found == {"bool"})


def _is_whole(value: ir.Expr) -> bool:
    """Whether a value is a whole number of the data."""
    return value.type.element == "int" and ir.is_data(value)


_NEEDS_DATA = "the program depends on the data here: bind them, or give `--data FILE`"


class Body:
    """Writes the statements of a model."""

    def __init__(self, em: Emitter, out: Writer, model: ir.Model) -> None:
        self.em = em
        self.out = out
        self.plates: dict[tuple[Axis, int], str] = {}
        self.plate_names: set[str] = set()
        self.factors = 0
        self.variables: tuple[str, ...] = ()
        self.changing = _changing_reals(em, model)
        self.truths = _truths(model)
        self.suffixes = site_suffixes(model.body)
        self.moving = _names_of_loops(model.body)
        samples = samples_of(model.body)
        self.site_names = frozenset(sample.target for sample in samples)
        entered = [(axis, dim) for sample in samples for axis, dim, _ in self.sample_plates(sample)]
        self.shared = Counter(entered)

    def statements(self, body: Sequence[ir.Statement], indent: int) -> None:
        """Statements in order."""
        for statement in body:
            self.out.comment(indent, statement.span)
            try:
                _STATEMENTS[type(statement)](self, statement, indent)
            except UnknownData as unknown:
                raise SpecError([Diagnostic(str(unknown), statement.span, _NEEDS_DATA)], self.out.source) from None

    def let(self, node: ir.Let, indent: int) -> None:
        """`x = e`, tracked or not."""
        changes = node.name in self.changing
        if changes and node.name in self.truths and not node.tracked:
            code = form("{0}.bool()", self.em.tensor(node.value))
        else:
            code = self.em.tensor(node.value) if node.tracked or changes else self.em.code(node.value)
        if node.tracked:
            code = form("pyro.deterministic({0}, {1})", literal(node.name), code)
        if self.em.is_python(node.value) and not node.tracked and not changes:
            self.em.python_numbers.add(node.name)
        elif self.em.is_integral(node.value) and not node.tracked:
            self.em.longs.add(node.name)
        self.em.local.add(node.name)
        self.out.write(indent, f"{self.em.names(node.name)} = {text(code)}", node.span)

    def factor(self, node: ir.Factor, indent: int) -> None:
        """A term of the log density."""
        self.factors += 1
        site = "factor" if self.factors == 1 else f"factor_{self.factors}"
        code = self.em.tensor(node.value)
        if not node.value.type.is_scalar:
            code = form("{0}.sum()", code)
        self.out.write(indent, text(form("pyro.factor({0}, {1})", self.in_loop(site), code)), node.span)

    def in_loop(self, site: str) -> Code:
        """The name of a site, made the iteration's own inside a sequential loop."""
        return _joined([ast.Constant(site), *self.bracketed(self.variables)])

    def loop(self, node: ir.Loop, indent: int) -> None:
        """A loop that runs in order."""
        self.hoist_plates(node.body, indent)
        self.em.python_numbers.add(node.variable)
        self.em.local.add(node.variable)
        over = text(range_code(self.em, node.start, node.stop, node.step))
        saved, self.variables = self.variables, (*self.variables, node.variable)
        self.out.commented = None
        self.out.write(indent, f"for {self.em.names(node.variable)} in {over}:", node.span)
        self.statements(node.body, indent + 1)
        if not node.body:
            self.out.write(indent + 1, "pass")
        self.variables = saved

    def hoist_plates(self, body: Sequence[ir.Statement], indent: int) -> None:
        """Plates of samples in a loop are made before it: Pyro knows each by its name."""
        for sample in samples_of(body):
            for axis, dim, _ in self.sample_plates(sample):
                if not self.is_resized(axis):
                    self.plate_variable(axis, dim, indent)

    def is_resized(self, axis: Axis) -> bool:
        """Whether an axis has another size in another iteration of a loop that runs in order."""
        size = self.em.sizes.get(key_of(axis))
        return size is not None and any(isinstance(n, ir.Ref) and n.name in self.moving for n in ir.walk(size))

    def plate_variable(self, axis: Axis, dim: int, indent: int) -> str:
        """A plate that several samples enter, as a variable."""
        key = (axis, dim)
        if key not in self.plates:
            variable = self.em.names.fresh(f"{self.em.names.ascii(axis.name)}_plate")
            made = f"pyro.plate({self.plate_name(axis)!r}, {text(self.em.size(axis))}, dim={dim})"
            self.out.write(indent, f"{variable} = {made}")
            self.plates[key] = variable
        return self.plates[key]

    def plate_name(self, axis: Axis) -> str:
        """A plate's name, unlike every other's and every site's."""
        wanted, number = axis.name, 1
        while wanted in self.plate_names or wanted in self.site_names:
            number += 1
            wanted = f"{axis.name}_{number}"
        self.plate_names.add(wanted)
        return wanted

    def sample_plates(self, node: ir.Sample) -> list[tuple[Axis, int, Key]]:
        """The plates of a sample: axis, dim, key."""
        plates = () if node.dist.columns else node.dist.plates
        keys = batch_keys(node.loops, plates, node.dist.walked)
        shown = [*node.loops, *(self.shown_axis(node, position, axis) for position, axis in enumerate(plates))]
        return [(axis, position - len(keys), key) for position, (axis, key) in enumerate(zip(shown, keys, strict=True))]

    def shown_axis(self, node: ir.Sample, position: int, axis: Axis) -> Axis:
        """The array axis that a plate is: of the data or the parameter, rather than the loop's."""
        return node.type.axes[position] if position < len(node.type.axes) else axis

    def branch(self, node: ir.Branch, indent: int) -> None:
        """`if` on data."""
        self.hoist_plates([*node.then, *node.otherwise], indent)
        self.out.commented = None
        self.out.write(indent, f"if {text(self.em.code(node.condition))}:", node.span)
        self.statements(node.then, indent + 1)
        if not node.then:
            self.out.write(indent + 1, "pass")
        if node.otherwise:
            self.out.write(indent, "else:")
            self.statements(node.otherwise, indent + 1)

    def set_index(self, node: ir.SetIndex, indent: int) -> None:
        """`x[i] = e`."""
        code = self.updated(self.em.tensor(node.base), node.index, self.placed_value(node))
        if node.name in self.truths:
            code = form("{0}.bool()", code)
        self.em.local.add(node.name)
        self.out.write(indent, f"{self.em.names(node.name)} = {text(code)}", node.span)

    def placed_value(self, node: ir.SetIndex) -> Code:
        """The new elements in the order of the index."""
        keys: list[Key | None] = []
        rank = 0
        for item in node.index:
            if isinstance(item, ir.Slice) and item.loop is not None:
                keys.append(item.loop.name)
            elif isinstance(item, ir.Keep | ir.Slice) or item.index.type.rank:
                keys.append(rank)
                rank += 1
        value = node.value
        return arranged(
            Placed(self.em.tensor(value), keys_of(value.type)),
            keys if value.type.rank else [key if isinstance(key, str) else None for key in keys],
        )

    def updated(self, base: Code, index: Sequence[ir.IndexItem], value: Code) -> Code:
        """`runtime.set_index(x, value, …)`."""
        return call(form("runtime.set_index"), base, value, *(self.update_item(item) for item in index))

    def update_item(self, item: ir.IndexItem) -> Code:
        """An index of an update: `slice(…)` or a position."""
        if isinstance(item, ir.Keep):
            return form("slice(None)")
        if isinstance(item, ir.Pick):
            return self.em.code(item.index) if item.index.type.element == "bool" else zero_based(self.em, item.index)
        start = zero_based(self.em, item.start)
        if item.loop is None:
            return form("slice({0}, {1})", start, self.em.integer(item.stop))
        return form("slice({0}, {1})", start, sum_code(start, self.em.size(item.loop)))

    # ── draws ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def sample(self, node: ir.Sample, indent: int) -> None:
        """`x ~ d`."""
        if node.missing is not None:
            self.sample_missing(node, indent)
            return
        plates = self.sample_plates(node)
        keys = [key for _, _, key in plates]
        inner = node.dist.columns and node.dist.plates
        density = event_code(self.em, node.dist, keys) if inner else dist_code(self.em, node.dist, keys)
        drawn = form("pyro.sample({0}, {1})", self.site_name(node), density)
        if node.observed is not None:
            cast(ast.Call, drawn).keywords.append(ast.keyword("obs", self.observed(node, keys)))
        line = self.assigned(node, drawn)
        for axis, _, _ in plates:
            if self.is_resized(axis):  # Pyro knows no plate of nothing
                self.out.write(indent, f"if {text(self.em.size(axis))} > 0:", node.span)
                indent += 1
        heads = [self.plate_head(axis, dim, len(plates), indent) for axis, dim, _ in plates]
        if heads:
            self.out.write(indent, f"with {', '.join(heads)}:", node.span)
        self.out.write(indent + bool(heads), line, node.span)

    def plate_head(self, axis: Axis, dim: int, count: int, indent: int) -> str:
        """What a `with` enters: a plate of its own, or one made before."""
        key = (axis, dim)
        if self.is_resized(axis):
            own = text(self.in_loop(self.plate_name(axis)))
            return f"pyro.plate({own}, {text(self.em.size(axis))}, dim={dim})"
        if key in self.plates:
            return self.plates[key]
        if self.shared.get(key, 0) > 1:
            return self.plate_variable(axis, dim, indent)
        where = f", dim={dim}" if count > 1 else ""
        return f"pyro.plate({self.plate_name(axis)!r}, {text(self.em.size(axis))}{where})"

    def assigned(self, node: ir.Sample, drawn: Code) -> str:
        """The statement that draws: the target defined, updated, or observed only."""
        own = self.em.names(node.target)
        if node.index:
            return f"{own} = {text(self.updated(name(own), node.index, drawn))}"
        return text(drawn) if node.observed is not None else f"{own} = {text(drawn)}"

    def observed(self, node: ir.Sample, keys: Sequence[Key]) -> Code:
        """The data, laid out as the batch and the event."""
        value = cast(ir.Expr, node.observed)
        return self.laid_out(node, value, self.em.tensor(value), keys)

    def laid_out(self, node: ir.Sample, value: ir.Expr, written: Code, keys: Sequence[Key]) -> Code:
        """The code of data in the layout of the batch and the event."""
        count = len(keys) - len(node.loops)
        arrays: list[Key | None] = [axis.name for axis in node.loops]
        arrays += list(range(value.type.rank))
        code = arranged(Placed(written, keys_of(value.type)), arrays)
        absent = [axis for axis in node.loops if axis.name not in keys_of(value.type)]
        if not absent or count < 0:
            return code
        sizes = [self.em.size(axis) if axis in absent else literal(-1) for axis in node.loops] + [
            literal(-1)
        ] * value.type.rank
        return call(form("{0}.expand", code), *sizes)

    def site_name(self, node: ir.Sample) -> Code:
        """The name of a site: the variable, with its index where it is an element."""
        suffix = self.suffixes.get(id(node), Suffix())
        own = () if node.site is None else node.site.items
        parts = self.bracketed(own or (self.variables if node.observed is not None else ()))
        parts += self.bracketed(suffix.variables)
        if suffix.number is not None:
            parts.append(ast.Constant(f"#{suffix.number}"))
        return _joined([ast.Constant(node.target), *parts])

    def bracketed(self, items: Sequence[str | ir.Expr]) -> list[ast.expr]:
        """`[…]` in the name of a site, loop variables and expressions being printed as the program runs."""
        parts: list[ast.expr] = [ast.Constant("[")] if items else []
        for position, item in enumerate(items):
            parts += [ast.Constant(",")] if position else []
            if isinstance(item, str):
                looped = item in self.variables
                parts.append(ast.FormattedValue(name(self.em.names(item)), -1) if looped else ast.Constant(item))
            else:
                parts.append(ast.FormattedValue(self.em.integer(item), -1))
        return [*parts, ast.Constant("]")] if items else []

    def sample_missing(self, node: ir.Sample, indent: int) -> None:
        """Data with missing entries: those are drawn."""
        plates = self.sample_plates(node)
        keys = [key for _, _, key in plates]
        density = dist_code(self.em, node.dist, keys) if not node.dist.columns else event_code(self.em, node.dist, keys)
        order = _order_of_axes(node)
        value, mask = cast(ir.Expr, node.observed), cast(ir.Expr, node.missing)
        if order is None:
            arguments = [self.observed(node, keys), self.laid_out(node, mask, self.em.code(mask), keys)]
        else:
            whole = (cast(ir.Gather, each).x for each in (value, mask))
            axes = ast.Tuple([literal(axis) for axis in order], ast.Load())
            arguments = [*(self.em.code(each) for each in whole), axes]
        drawn = call(form("runtime.sample_missing"), self.site_name(node), density, *arguments)
        own = self.em.names(node.target)
        if node.index:
            self.out.write(indent, f"{own} = {text(self.updated(name(own), node.index, drawn))}", node.span)
        else:
            self.out.write(indent, f"{own} = {text(drawn)}", node.span)


def _joined(parts: Sequence[ast.expr]) -> Code:
    """A text of parts: a literal where all are known."""
    if all(isinstance(part, ast.Constant) for part in parts):
        return literal("".join(cast(str, cast(ast.Constant, part).value) for part in parts))
    merged: list[ast.expr] = []
    for part in parts:
        if merged and isinstance(part, ast.Constant) and isinstance(merged[-1], ast.Constant):
            merged[-1] = ast.Constant(f"{merged[-1].value!s}{part.value!s}")
        else:
            merged.append(part)
    return ast.JoinedStr(merged)


def _order_of_axes(node: ir.Sample) -> tuple[int, ...] | None:
    """The axes of a whole array in the order that loops and distribution have them, where that is another one."""
    value = node.observed
    if not isinstance(value, ir.Gather) or node.site is not None:
        return None
    walked = {item.loop.name: k for k, item in enumerate(value.index) if isinstance(item, ir.Slice) and item.loop}
    kept = [k for k, item in enumerate(value.index) if isinstance(item, ir.Keep)]
    order = (*(walked[axis.name] for axis in node.loops if axis.name in walked), *kept)
    return None if list(order) == sorted(order) or len(order) != len(value.index) else order


def _collapsed(body: Body, node: ir.Collapsed, indent: int) -> None:
    write_collapsed(body.em, body.out.write, node, indent)


_STATEMENTS: dict[type, Callable[[Body, Any, int], None]] = {
    ir.Let: Body.let,
    ir.Factor: Body.factor,
    ir.Loop: Body.loop,
    ir.Branch: Body.branch,
    ir.SetIndex: Body.set_index,
    ir.Sample: Body.sample,
    ir.Collapsed: _collapsed,
}
