"""U(q) and ∇U(q) of a model as machine code, a chain at a time."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.fx import GraphModule

from mlmdsl.inference.graph import recorded_values
from mlmdsl.inference.native.build import NoCompiler, build
from mlmdsl.inference.native.lower import Function, Unsupported, lower

MOST_STATEMENTS = 60_000
"""Lines of C beyond which a compiler takes longer than it saves (a loop that was unrolled thousands of times)."""
_EVALUATE = """
void evaluate(int64_t rows, const int64_t *row_bytes, char *q, char *g, char *u, void *const *constant, char *work)
{
    for (int64_t row = 0; row < rows; row++) {
        void *in = q + row * row_bytes[0], *out[2] = {g + row * row_bytes[1], u + row * row_bytes[2]};
        gradient(&in, out, constant, work);
    }
}
"""


def pointers(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """The addresses of contiguous tensors, which must outlive the array."""
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))


@dataclass
class Loaded:
    """A function of a library with what it reads: `arguments` are its constants and workspace."""

    constants: tuple[Tensor, ...]
    room: Tensor
    arguments: tuple[ctypes.Array[ctypes.c_void_p], ctypes.c_void_p] = field(init=False)

    def __post_init__(self) -> None:
        self.arguments = pointers(self.constants), ctypes.c_void_p(self.room.data_ptr())


def loaded(function: Function) -> Loaded:
    """Room for a function to work in, aligned to cache lines by torch's allocator."""
    return Loaded(function.constants, torch.empty(function.workspace + 64, dtype=torch.uint8))


class NativeGradient:
    """q (chain, D) → ∇U(q) (chain, D), U(q) (chain,), by compiled code.

    Raises:
        Unsupported: the graph has an operation without a translation, or too many.
        NoCompiler: C cannot be compiled here.
    """

    def __init__(self, graph: GraphModule, q: Tensor) -> None:
        """From the graph of (q (D,)) → (∇U (D,), U ()), with an example of q."""
        function = lower(graph, recorded_values(graph, [q]), "gradient")
        if function.text.count("\n") > MOST_STATEMENTS:
            raise Unsupported(f"{function.text.count(chr(10))} statements")
        self.function, self.dtype, self.dim = function, q.dtype, len(q)
        self.row_bytes = (ctypes.c_int64 * 3)(*(size * q.element_size() for size in (self.dim, self.dim, 1)))
        self._build = build(function.text + _EVALUATE)
        self._library: ctypes.CDLL | None = None
        self.part = loaded(function)

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

    def __call__(self, q: Tensor) -> tuple[Tensor, Tensor]:
        q = q.contiguous()
        gradient, value = torch.empty_like(q), q.new_empty(len(q))
        places = (ctypes.c_void_p(tensor.data_ptr()) for tensor in (q, gradient, value))
        self.library.evaluate(ctypes.c_int64(len(q)), self.row_bytes, *places, *self.part.arguments)
        return gradient, value
