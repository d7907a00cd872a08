"""One step of the sampler compiled by inductor, where `native` cannot and a run is long enough to win the time back.

A step is a few hundred operations on small tensors; recorded in one graph and compiled by inductor it costs a third
to a tenth. Compiling takes half a minute the first time, seconds once it is in inductor's cache on disk. Compiled
arithmetic rounds otherwise, so whether to compile may depend on nothing but counts: with a look at the clock or at
the cache, one seed would no longer give one set of draws.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.utils import _pytree as pytree

from mlmdsl.inference.graph import count_operations
from mlmdsl.inference.metric import Metric
from mlmdsl.inference.potential import GradientAndValue
from mlmdsl.inference.process import alone
from mlmdsl.inference.tree import Noise, Settled, State, Tables, advance

SECONDS_PER_OPERATION = 5e-6
"""What dispatching one small operation costs, measured on a CPU; an estimate, so that no clock decides."""
SECONDS_PER_KERNEL = 2e-6
"""What one small kernel of a CUDA graph takes from its start to that of the next, as a guess: no clock decides."""
BOOKKEEPING = 110
"""Operations that a step takes beside the gradient."""
UNRECORDED = 2000
"""What an evaluation of a model that could not be recorded is worth in operations."""
WORTH_COMPILING_S = 60.0
"""Compile if what is left of the run would last longer than this."""

Step = Callable[[State, Noise, Tensor, Tensor, Tensor], tuple[State, Settled]]
"""(state, noise, step size, greatest tree size, metric factor) → the next state and what settled."""


def plain_step(evaluate: GradientAndValue, table: Tables) -> Step:
    """A step, operation by operation."""

    def step(state: State, noise: Noise, size: Tensor, max_size: Tensor, factor: Tensor) -> tuple[State, Settled]:
        return advance(state, Metric(factor).whiten(evaluate), noise, size, table._replace(max_size=max_size))

    return step


def estimated_seconds(graph: GraphModule | None, each: float = SECONDS_PER_OPERATION) -> float:
    """What a step with this gradient takes if one operation takes `each`; an unrecorded one runs Pyro itself."""
    operations = UNRECORDED if graph is None else count_operations(graph)
    return (operations + BOOKKEEPING) * each


def compile_step(step: Step, arguments: tuple[Any, ...]) -> tuple[Step, str | None, float]:
    """The same step compiled for arguments of these shapes; or the step itself and a note why; and the seconds it
    took."""
    started = perf_counter()
    try:
        with alone():
            compiled = _compiled(step, arguments)
    except Exception as error:  # inductor raises its own errors, the C++ compiler's, and the operating system's
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        note = f"steps run uncompiled, some three times slower (a C++ compiler is needed to compile them): {first}"
        return step, note, perf_counter() - started
    return compiled, None, perf_counter() - started


def _compiled(step: Step, arguments: tuple[Any, ...]) -> Step:
    flat, structure = pytree.tree_flatten(arguments)

    def flattened(*tensors: Tensor) -> tuple[Tensor, ...]:
        state, settled = step(*pytree.tree_unflatten(list(tensors), structure))
        return (*state, *settled)

    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(flattened)(*flat)
    run: Callable[..., tuple[Tensor, ...]] = torch.compile(graph, dynamic=False)
    with warnings.catch_warnings():
        # inductor warns of its own deprecated calls while it lowers the graph
        warnings.simplefilter("ignore")
        run(*flat)

    def compiled(*arguments: Any) -> tuple[State, Settled]:
        tensors = run(*pytree.tree_leaves(arguments))
        return State(*tensors[: len(State._fields)]), Settled(*tensors[len(State._fields) :])

    return compiled
