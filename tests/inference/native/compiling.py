"""Tensor functions as C, many in one library: for tests of the translation."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from mlmdsl.inference.graph import recorded_values, simplify
from mlmdsl.inference.native.build import build
from mlmdsl.inference.native.gradient import pointers
from mlmdsl.inference.native.lower import Function, lower

Case = tuple[Callable[..., Any], Sequence[Tensor]]


def lowered(function: Callable[..., Any], inputs: Sequence[Tensor], name: str) -> Function:
    """The C function of a function of tensors."""

    def several(*tensors: Tensor) -> tuple[Tensor, ...]:
        found = function(*tensors)
        return found if isinstance(found, tuple) else (found,)

    functional = torch.func.functionalize(several, remove="mutations")
    graph = make_fx(lambda *tensors: functional(*tensors))(*inputs)
    graph = simplify(graph, inputs)
    return lower(graph, recorded_values(graph, inputs), name)


def outputs(cases: Mapping[str, Case]) -> dict[str, tuple[Tensor, ...]]:
    """What the compiled form of each case computes, from one library for all."""
    functions = {key: lowered(function, inputs, f"f{k}") for k, (key, (function, inputs)) in enumerate(cases.items())}
    library = build("\n".join(function.text for function in functions.values())).load()
    return {key: _called(library, function, cases[key][1]) for key, function in functions.items()}


def _called(library: ctypes.CDLL, function: Function, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    held = [tensor.contiguous() for tensor in inputs]
    found = [torch.empty(shape, dtype=dtype) for shape, dtype in function.outputs]
    room = torch.empty(function.workspace + 64, dtype=torch.uint8)
    arguments = pointers(held), pointers(found), pointers(function.constants), ctypes.c_void_p(room.data_ptr())
    getattr(library, function.name)(*arguments)
    return tuple(found)
