"""A traced function cut down to what its inputs decide.

Tracing a Pyro model records everything that ran: distributions that check shapes, gradients of ones, terms of data
alone, the same expression in three places. Small tensors cost dispatch and not arithmetic, so each operation left out
is time won at every step. `simplify` removes them without changing a rounding: constants are computed once,
operations that return their argument are dropped, equal expressions are shared, and what nothing reads is deleted.

Non-Goals: algebra that would change rounding, fusion (that is what a compiler is for).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

_aten = torch.ops.aten

# their value depends on the shape of the argument alone, and shapes are fixed in a traced graph
_SHAPE_ONLY = frozenset(
    {
        _aten.zeros_like.default,
        _aten.ones_like.default,
        _aten.full_like.default,
        _aten.new_zeros.default,
        _aten.new_ones.default,
        _aten.new_full.default,
    }
)
# they return their first argument where shape and dtype stay the same
_SAME_IF_SHAPE = frozenset(
    {
        _aten.detach.default,
        _aten.alias.default,
        _aten.clone.default,
        _aten.lift_fresh_copy.default,
        _aten._to_copy.default,
        _aten.expand.default,
        _aten.view.default,
        _aten._unsafe_view.default,
        _aten.reshape.default,
        _aten.squeeze.dim,
        _aten.slice.Tensor,
        _aten.slice_backward.default,
    }
)
SMALL = 1024
"""Constants of up to this many elements are compared by value, to share those that are equal."""


def simplify(module: GraphModule, example: Sequence[Tensor]) -> GraphModule:
    """The same function of the same inputs with fewer operations; `module` is changed in place and returned.

    A graph that writes into tensors or draws random numbers is returned as it is: none of the steps would be safe.
    """
    _view_anew(module)
    if not is_pure(module):
        return module
    values = recorded_values(module, example)
    _fold_constants(module, values)
    _number_masks(module, values)
    _drop_checks(module)
    _drop_identities(module, values)
    _share(module)
    module.graph.eliminate_dead_code()
    _read_before_writing(module)
    module.graph.lint()
    _forget_unused(module)
    module.recompile()
    return module


_VIEWS_IN_PLACE = ("squeeze_", "unsqueeze_", "transpose_", "t_")


def _view_anew(module: GraphModule) -> None:
    """Let operations that change a tensor's shape in place return a view: a product with a vector records such ones."""
    for node in list(module.graph.nodes):
        if not isinstance(node.target, torch._ops.OpOverload):
            continue
        name, source = node.target._schema.name.removeprefix("aten::"), node.args[0] if node.args else None
        if name in _VIEWS_IN_PLACE and isinstance(source, Node):
            later = [user for user in source.users if user is not node and user > node]
            node.target = getattr(getattr(_aten, name.removesuffix("_")), node.target._overloadname)
            for user in later:
                user.replace_input_with(source, node)
    module.recompile()


class _Recorder(Interpreter):
    """Runs a graph once and keeps what every node computed."""

    def __init__(self, module: GraphModule) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.values: dict[Node, Any] = {}

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        self.values[n] = value
        return value


def recorded_values(module: GraphModule, example: Sequence[Tensor]) -> dict[Node, Any]:
    """What each node of a graph computes for these inputs."""
    recorder = _Recorder(module)
    recorder.run(*example)
    return recorder.values


def agree(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> bool:
    """Whether two forms of one function gave the same: sums in another order, and so rounding, are all that may differ."""
    tolerance = 1e-8 if wanted[0].dtype == torch.float64 else 1e-3
    return all(
        torch.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True) for a, b in zip(found, wanted, strict=True)
    )


def _forget_unused(module: GraphModule) -> None:
    used = {node.target for node in module.graph.nodes if node.op == "get_attr"}
    for name, _ in list(module.named_buffers()):
        if name not in used:
            delattr(module, name)


def is_pure(module: GraphModule) -> bool:
    """Whether a graph draws no random numbers and writes into no tensors but constants that it made itself."""
    constant: set[Node] = set()
    for node in module.graph.nodes:
        fixed = node.op == "get_attr" or node.op == "call_function" and all(a in constant for a in node.all_input_nodes)
        if fixed:
            constant.add(node)
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        if torch.Tag.nondeterministic_seeded in node.target.tags:
            return False
        if node.target._schema.is_mutable and not (fixed and all(a.op != "get_attr" for a in node.all_input_nodes[:1])):
            return False
    return True


def _fold_constants(module: GraphModule, values: dict[Node, Any]) -> None:
    constant: set[Node] = set()
    known: dict[Any, str] = {}
    for node in list(module.graph.nodes):
        value = values.get(node)
        if node.op == "get_attr" or node.op == "call_function" and _is_fixed(node, constant):
            constant.add(node)
        if node in constant and isinstance(value, Tensor) and any(user not in constant for user in node.users):
            name = known.setdefault(_fingerprint(value), f"_folded{len(known)}")
            module.register_buffer(name, value.detach())
            with module.graph.inserting_before(node):
                replacement = module.graph.get_attr(name)
            values[replacement] = value
            constant.add(replacement)
            node.replace_all_uses_with(replacement)
    for node in reversed(list(module.graph.nodes)):
        if node.op == "call_function" and node in constant and not node.users:
            module.graph.erase_node(node)  # what writes into a constant is kept otherwise


def _is_fixed(node: Node, constant: set[Node]) -> bool:
    return node.target in _SHAPE_ONLY or all(argument in constant for argument in node.all_input_nodes)


def _fingerprint(value: Tensor) -> Any:
    if value.numel() > SMALL or not value.dtype.is_floating_point:
        return id(value)
    content = value.detach().cpu().contiguous().numpy().tobytes()
    return value.dtype, value.shape, value.stride(), content


def _number_masks(module: GraphModule, values: dict[Node, Any]) -> None:
    """Index by numbers where a constant mask says the same: a mask is counted out at every call, and no compiler
    takes it."""
    for node in list(module.graph.nodes):
        if node.target not in (_aten.index.Tensor, _aten.index_put.default):
            continue
        indices: list[Any] = []
        for index in node.args[1]:
            is_mask = isinstance(index, Node) and index.op == "get_attr" and values[index].dtype == torch.bool
            indices += _numbers(module, node, values, index) if is_mask else [index]
        node.update_arg(1, indices)


def _numbers(module: GraphModule, user: Node, values: dict[Node, Any], mask: Node) -> list[Node]:
    nodes = []
    for dim, positions in enumerate(values[mask].nonzero(as_tuple=True)):
        name = f"{mask.target}_dim{dim}"
        module.register_buffer(name, positions)
        with module.graph.inserting_before(user):
            nodes.append(module.graph.get_attr(name))
        values[nodes[-1]] = positions
    return nodes


def _drop_checks(module: GraphModule) -> None:
    """Let a factorisation fail silently: it raises for all rows of a batch where one row fails."""
    for node in list(module.graph.nodes):
        if node.target is _aten._linalg_check_errors.default:
            module.graph.erase_node(node)


def _drop_identities(module: GraphModule, values: dict[Node, Any]) -> None:
    for node in list(module.graph.nodes):
        if node.op != "call_function" or not isinstance(values[node], Tensor):
            continue
        source = _equal_argument(node, values)
        if source is not None and _looks_same(values[source], values[node]):
            node.replace_all_uses_with(source)


def _equal_argument(node: Node, values: dict[Node, Any]) -> Node | None:
    """The argument whose value the node returns, were its shape the same; None where it computes something."""
    first = node.args[0] if node.args else None
    if not isinstance(first, Node):
        return None
    if node.target in _SAME_IF_SHAPE:
        return first
    if node.target is _aten.sum.dim_IntList:
        return _unreduced(node, first, values)
    if node.target is _aten.permute.default:
        return first if list(_sequence(node.args[1])) == list(range(values[first].ndim)) else None
    if node.target is _aten.pow.Tensor_Scalar:
        return first if node.args[1] == 1 else None
    if node.target in (_aten.mul.Tensor, _aten.div.Tensor):
        return _beside_constant(node, values, 1.0)
    if node.target in (_aten.mul.Scalar, _aten.div.Scalar):
        return first if node.args[1] == 1 else None
    if node.target in (_aten.add.Tensor, _aten.sub.Tensor) and not node.kwargs:
        return _beside_constant(node, values, 0.0)
    return None


def _unreduced(node: Node, source: Node, values: dict[Node, Any]) -> Node | None:
    """What a sum over dimensions of length one returns; the sum of an `unsqueeze` returns what was unsqueezed."""
    if any(values[source].shape[dim] != 1 for dim in _sequence(node.args[1])):
        return None
    if source.target is _aten.unsqueeze.default and isinstance(source.args[0], Node):
        return source.args[0]
    return source


def _sequence(dims: Any) -> Sequence[int]:
    return dims if isinstance(dims, list | tuple) and dims else [0]


def _beside_constant(node: Node, values: dict[Node, Any], neutral: float) -> Node | None:
    left, right = node.args[:2]
    if isinstance(left, Node) and _is_constant(right, values, neutral):
        return left
    commutes = node.target in (_aten.mul.Tensor, _aten.add.Tensor)
    if commutes and isinstance(right, Node) and _is_constant(left, values, neutral):
        return right
    return None


def _is_constant(argument: Any, values: dict[Node, Any], wanted: float) -> bool:
    if isinstance(argument, Node):
        return argument.op == "get_attr" and bool((values[argument] == wanted).all())
    return isinstance(argument, int | float) and argument == wanted


def _looks_same(source: Any, value: Tensor) -> bool:
    if not isinstance(source, Tensor):
        return False
    # a view downstream may need the strides that the dropped operation gave
    same_layout = source.shape == value.shape and source.stride() == value.stride()
    return same_layout and source.dtype == value.dtype and source.device == value.device


def _share(module: GraphModule) -> None:
    seen: dict[Any, Node] = {}
    for node in list(module.graph.nodes):
        if node.op not in ("call_function", "get_attr"):
            continue
        key = node.op, node.target, _hashable(node.args), _hashable(node.kwargs)
        if (first := seen.setdefault(key, node)) is not node:
            node.replace_all_uses_with(first)


def _read_before_writing(module: GraphModule) -> None:
    """Read a tensor before a new value of it is made, where autograd did so after: then the new one can take its place."""
    for node in list(module.graph.nodes):
        if node.target is not _aten.index_put.default:
            continue
        for reader in [user for user in node.args[0].users if user > node]:
            inputs = reader.all_input_nodes
            if all(each < node or each.op == "get_attr" for each in inputs):
                for each in (*(each for each in inputs if each > node), reader):
                    node.prepend(each)


def _hashable(value: Any) -> Any:
    """Lists and dicts as tuples; numbers with their type, since 1 and 1.0 and True are equal but not the same."""
    if isinstance(value, list | tuple):
        return tuple(_hashable(item) for item in value)
    if isinstance(value, dict):
        return tuple((key, _hashable(item)) for key, item in sorted(value.items()))
    if isinstance(value, slice):
        return slice, value.start, value.stop, value.step
    return value if isinstance(value, Node) else (type(value), value)


def count_operations(module: GraphModule) -> int:
    """How many operations a graph performs."""
    return sum(node.op == "call_function" for node in module.graph.nodes)
