"""Steps of the sampler as machine code: tree bookkeeping and gradient of all chains, many steps in one call."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from mlmdsl.inference.graph import recorded_values, simplify
from mlmdsl.inference.metric import Metric
from mlmdsl.inference.native.build import build, header
from mlmdsl.inference.native.gradient import NativeGradient, loaded, pointers
from mlmdsl.inference.native.lower import Function, lower
from mlmdsl.inference.tree import Noise, State, Tables, drifted, leapfrog, settle

FIELDS = len(State._fields)


class NativeSteps:
    """Takes all chains through as many steps as the noise has.

    The state given is used up: its memory may hold what is returned.
    """

    def __init__(self, gradient: NativeGradient, state: State, factor: Tensor, table: Tables) -> None:
        """For states and metric factors of these shapes; compilation begins at once and is waited for at first use."""
        self.gradient = gradient
        chains, dim = state.tree_momentum.shape
        like = state.tree_momentum
        drift = _drift(state, factor)
        follow = _settle(state, factor, table, like)
        self._build = build("\n".join([header("rows.h"), drift.text, follow.text, header("driver.h")]))
        self._library: ctypes.CDLL | None = None
        self.drift, self.settle = loaded(drift), loaded(follow)
        self.chains, self.row = chains, follow.outputs[-1][0]
        self.spare = [torch.empty_like(part) for part in state]
        self.moved = like.new_empty(chains, dim), like.new_empty(chains, dim), like.new_empty(chains)

    def __call__(
        self, state: State, noise: Noise, size: Tensor, max_size: Tensor, factor: Tensor
    ) -> tuple[State, Tensor, Tensor]:
        """The next state; which chains finished at each step (step, chain); what they record (step, chain, column)."""
        if self._library is None:
            self._library = self._build.load()
        count = len(noise.momentum)
        before, spare = [part.contiguous() for part in state], self.spare
        finished = torch.empty(count, self.chains, dtype=torch.bool)
        rows = noise.momentum.new_empty(count, *self.row)
        changing = [part.contiguous() for part in noise]
        staying = [size, max_size, factor.contiguous()]
        self._library.steps(
            *self.gradient.call(self.chains, *self.moved),
            *self.drift.arguments,
            *self.settle.arguments,
            ctypes.c_int64(count),
            ctypes.c_int64(FIELDS),
            pointers(before),
            pointers(spare),
            *_listed(changing),
            ctypes.c_int64(len(staying)),
            pointers(staying),
            *_listed([finished, rows]),
        )
        result, self.spare = (before, spare) if count % 2 == 0 else (spare, before)
        return State(*result), finished, rows


def _listed(parts: Sequence[Tensor]) -> tuple[Any, ...]:
    """How many, where, and how far from one step to the next."""
    bytes_ = (ctypes.c_int64 * len(parts))(*(part[0].numel() * part.element_size() for part in parts))
    return ctypes.c_int64(len(parts)), pointers(parts), bytes_


def _drift(state: State, factor: Tensor) -> Function:
    """Where each chain moves to: q."""

    def drift(*tensors: Tensor) -> tuple[Tensor]:
        return (Metric(tensors[FIELDS]).position(drifted(State(*tensors[:FIELDS])).x),)

    return _lowered(drift, [*state, factor], "drift")


def _settle(state: State, factor: Tensor, table: Tables, like: Tensor) -> Function:
    """What follows from the gradients there."""
    chains, dim = like.shape

    def follow(*tensors: Tensor) -> tuple[Tensor, ...]:
        before, noise = State(*tensors[:FIELDS]), Noise(*tensors[FIELDS : FIELDS + 3])
        size, max_size, factor, gradient, potential = tensors[FIELDS + 3 :]
        whitened = Metric(factor).whiten(lambda _: (gradient, potential))
        after, settled = settle(before, leapfrog(before, whitened), noise, size, table._replace(max_size=max_size))
        return (*after, *settled)

    noise = Noise(torch.zeros_like(like), like.new_zeros(2, chains), like.new_ones(chains, 1))
    staying = [like.new_tensor(0.1), table.max_size, factor]
    return _lowered(follow, [*state, *noise, *staying, torch.zeros_like(like), like.new_zeros(chains)], "settle")


def _lowered(function: Callable[..., tuple[Tensor, ...]], example: Sequence[Tensor], name: str) -> Function:
    with torch.no_grad():
        graph = simplify(make_fx(function)(*example), example)
        return lower(graph, recorded_values(graph, example), name)
