"""The potential energy of many chains and its gradient, as one straight line of tensor operations.

Pyro pays for its handlers, and autograd for its tape, at every evaluation. Here the model runs once, is recorded and cut
down by `graph.simplify`: for one chain, to be translated to C (`record_gradient`), or where that cannot be, as `vmap` of
`grad_and_value` over the chains (`build_potential`). What is left evaluates U(q) = −log π(q) and ∇U(q) with some hundred
operations.

A model whose course depends on its values cannot be recorded (the record would hold one course for ever), so a record
is believed only if it agrees with the model at points it was not made from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import GraphModule

from mlmdsl.inference.batching import silent_vmap
from mlmdsl.inference.graph import agree, simplify
from mlmdsl.inference.process import IsolatedRandomness, alone
from mlmdsl.inference.record import Function, NotRecordable, by_autograd, functional, record
from mlmdsl.inference.sites import Sites

GradientAndValue = Callable[[Tensor], tuple[Tensor, Tensor]]
"""q (chain, D) → ∇U(q) (chain, D) and U(q) (chain,)."""


class NotVectorizable(Exception):
    """The model cannot be run for many chains at once; the message says why."""


@dataclass(frozen=True)
class Potential:
    """∇U and U for a fixed number of chains. `graph` is the recorded graph, None where the model could not be
    recorded."""

    evaluate: GradientAndValue
    graph: GraphModule | None
    note: str | None = None


def build_potential(sites: Sites, chains: int, seed: int = 0) -> Potential:
    """Batch the model over `chains` and record it.

    A model that can be batched but not recorded runs batched, with a note that says why; one that cannot be batched
    raises NotVectorizable.
    """
    points = _points(sites, chains, seed)
    batched = torch.func.vmap(torch.func.grad_and_value(sites.potential))
    _check_batched(sites, batched, points)
    try:
        graph = _record(batched, points)
        with torch.no_grad():
            found, wanted = graph(-points), batched(-points)
    except Exception as error:  # make_fx raises whatever the model's operations raise under tracing
        return Potential(_quiet(batched), None, f"the model runs unrecorded, which is slower: {_first_line(error)}")
    if not agree(found, wanted):
        return Potential(
            _quiet(batched), None, "the model runs unrecorded, which is slower: its course depends on values"
        )
    return Potential(graph, graph)


def record_gradient(
    sites: Sites, seed: int = 0, how: Callable[[Function, Tensor], GraphModule] = record
) -> tuple[GraphModule, Tensor]:
    """The graph of q (D,) → (∇U (D,), U ()) for one chain, and the q that it was recorded at.

    Raises NotRecordable where the model cannot be recorded, or the record does not hold elsewhere.
    """
    points = _points(sites, 3, seed)
    try:
        with alone():
            graph = how(sites.potential, points[0])
        with torch.no_grad():
            graph = simplify(graph, [points[0]])
            found = [graph(q) for q in -points]
        wanted = [by_autograd(sites.potential, q) for q in -points]
    except Exception as error:  # whatever the model's operations raise
        raise NotRecordable(_first_line(error)) from error
    if not all(agree(each, exact) for each, exact in zip(found, wanted, strict=True)):
        raise NotRecordable("the model's course depends on values")
    return graph, points[0]


def _record(batched: GradientAndValue, points: Tensor) -> GraphModule:
    from torch.fx.experimental.proxy_tensor import make_fx  # a second and a half, which few runs need

    with alone(), silent_vmap():
        graph = make_fx(functional(batched))(points)
    with torch.no_grad():
        return simplify(graph, [points])


def _check_batched(sites: Sites, batched: GradientAndValue, points: Tensor) -> None:
    """Raise NotVectorizable unless the batched model gives at two points what the plain one gives."""
    try:
        with silent_vmap():
            gradient, value = batched(points)
    except Exception as error:  # whatever the model's own operations raise under vmap
        raise NotVectorizable(_first_line(error)) from error
    for row in range(min(2, len(points))):
        wanted = torch.func.grad_and_value(sites.potential)(points[row])
        if not agree((gradient[row], value[row]), wanted):
            raise NotVectorizable("run for many chains at once, it gives another density than run for one")


def _points(sites: Sites, chains: int, seed: int) -> Tensor:
    with IsolatedRandomness(seed):
        return torch.rand(chains, sites.dim, dtype=sites.dtype, device=sites.device) * 4 - 2


def _quiet(batched: GradientAndValue) -> GradientAndValue:
    def evaluate(q: Tensor) -> tuple[Tensor, Tensor]:
        with silent_vmap():
            return batched(q)

    return evaluate


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
