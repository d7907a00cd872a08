"""U(q) and ∇U(q) of a model as machine code, a chain at a time."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.fx import GraphModule

from mlmdsl.inference.graph import recorded_values
from mlmdsl.inference.native.build import NoCompiler, build, header
from mlmdsl.inference.native.lower import Unsupported, lower

MOST_THREADS = 64
"""As `threads.h` has it."""
CACHE_LINE = 64
MOST_STATEMENTS = 60_000
"""Lines of C beyond which a compiler takes longer than it saves (a loop that was unrolled thousands of times)."""
SHARED_WORK = 300_000
"""Operations of all chains beyond which threads share them: starting a thread costs some ten thousand."""


def pointers(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """The addresses of contiguous tensors, which must outlive the array."""
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


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
        self._build = build(header("threads.h") + function.text + header("rows.h"))
        self._library: ctypes.CDLL | None = None
        self.threads = min(processors(), MOST_THREADS, chains) if chains * function.work > SHARED_WORK else 1
        self.room_bytes = function.workspace + CACHE_LINE
        self._room = torch.empty(self.threads * self.room_bytes, dtype=torch.uint8)
        self._constants = pointers(function.constants)

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

    @property
    def addresses(self) -> tuple[int | None, int, int]:
        """Where the function is, its constants, and its workspaces: `room_bytes` for each of `threads`."""
        function = ctypes.cast(self.library.gradient, ctypes.c_void_p).value
        return function, ctypes.addressof(self._constants), self._room.data_ptr()

    def __call__(self, q: Tensor) -> tuple[Tensor, Tensor]:
        q = q.contiguous()
        gradient, value = torch.empty_like(q), q.new_empty(len(q))
        sizes = (self.room_bytes, self.threads, len(q), self.dim, q.element_size())
        places = (tensor.data_ptr() for tensor in (q, gradient, value))
        self.library.evaluate(
            *map(ctypes.c_void_p, self.addresses), *map(ctypes.c_int64, sizes), *map(ctypes.c_void_p, places)
        )
        return gradient, value
