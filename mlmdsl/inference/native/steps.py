"""Steps of the sampler as machine code: `tree.h`, one library for all models of a number type and of as many lanes."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping

import torch
from torch import Tensor

from mlmdsl.inference.native.build import build, header
from mlmdsl.inference.native.gradient import NativeGradient, heads
from mlmdsl.inference.tree import COLUMNS, State

VECTORS = 6
"""Vectors of length D, for each lane, that a thread works in."""


class _State(ctypes.Structure):
    """`struct state`: where the fields lie."""

    _fields_ = [(name, ctypes.c_void_p) for name in State._fields]


_NUMBERS = ("work_bytes", "threads", "count", "chains", "dim", "levels", "dense")
_ARRAYS = ("keys", "finished", "rows", "scratch")


class _Run(ctypes.Structure):
    """`struct run`."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("gradient", "constant", "work")),
        *((name, ctypes.c_int64) for name in _NUMBERS),
        *((name, ctypes.c_void_p) for name in ("step_size", "max_size", "factor")),
        ("all", _State),
        *((name, ctypes.c_void_p) for name in _ARRAYS),
    ]


class NativeSteps:
    """Takes all chains through some steps. The state given is changed."""

    def __init__(self, gradient: NativeGradient) -> None:
        """Compilation begins at once, if the library is not there yet; `ready` waits for it."""
        self.gradient = gradient
        text = heads(gradient.dtype, gradient.lanes) + header("noise.h") + header("tree.h")
        self._build = build(text)
        self._steps: ctypes._CFuncPtr | None = None  # type: ignore[name-defined]
        vectors = gradient.most_threads * VECTORS * gradient.lanes
        self._scratch = torch.empty(vectors * gradient.dim, dtype=gradient.dtype)
        self._rows = torch.empty(0, dtype=gradient.dtype)

    def ready(self) -> None:
        """Wait for the library. Raises NoCompiler where it cannot be made."""
        self._steps = self._build.load().steps

    def __call__(
        self, state: State, keys: Tensor, count: int, size: Tensor, max_size: Tensor, factor: Tensor
    ) -> tuple[State, Tensor, Tensor]:
        """The state after `count` steps; which chains finished at each step (step, chain); what these record (step,
        chain, column), undefined where none finished, and until the next call. `size` and `max_size`: one for all
        chains or one for each. `keys` decides what chance does: an integer for each chain, see `noise.h`."""
        if self._steps is None:
            self.ready()
        assert self._steps is not None
        chains, dim = state.tree_momentum.shape
        shape = (count, chains, len(COLUMNS) + 2 * dim)
        if self._rows.shape != shape:  # fresh memory for each call would cost as much as the steps of many chains
            self._rows = self._rows.new_empty(shape)
        state = State(*(part.contiguous() for part in state))
        arrays = {
            "keys": keys.contiguous(),
            "finished": torch.empty(count, chains, dtype=torch.bool),
            "rows": self._rows,
            "scratch": self._scratch,
            "factor": factor.contiguous(),
            "step_size": size.expand(chains).contiguous(),
            "max_size": max_size.expand(chains).contiguous(),
        }
        numbers = (count, chains, dim, state.checkpoints.shape[1], int(factor.ndim == 2))
        self._steps(ctypes.byref(self._run(state, arrays, numbers)))
        return state, arrays["finished"], self._rows

    def _run(self, state: State, arrays: Mapping[str, Tensor], numbers: tuple[int, ...]) -> _Run:
        """The argument of `steps`: addresses of tensors that must outlive the call."""
        threads = self.gradient.threads(numbers[0] * numbers[1])
        run = _Run(*self.gradient.addresses, self.gradient.room_bytes, threads, *numbers)
        for name, part in arrays.items():
            setattr(run, name, part.data_ptr())
        for name, part in state._asdict().items():
            setattr(run.all, name, part.data_ptr())
        return run
