"""The operations of a function and of its gradient, written down as they run.

`make_fx` does this for every kind of tensor and size, and imports half of a compiler to do it: a second and a half of a run
that takes three. For one tensor of known size it is enough to listen to what the dispatcher is given, autograd's part
included. What depends on no input is computed and not written down, so data and their shapes fold away at once.

A write into a tensor is noted as a new value of it. Views do not see that; so a record is to be held against the function
itself, at points that it was not made from, and `make_fx` is there for what this cannot do.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Interpreter, Node
from torch.fx.graph import PythonCode
from torch.nn.functional import pad
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from mlmdsl.inference.stores import Stores

_aten = torch.ops.aten


class NotRecordable(Exception):
    """The function is no straight line of operations: its course depends on values."""


_COMPOSED = (
    *(_aten.log_sigmoid_forward, _aten.log_sigmoid_backward, _aten._softmax, _aten._softmax_backward_data),
    *(_aten._log_softmax, _aten._log_softmax_backward_data, _aten.logsumexp, _aten.logit_backward),
)
"""Operations that are written down as those they are made of."""


@cache
def _parts(operation: Any) -> Callable[..., Any]:
    """What computes a composed operation from others."""
    from torch._decomp import get_decompositions

    return get_decompositions([operation])[operation]


Function = Callable[[Tensor], Tensor]
Differentiated = Callable[[Tensor], tuple[Tensor, Tensor]]


def by_autograd(function: Function, q: Tensor) -> tuple[Tensor, Tensor]:
    """∇f(q) and f(q)."""
    with torch.enable_grad():
        at = q.detach().requires_grad_()
        value = function(at)
        (gradient,) = torch.autograd.grad(value, at)
    return gradient, value.detach()


class _CumulativeProduct(torch.autograd.Function):
    """yₖ = ∏_{j≤k} xⱼ along the last dimension, and a gradient that is the same straight line for every x.

    torch's own asks first whether some xⱼ is 0. With g = ∂/∂y, ∂/∂xᵢ = (∏_{j<i} xⱼ) sᵢ where sᵢ = gᵢ + xᵢ₊₁ sᵢ₊₁: nothing is
    divided, so it is exact at 0 as well. The recurrence is solved by doubling: after r rounds sᵢ holds the terms up to 2ʳ ahead.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = x.cumprod(-1)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, y = ctx.saved_tensors
        (s,) = gradients
        factor, reach = _ahead(x, 1), 1
        while reach < x.shape[-1]:
            s, factor = s + factor * _ahead(s, reach), factor * _ahead(factor, reach)
            reach *= 2
        return s * pad(y[..., :-1], (1, 0), value=1)


def _ahead(x: Tensor, distance: int) -> Tensor:
    """(xᵢ₊ₖ)ᵢ for a distance k, 0 where the dimension ends."""
    return pad(x[..., distance:], (0, distance))


def _cumprod(x: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    x = x if dtype is None else x.to(dtype)
    if x.ndim == 0:
        return x.clone()
    product: Tensor = _CumulativeProduct.apply(x.movedim(dim, -1))  # type: ignore[no-untyped-call]
    return product.movedim(-1, dim)


def _mvlgamma(x: Tensor, p: int) -> Tensor:
    """log Γₚ(x) = p(p − 1)/4 · log π + Σ_{j<p} log Γ(x − j/2)."""
    halves = torch.arange(p, dtype=x.dtype, device=x.device) / 2
    return torch.lgamma(x[..., None] - halves).sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


_STRAIGHT = {
    **dict.fromkeys((torch.cumprod, Tensor.cumprod), _cumprod),
    **dict.fromkeys((torch.mvlgamma, Tensor.mvlgamma, torch.special.multigammaln), _mvlgamma),
}


class _Straightened(TorchFunctionMode):
    """Functions that look at values by ones that do not, and nor do their gradients; reads of what a loop wrote by what it
    wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.stores = Stores()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is Tensor.__getitem__ and (kept := self.stores.read(*args)) is not None:
            return kept
        result = _STRAIGHT.get(func, func)(*args, **kwargs)
        if func is torch.index_put:
            self.stores.wrote(result, *args, **kwargs)
        elif func is Tensor.reshape:
            self.stores.reshaped(result, args[0])
        return result


def record(function: Function, q: Tensor) -> GraphModule:
    """The graph of q (D,) → (∇f (D,), f ()).

    Raises:
        NotRecordable: a value decides what is done next, or chance does.
    """
    recorder = _Recorder(q)
    with recorder, _Straightened():
        gradient, value = by_autograd(function, recorder.q)
    recorder.graph.output((recorder.node(gradient), recorder.node(value)))
    return Recorded(recorder.constants, recorder.graph)


class Recorded(GraphModule):
    """A graph that is run some few times, node by node: to write it out as Python would take longer than to record it."""

    def recompile(self) -> PythonCode:
        """Nothing: there is no Python code."""
        return PythonCode("", {}, None)

    def forward(self, *inputs: Tensor) -> Any:
        """What the graph computes."""
        return Interpreter(self).run(*inputs)


def trace(function: Function, q: Tensor) -> GraphModule:
    """The same by `make_fx`: for functions that write into views, and gradients with other forms for tracers."""
    from torch._decomp import get_decompositions
    from torch.fx.experimental.proxy_tensor import make_fx

    parts: Any = get_decompositions(_COMPOSED)
    return make_fx(functional(torch.func.grad_and_value(function)), decomposition_table=parts)(q)


def functional(differentiated: Differentiated) -> Differentiated:
    """The same function without writing into tensors."""

    def unwritten(q: Tensor) -> tuple[Tensor, Tensor]:
        result: tuple[Tensor, Tensor] = torch.func.functionalize(differentiated, remove="mutations")(q)
        return result

    return unwritten


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, q: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.graph, self.constants = Graph(), torch.nn.Module()
        self.q = q.clone()
        self.nodes: dict[int, Node] = {}
        self.indivisible: set[Any] = set()
        self.alive: list[Tensor] = []  # an identity is a tensor's only while it lives
        self._bind(self.q, self.graph.placeholder("q"))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not self._is_written(args) and not self._is_written(kwargs):
            return func(*args, **kwargs)
        if func.overloadpacket in _COMPOSED:
            with self:
                return _parts(func)(*args, **kwargs)
        if func not in self.indivisible:
            with self:
                if (made := func.decompose(*args, **kwargs)) is not NotImplemented:
                    return made
            self.indivisible.add(func)
        if func is _aten._local_scalar_dense.default or torch.Tag.nondeterministic_seeded in func.tags:
            raise NotRecordable(f"{func} of what is sampled")
        target = _functional(func)
        operands, options = self._operands(args), self._operands(kwargs)
        result = func(*args, **kwargs)
        node = self.graph.call_function(target, operands, options)
        node.meta["val"] = result
        if isinstance(result, Tensor):
            self._bind(result, node)
        else:
            for k, part in enumerate(result):
                self._bind(part, self.graph.call_function(operator.getitem, (node, k)))
        return result

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Skipping it would import it: half a second. Nothing is compiled in here."""
        return False

    def _bind(self, tensor: Tensor, node: Node) -> None:
        self.nodes[id(tensor)] = node
        self.alive.append(tensor)

    def _is_written(self, value: Any) -> bool:
        """Whether a tensor that depends on the input is among an operation's arguments."""
        if isinstance(value, Tensor):
            return id(value) in self.nodes
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, list | tuple):
            return False
        return any(map(self._is_written, value))

    def _operands(self, value: Any) -> Any:
        """An operation's arguments, with nodes for tensors."""
        if isinstance(value, Tensor):
            return self.node(value)
        if isinstance(value, dict):
            return {name: self._operands(each) for name, each in value.items()}
        return type(value)(map(self._operands, value)) if isinstance(value, list | tuple) else value

    def node(self, tensor: Tensor) -> Node:
        """What computes a tensor; one that depends on no input is a constant."""
        if id(tensor) not in self.nodes:
            name = f"constant{len(self.alive)}"
            self.constants.register_buffer(name, tensor.detach())
            self._bind(tensor, self.graph.get_attr(name))
        return self.nodes[id(tensor)]


def _functional(func: Any) -> Any:
    """An operation itself, or what computes the new value of the tensor that it writes into."""
    if not func._schema.is_mutable:
        return func
    name = func._schema.name.removeprefix("aten::")
    packet = getattr(_aten, name.removesuffix("_"), None)
    if not name.endswith("_") or func._overloadname not in (packet.overloads() if packet else ()):
        raise NotRecordable(f"{func} writes into a tensor")
    return getattr(packet, func._overloadname)
