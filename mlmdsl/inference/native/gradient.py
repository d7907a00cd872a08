"""U(q) and ∇U(q) of a model as machine code, for one chain or several at a time."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from mlmdsl.inference.graph import agree, recorded_values
from mlmdsl.inference.native.build import NoCompiler, build, header
from mlmdsl.inference.native.layout import C_TYPES
from mlmdsl.inference.native.lower import Unsupported, lower

MOST_THREADS = 64
"""As `threads.h` has it."""
CACHE_LINE = ALIGNMENT = 64
LANES = 8
"""Chains of a group that is evaluated at once: as many doubles as the widest vectors have."""
LONG = 1024
"""Tensors of more numbers fill vectors by themselves, and for several chains at once they would fill the caches too."""
MOST_STATEMENTS = 60_000
"""Lines of C beyond which a compiler takes longer than it saves (a loop that was unrolled thousands of times)."""
MANY = 64
"""Chains whose steps win back the time that a compiler takes to unroll loops."""
UNROLLED = '#pragma GCC optimize("O3")\n'
SHARED_WORK = 1_000_000
"""Operations of a call beyond which threads share them: starting a thread costs some ten thousand."""


def heads(dtype: torch.dtype, lanes: int) -> str:
    """What generated C relies on, for numbers of a type."""
    kind = f"#define LANES {lanes}\ntypedef {C_TYPES[dtype]} real;\n"
    return kind + header("lanes.h") + header("threads.h")


def pointers(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """The addresses of contiguous tensors, which must outlive the array; of an empty one, some address that is not 0."""
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() or ALIGNMENT for tensor in tensors))


def processors() -> int:
    """How many threads may run: `OMP_NUM_THREADS`, else the processors that this process may use."""
    if (named := os.environ.get("OMP_NUM_THREADS", "")).isdigit():
        return max(1, int(named))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lanes_for(values: Mapping[Node, Any], chains: int) -> int:
    """How many chains are evaluated at once; `values` are those of a recorded gradient.

    Eight lanes take no longer than four chains one by one.
    """
    computed = (value for node, value in values.items() if node.op == "call_function" and isinstance(value, Tensor))
    longest = max((value.numel() for value in computed), default=0)
    return LANES if 2 * chains >= LANES and longest <= LONG else 1


class NativeGradient:
    """q (chain, D) → ∇U(q) (chain, D), U(q) (chain,), by compiled code.

    Raises:
        Unsupported: the graph has an operation without a translation, or too many.
        NoCompiler: C cannot be compiled here.
    """

    def __init__(self, graph: GraphModule, q: Tensor, chains: int) -> None:
        """From the graph of q (D,) → (∇U (D,), U ()), with an example of q."""
        values = recorded_values(graph, [q])
        self.lanes = lanes_for(values, chains)
        function = lower(graph, values, "gradient", self.lanes)
        if function.text.count("\n") > MOST_STATEMENTS:
            raise Unsupported(f"{function.text.count(chr(10))} statements")
        self.function, self.dtype, self.dim = function, q.dtype, len(q)
        text = heads(q.dtype, self.lanes) + (UNROLLED if chains >= MANY else "") + function.text + header("rows.h")
        self._build = build(text)
        self._library: ctypes.CDLL | None = None
        self.most_threads = min(processors(), MOST_THREADS, -(-chains // self.lanes))
        numbers = self.lanes * (function.workspace + (2 * self.dim + 1) * q.element_size())
        self.room_bytes = (1 - -numbers // CACHE_LINE) * CACHE_LINE
        self._room = torch.empty(self.most_threads * self.room_bytes, dtype=torch.uint8)
        self._constants = pointers(function.constants)

    def threads(self, evaluations: int) -> int:
        """How many threads share so many evaluations of one call."""
        return self.most_threads if evaluations * self.function.work > SHARED_WORK else 1

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
        with torch.no_grad():
            for row, point in enumerate(points):
                for found, wanted in zip((gradient[row], value[row]), graph(point), strict=True):
                    scale = wanted.abs().max().clamp(min=1)
                    if not agree([found / scale], [wanted / scale]):
                        raise NoCompiler("compiled code computes something else than the model")

    @property
    def addresses(self) -> tuple[int | None, int, int]:
        """Where the function is, its constants, and its workspaces: `room_bytes` for each thread."""
        function = ctypes.cast(self.library.gradient, ctypes.c_void_p).value
        return function, ctypes.addressof(self._constants), self._room.data_ptr()

    def __call__(self, q: Tensor) -> tuple[Tensor, Tensor]:
        q = q.contiguous()
        gradient, value = torch.empty_like(q), q.new_empty(len(q))
        sizes = (self.room_bytes, self.threads(len(q)), len(q), self.dim)
        places = (tensor.data_ptr() for tensor in (q, gradient, value))
        self.library.evaluate(
            *map(ctypes.c_void_p, self.addresses), *map(ctypes.c_int64, sizes), *map(ctypes.c_void_p, places)
        )
        return gradient, value
