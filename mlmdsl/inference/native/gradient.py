"""U(q) and ∇U(q) of a model as machine code, a chain at a time."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from mlmdsl.inference.graph import recorded_values
from mlmdsl.inference.native.build import NoCompiler, build, header
from mlmdsl.inference.native.lower import Function, Unsupported, lower

MOST_THREADS = 64
MOST_STATEMENTS = 60_000
"""Lines of C beyond which a compiler takes longer than it saves (a loop that was unrolled thousands of times)."""
SHARED_WORK = 300_000
"""Operations of all chains beyond which threads share them: starting a thread costs some ten thousand."""


def pointers(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """The addresses of contiguous tensors, which must outlive the array."""
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


@dataclass
class Loaded:
    """A function of a library with what it reads: `arguments` are its constants and its workspace, one for each thread."""

    constants: tuple[Tensor, ...]
    room: Tensor
    arguments: tuple[ctypes.Array[ctypes.c_void_p], ctypes.c_void_p] = field(init=False)

    def __post_init__(self) -> None:
        self.arguments = pointers(self.constants), ctypes.c_void_p(self.room.data_ptr())


def loaded(function: Function, threads: int = 1) -> Loaded:
    """Room for a function to work in, aligned to cache lines by torch's allocator."""
    return Loaded(function.constants, torch.empty(threads * room_bytes(function), dtype=torch.uint8))


def room_bytes(function: Function) -> int:
    """The workspace of one thread, in whole cache lines."""
    return function.workspace + 64


def processors() -> int:
    """How many threads may run: `OMP_NUM_THREADS`, else the processors that this process may use."""
    if (named := os.environ.get("OMP_NUM_THREADS", "")).isdigit():
        return max(1, int(named))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class NativeGradient:
    """q (chain, D) → ∇U(q) (chain, D), U(q) (chain,), by compiled code.

    Raises:
        Unsupported: the graph has an operation without a translation, or too many.
        NoCompiler: C cannot be compiled here.
    """

    def __init__(self, graph: GraphModule, q: Tensor, chains: int) -> None:
        """From the graph of q (D,) → (∇U (D,), U ()), with an example of q."""
        function = lower(graph, recorded_values(graph, [q]), "gradient")
        if function.text.count("\n") > MOST_STATEMENTS:
            raise Unsupported(f"{function.text.count(chr(10))} statements")
        self.function, self.dtype, self.dim = function, q.dtype, len(q)
        self.row_bytes = (ctypes.c_int64 * 3)(*(size * q.element_size() for size in (self.dim, self.dim, 1)))
        self._build = build(function.text + header("rows.h"))
        self._library: ctypes.CDLL | None = None
        self.threads = min(processors(), MOST_THREADS) if chains * function.work > SHARED_WORK else 1
        self.part = loaded(function, self.threads)

    @property
    def library(self) -> ctypes.CDLL:
        """The library, once it is made."""
        if self._library is None:
            self._library = self._build.load()
        return self._library

    def verify(self, graph: GraphModule, q: Tensor) -> None:
        """Hold the compiled code against the graph it was made from, at q (D,).

        Raises:
            NoCompiler: they differ by more than rounding.
        """
        points = torch.stack([q, -q, q / 3])
        gradient, value = self(points)
        tolerance = 1e-8 if q.dtype == torch.float64 else 1e-3
        with torch.no_grad():
            for row, point in enumerate(points):
                for found, wanted in zip((gradient[row], value[row]), graph(point), strict=True):
                    scale = wanted.abs().max().clamp(min=1)
                    if not torch.allclose(
                        found / scale, wanted / scale, rtol=tolerance, atol=tolerance, equal_nan=True
                    ):
                        raise NoCompiler("compiled code computes something else than the model")

    def call(self, rows: int, *places: Tensor) -> tuple[Any, ...]:
        """The arguments of `evaluate` (`rows.h`) for rows of q, ∇U and U at these places."""
        return (
            self.library.gradient,
            *self.part.arguments,
            ctypes.c_int64(room_bytes(self.function)),
            ctypes.c_int64(self.threads),
            ctypes.c_int64(rows),
            self.row_bytes,
            *(ctypes.c_void_p(place.data_ptr()) for place in places),
        )

    def __call__(self, q: Tensor) -> tuple[Tensor, Tensor]:
        q = q.contiguous()
        gradient, value = torch.empty_like(q), q.new_empty(len(q))
        self.library.evaluate(*self.call(len(q), q, gradient, value))
        return gradient, value
