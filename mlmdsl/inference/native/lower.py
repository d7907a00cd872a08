"""A traced graph of tensor operations as one C function.

Sizes are known, so every operation is a nest of loops with constant bounds. An elementwise operation that one other reads
is not stored but written into its reader's loop; views move no numbers. The walk is here; what single operations become is
in `operations.py` (elementwise, a row each), `structure.py` (parts), `indexing.py` (places that are data) and `linear.py` (matrices).

Non-Goals: operations on complex numbers, sizes that vary, graphs that write into their arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf, prod
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from mlmdsl.inference.native.layout import C_TYPES, Formula, Placed, Value, View, formula, fused, plain_nest, varies
from mlmdsl.inference.native.operations import POWERS, TEMPLATES
from mlmdsl.inference.native.rooms import Rooms
from mlmdsl.inference.native.statements import MARKED, number, plain

LONGEST_FORMULA = 600
"""Characters of a formula beyond which it is stored."""
MOST_LEAVES = 8
LONG = 2000
"""Lines from which statements that are alike are written once: a C compiler's time grows faster than a function's length."""
SIGNATURE = "(void *const *in, void *const *out, void *const *constant, char *work)"


class Unsupported(Exception):
    """The graph has an operation that is not translated; the message names it."""


@dataclass(frozen=True)
class Function:
    """A C function `name(in, out, constant, work)`: its text, the tensors it reads, what it returns, its workspace.

    `work` is the number of floating-point operations of one call, roughly.
    """

    name: str
    text: str
    constants: tuple[Tensor, ...]
    outputs: tuple[tuple[tuple[int, ...], torch.dtype], ...]
    workspace: int
    work: int


Lowering = Callable[["Writer", Node], Value]


class Writer:
    """The function while it is written, for so many lanes. `done` holds what each node became; nobody reads those in `dying`
    after the node that is being translated; `store` and `emit` add statements."""

    def __init__(self, module: GraphModule, values: dict[Node, Any], lanes: int) -> None:
        self.module, self.values, self.lanes = module, values, lanes
        self.declarations: list[str] = []
        self.statements: list[str] = []
        self.done: dict[Node, Value] = {}
        self.dying: Sequence[Node] = ()
        self.constants: list[Tensor] = []
        self.work = 0
        self.rooms = Rooms(lanes)

    # operands

    def shape(self, node: Node) -> tuple[int, ...]:
        """The shape of what a node computes."""
        return tuple(self.values[node].shape)

    def dtype(self, node: Node) -> torch.dtype:
        """Its dtype."""
        dtype: torch.dtype = self.values[node].dtype
        if dtype not in C_TYPES:
            raise Unsupported(f"numbers of type {dtype}")
        return dtype

    def operand(self, argument: Any, shape: Sequence[int]) -> Formula:
        """An argument, tensor or number, broadcast to a shape."""
        if not isinstance(argument, Node):
            return Formula(number(literal(argument)), (), tuple(shape), torch.float64)
        value = self.done[argument]
        if isinstance(value, tuple):
            raise Unsupported("an operation on several values")
        if isinstance(value, Placed) or (isinstance(value, Formula) and value.shape != tuple(shape)):
            value = self.stored(argument)
        return value if isinstance(value, Formula) else formula(value.expanded(shape))

    def stored(self, argument: Node) -> View:
        """An argument as numbers in memory."""
        value = self.done[argument]
        if isinstance(value, Formula | Placed):
            self.rooms.release(value)
            value = self.keep(value) if isinstance(value, Formula) else self.gather(value)
            self.done[argument] = value
            self.rooms.hold(value)
        if isinstance(value, tuple):
            raise Unsupported("an operation on several values")
        return value

    # statements

    def buffer(self, shape: Sequence[int], dtype: torch.dtype) -> View:
        """Room for numbers: a local array, or a part of the workspace."""
        return View.contiguous(self.rooms.take(dtype, max(1, prod(shape))), dtype, shape)

    def own(self, argument: Node, others: Sequence[Any]) -> View:
        """A copy of an argument to write into; the argument itself where nothing else reads it, `others` neither."""
        shape = self.shape(argument)
        if argument in self.dying and argument not in others:
            held = self.stored(argument)
            whole = View.contiguous(held.pointer, held.dtype, shape)
            if held == whole and self.rooms.is_last(held.pointer):
                return held
        out = self.buffer(shape, self.dtype(argument))
        self.assign(out, self.operand(argument, shape))
        return out

    def store(self, value: Formula) -> View:
        """Compute a formula into a buffer of its own."""
        place = self.buffer(value.shape, value.dtype)
        self.assign(place, value)
        return place

    def keep(self, value: Formula) -> View:
        """Compute a formula for others to read: once where it is the same along a dimension."""
        narrow = tuple(size if varies(value, k) else 1 for k, size in enumerate(value.shape))
        if prod(narrow) == prod(value.shape):
            return self.store(value)
        leaves = (replace(leaf, shape=narrow) for leaf in value.leaves)
        return self.store(replace(value, leaves=tuple(leaves), shape=narrow)).expanded(value.shape)

    def gather(self, value: Placed) -> View:
        """Compute a placed sum: what covers the whole first, else zeros."""
        out = self.buffer(value.shape, value.dtype)
        terms = sorted(value.terms, key=lambda term: len(term.parts) > 0)
        first = "=" if not terms[0].parts else "+="
        if terms[0].parts:
            self.fill(out, 0)
        for term, combine in zip(terms, [first, *["+="] * len(terms)], strict=False):
            place: View | None = out
            for part in term.parts:
                place = place and place.like(part)
            assert place is not None
            self.assign(place, term.value, combine)
        return out

    def assign(self, place: View, value: Formula | View, combine: str = "=") -> None:
        """`place = value`, element by element."""
        value = formula(value)
        target, *leaves = fused([place, *value.leaves])
        nest = plain_nest(target.shape)
        text = value.template.format(*(leaf.at(nest.index) for leaf in leaves))
        self.emit(nest.each([f"{target.at(nest.index)} {combine} {text};"]))
        self.work += prod(place.shape) * (1 + value.template.count("("))

    def fill(self, place: View, number: float) -> None:
        """`place = number` everywhere."""
        self.assign(place, Formula(literal(number), (), place.shape, place.dtype))

    def emit(self, lines: Sequence[str]) -> None:
        """Add the lines of one statement, which declares nothing that a later one reads."""
        self.statements.append("\n".join(lines))

    def declare(self, pointer: str, dtype: torch.dtype, given: str) -> None:
        """What is given to the function: `in[0]`, `out[1]`, `constant[2]`."""
        const = "" if given.startswith("out") else "const "
        self.declarations.append(f"{const}{C_TYPES[dtype]} *restrict {pointer} = {given};")


def literal(number: Any) -> str:
    """A Python number in C."""
    if isinstance(number, bool):
        return str(int(number))
    if isinstance(number, int):
        return f"{number}" if abs(number) < 2**31 else f"INT64_C({number})"
    if isinstance(number, float):
        if number != number:
            return "NAN"
        return repr(number) if abs(number) < inf else "INFINITY" if number > 0 else "(-INFINITY)"
    raise Unsupported(f"an argument {number!r}")


def lower(module: GraphModule, values: dict[Node, Any], name: str, lanes: int = 1, long: int = LONG) -> Function:
    """The C function of a graph, for so many chains at once; `values` holds what each node computed in one run, for its
    shape and dtype. It becomes a tape from so many lines on.

    Raises:
        Unsupported: an operation has no translation.
    """
    from mlmdsl.inference.native.indexing import INDEXING
    from mlmdsl.inference.native.linear import LINEAR
    from mlmdsl.inference.native.placed import PLACED
    from mlmdsl.inference.native.structure import STRUCTURE
    from mlmdsl.inference.native.tape import tape

    table: dict[str, Lowering] = {**STRUCTURE, **PLACED, **INDEXING, **LINEAR}
    writer = Writer(module, values, lanes)
    outputs: list[tuple[tuple[int, ...], torch.dtype]] = []
    inputs = 0
    last = _last_readers(module)
    for node in module.graph.nodes:
        if node.op == "placeholder":
            _input(writer, node, inputs)
            inputs += 1
        elif node.op == "get_attr":
            _constant(writer, node)
        elif node.op == "output":
            outputs = _outputs(writer, node)
        else:
            writer.dying = last[node]
            writer.done[node] = _translated(writer, node, table)
            writer.rooms.hold(writer.done[node])
            for read in last[node]:
                writer.rooms.release(writer.done[read])
            writer.rooms.settle()
    written = straight if sum(each.count("\n") for each in writer.statements) < long else tape
    text, constants, workspace = written(writer, name, SIGNATURE)
    return Function(name, text, constants, tuple(outputs), workspace, writer.work)


def straight(writer: Writer, name: str, signature: str) -> tuple[str, tuple[Tensor, ...], int]:
    """The text of a function whose statements stand one after the other, its constants, its workspace."""
    statements = (plain(each) for each in writer.statements)
    lines = [f"void {name}{signature}", "{", *writer.rooms.lines, *writer.declarations, *statements, "}", ""]
    return "\n".join(lines), tuple(writer.constants), writer.rooms.workspace


def _last_readers(module: GraphModule) -> dict[Node, list[Node]]:
    """For each node, what nothing after it reads."""
    last: dict[Node, list[Node]] = {}
    seen: set[Node] = set()
    for node in reversed(module.graph.nodes):
        read = dict.fromkeys([node, *node.all_input_nodes])
        last[node] = [each for each in read if each not in seen]
        seen.update(read)
    return last


def _input(writer: Writer, node: Node, position: int) -> None:
    value = writer.values[node]
    writer.declare(f"p{position}", writer.dtype(node), f"in[{position}]")
    writer.done[node] = View.contiguous(f"p{position}", value.dtype, value.shape)


def _constant(writer: Writer, node: Node) -> None:
    value = writer.values[node].contiguous()
    position = len(writer.constants)
    writer.constants.append(value)
    writer.declare(f"k{position}", writer.dtype(node), f"constant[{position}]")
    writer.done[node] = View.contiguous(f"k{position}", value.dtype, value.shape)


def _outputs(writer: Writer, node: Node) -> list[tuple[tuple[int, ...], torch.dtype]]:
    found = []
    for position, argument in enumerate(node.args[0]):  # type: ignore[arg-type]
        shape, dtype = writer.shape(argument), writer.dtype(argument)
        writer.declare(f"r{position}", dtype, f"out[{position}]")
        writer.assign(View.contiguous(f"r{position}", dtype, shape), writer.operand(argument, shape))
        found.append((shape, dtype))
    return found


def _translated(writer: Writer, node: Node, table: dict[str, Lowering]) -> Value:
    value = writer.values[node]
    if isinstance(value, Tensor) and value.numel() == 0:
        return writer.buffer(
            value.shape, writer.dtype(node)
        )  # nothing is computed, and nothing that is not there is read
    if not isinstance(node.target, torch._ops.OpOverload):
        if getattr(node.target, "__name__", "") == "getitem":
            return writer.done[node.args[0]][node.args[1]]  # type: ignore[index]
        raise Unsupported(str(node.target))
    name = node.target._schema.name.removeprefix("aten::")
    if (special := table.get(name)) is not None:
        return special(writer, node)
    if name in TEMPLATES:
        return elementwise(writer, node, name)
    raise Unsupported(str(node.target))


def elementwise(writer: Writer, node: Node, name: str) -> Value:
    shape, dtype = writer.shape(node), writer.dtype(node)
    template, arguments = _form(node, name)
    operands = [writer.operand(argument, shape) for argument in arguments]
    if name == "div" and _is_one_number(operands[1]):
        inverse = _combined("(1.0 / {0})", operands[1:], shape, torch.float64)
        template, operands[1], arguments[1] = TEMPLATES["mul"], formula(writer.keep(inverse)), None
    made = _combined(template, operands, shape, dtype)
    if _length(made.template) > LONGEST_FORMULA or len(made.leaves) > MOST_LEAVES:
        stored = [writer.stored(a) if isinstance(a, Node) else None for a in arguments]
        parts = [
            operand if view is None else formula(view.expanded(shape))
            for view, operand in zip(stored, operands, strict=True)
        ]
        made = _combined(template, parts, shape, dtype)
    return made if _is_inlined(node, shape, dtype) else writer.keep(made)


def _length(template: str) -> int:
    """Characters of a formula, marks aside."""
    return len(template) - MARKED * template.count("‹")


def _is_one_number(value: Formula) -> bool:
    """Whether many elements are one computed number."""
    return bool(value.leaves) and prod(value.shape) > 1 and not any(varies(value, k) for k in range(len(value.shape)))


def _is_inlined(node: Node, shape: tuple[int, ...], dtype: torch.dtype) -> bool:
    """Whether the one reader computes it in its own loop: rounding to the node's own type must lose nothing."""
    if len(node.users) != 1 or dtype not in (torch.float64, torch.bool):
        return False
    user = next(iter(node.users))
    if user.op == "output":
        return True
    return isinstance(user.target, torch._ops.OpOverload) and (
        user.target._schema.name.removeprefix("aten::") in TEMPLATES or user.target._schema.name in _FUSING
    )


_FUSING = frozenset({"aten::sum", "aten::mean"})


def _combined(template: str, operands: Sequence[Formula], shape: tuple[int, ...], dtype: torch.dtype) -> Formula:
    leaves: list[View] = []
    texts = []
    for operand in operands:
        places = (f"{{{len(leaves) + k}}}" for k in range(len(operand.leaves)))
        texts.append(operand.template.format(*places))
        leaves += operand.leaves
    return Formula(template.format(*texts), tuple(leaves), shape, dtype)


Form = tuple[str, list[Any]]
"""A template with its operands in the template's order."""


def _form(node: Node, name: str) -> Form:
    """The form of a call."""
    arguments, options = list(node.args), dict(node.kwargs)
    for dropped in ("dtype", "layout", "device", "pin_memory", "memory_format", "non_blocking"):
        options.pop(dropped, None)
    template, arguments = _FORMS.get(name, _plain)(TEMPLATES[name], node, arguments, options)
    if options or len(arguments) > template.count("{"):
        raise Unsupported(f"{node.target} with options")
    return template, arguments


def _plain(template: str, node: Node, arguments: list[Any], options: dict[str, Any]) -> Form:
    return template, arguments


def _scaled(template: str, node: Node, arguments: list[Any], options: dict[str, Any]) -> Form:
    """`alpha` times the second operand."""
    alpha = options.pop("alpha", arguments.pop() if len(arguments) > 2 else 1)
    if isinstance(arguments[1], int | float):
        return template, [arguments[0], alpha * arguments[1]]
    return template if alpha == 1 else template.replace("{1}", f"{literal(alpha)} * {{1}}"), arguments


def _power(template: str, node: Node, arguments: list[Any], options: dict[str, Any]) -> Form:
    named = POWERS.get(arguments[1]) if isinstance(arguments[1], int | float) else None
    return (template, arguments) if named is None else (named, arguments[:1])


def _weighted(template: str, node: Node, arguments: list[Any], options: dict[str, Any]) -> Form:
    return template, [*arguments[:3], options.pop("value", 1)]


def _filled(template: str, node: Node, arguments: list[Any], options: dict[str, Any]) -> Form:
    """Every argument of the schema."""
    named = node.target._schema.arguments[len(arguments) :]  # type: ignore[union-attr]
    return template, arguments + [options.pop(argument.name, argument.default_value) for argument in named]


def _nan_to_num(template: str, node: Node, arguments: list[Any], options: dict[str, Any]) -> Form:
    limits = torch.finfo(node.meta["val"].dtype) if "val" in node.meta else torch.finfo(torch.float64)
    given = _filled(template, node, arguments, options)[1]
    own = (0.0, limits.max, limits.min)
    return template, [
        given[0],
        *(each if each is not None else value for each, value in zip(given[1:], own, strict=True)),
    ]


def _clamped(template: str, node: Node, arguments: list[Any], options: dict[str, Any]) -> Form:
    """A bound that is not given is infinite."""
    value, low, high = _filled(template, node, arguments, options)[1]
    return template, [value, -inf if low is None else low, inf if high is None else high]


def _copied(template: str, node: Node, arguments: list[Any], options: dict[str, Any]) -> Form:
    return template, arguments[1:2]


def _first_order(template: str, node: Node, arguments: list[Any], options: dict[str, Any]) -> Form:
    if arguments[0] != 1:
        raise Unsupported(f"{node.target} of order {arguments[0]}")
    return template, arguments[1:]


def _inverted(template: str, node: Node, arguments: list[Any], options: dict[str, Any]) -> Form:
    """`~` of a truth value is its negation."""
    is_bool = node.meta["val"].dtype == torch.bool
    return TEMPLATES["logical_not"] if is_bool else template, arguments


_FORMS: dict[str, Callable[[str, Node, list[Any], dict[str, Any]], Form]] = {
    **dict.fromkeys(("add", "sub", "rsub"), _scaled),
    **dict.fromkeys(("addcmul", "addcdiv"), _weighted),
    **dict.fromkeys(("softplus", "softplus_backward"), _filled),
    "clamp": _clamped,
    "pow": _power,
    "nan_to_num": _nan_to_num,
    "copy": _copied,
    "polygamma": _first_order,
    "bitwise_not": _inverted,
}
