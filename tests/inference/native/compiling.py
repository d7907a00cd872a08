"""Tensor functions as C, many in one library: for tests of the translation.

With several lanes each gets arguments of its own, the floating-point ones a little smaller from lane to lane.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from mlmdsl.inference.graph import recorded_values, simplify
from mlmdsl.inference.native.build import build
from mlmdsl.inference.native.gradient import heads, pointers
from mlmdsl.inference.native.lower import LONG, Function, lower

Case = tuple[Callable[..., Any], Sequence[Tensor]]
Found = list[tuple[Sequence[Tensor], tuple[Tensor, ...]]]
"""For each lane, the arguments and what the compiled function made of them."""


def lowered(
    function: Callable[..., Any], inputs: Sequence[Tensor], name: str, lanes: int = 1, long: int = LONG
) -> Function:
    """The C function of a function of tensors."""

    def several(*tensors: Tensor) -> tuple[Tensor, ...]:
        found = function(*tensors)
        return found if isinstance(found, tuple) else (found,)

    functional = torch.func.functionalize(several, remove="mutations")
    graph = make_fx(lambda *tensors: functional(*tensors))(*inputs)
    graph = simplify(graph, inputs)
    return lower(graph, recorded_values(graph, inputs), name, lanes, long)


def outputs(cases: Mapping[str, Case], lanes: int = 1, long: int = LONG) -> dict[str, Found]:
    """What the compiled form of each case computes, from one library for all; those of so many lines are tapes."""
    functions = {key: lowered(*case, f"f{k}", lanes, long) for k, (key, case) in enumerate(cases.items())}
    text = heads(torch.float64, lanes) + "\n".join(function.text for function in functions.values())
    library = build(text).load()
    return {key: _called(library, function, cases[key][1], lanes) for key, function in functions.items()}


def _called(library: ctypes.CDLL, function: Function, inputs: Sequence[Tensor], lanes: int) -> Found:
    given = [[_shrunk(tensor, lane) for tensor in inputs] for lane in range(lanes)]
    held = [torch.stack(each, -1) for each in zip(*given, strict=True)]
    found = [torch.empty(*shape, lanes, dtype=dtype) for shape, dtype in function.outputs]
    room = torch.empty(function.workspace * lanes + 64, dtype=torch.uint8)
    arguments = pointers(held), pointers(found), pointers(function.constants), ctypes.c_void_p(room.data_ptr())
    getattr(library, function.name)(*arguments)
    return [(given[lane], tuple(each[..., lane] for each in found)) for lane in range(lanes)]


def _shrunk(tensor: Tensor, lane: int) -> Tensor:
    return tensor * (1 - lane / 64) if tensor.is_floating_point() else tensor
