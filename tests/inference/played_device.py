"""A second device without one: every operation on its tensors is computed on the CPU, and none may meet a CPU tensor.

    python -m tests.inference.played_device SPEC MARGINALIZE FILE

samples a shipped spec there and writes the draws, the log likelihoods and what waited for the host within steps to
FILE (npz). Only a process of its own may do this: a device once registered stays.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.fx.experimental import proxy_tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map, tree_map_only

NAME = "elsewhere"
SETTINGS: dict[str, Any] = {"seed": 3, "chains": 3, "draws": 4, "tune": 10, "max_depth": 3}
ROWS = {"log_likelihood": True, "predictive": True}
_aten = torch.ops.aten
_CPU = torch.device("cpu")
_MAY_MEET = {_aten.copy_.default, _aten.index.Tensor, _aten._to_copy.default, _aten._index_put_impl_.default}
"""Operations that CUDA too does with tensors of two devices."""
_WAITS = {_aten._local_scalar_dense.default, _aten.nonzero.default, _aten._linalg_check_errors.default}
"""Operations whose result, or its shape, the host has to know before it goes on."""

waited: list[str] = []
"""Operations that made the host wait, as they came."""


class OnDevice(torch.Tensor):
    """A tensor of the device; `raw` is where its numbers are."""

    raw: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> OnDevice:
        form = {"strides": raw.stride(), "storage_offset": raw.storage_offset(), "dtype": raw.dtype}
        made: OnDevice = torch.Tensor._make_wrapper_subclass(cls, raw.size(), **form, device=f"{NAME}:0")
        return made

    def __init__(self, raw: torch.Tensor) -> None:
        self.raw = raw

    def tolist(self) -> Any:
        return self.raw.tolist()

    def as_subclass(self, cls: type) -> Any:
        return type(cls.__name__, (cls, OnDevice), {})(self.raw)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        leaves = [leaf for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)]
        if func not in _MAY_MEET and any(not isinstance(leaf, OnDevice) and leaf.ndim > 0 for leaf in leaves):
            raise RuntimeError(f"{func}: tensors of two devices")
        fetched = func is _aten._to_copy.default and kwargs.get("device") == _CPU
        masked = func is _aten.index.Tensor and any(leaf.dtype == torch.bool for leaf in leaves[1:])
        if func in _WAITS or fetched or masked:
            waited.append(str(func))
        made = func(*tree_map(_raw, args), **tree_map(_raw, kwargs))
        if fetched:
            return made
        there = tree_map_only(torch.Tensor, OnDevice, made)
        return return_and_correct_aliasing(func, args, kwargs, there) if _aliases(func) else there


@cache
def _aliases(func: Any) -> bool:
    """Whether a result shares memory with an argument."""
    return any(each.alias_info is not None for each in func._schema.returns)


def _raw(value: Any) -> Any:
    if isinstance(value, torch.device):
        return _CPU
    return value.raw if isinstance(value, OnDevice) else value


class _Makers(TorchDispatchMode):
    """Tensors that are made on the device, or brought there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        there = str(kwargs.get("device")).startswith(NAME)
        if there and not any(isinstance(leaf, OnDevice) for leaf in tree_leaves(args)):
            return OnDevice(func(*args, **{**kwargs, "device": _CPU}))
        return func(*args, **kwargs)


class _Generator(torch.Generator):
    """A generator of the CPU, wherever it is wanted: the device has none."""

    def __new__(cls, device: Any = None) -> _Generator:
        return super().__new__(cls)


def register() -> None:
    """Make the device known to torch."""
    from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

    _setup_privateuseone_for_python_backend(NAME)
    for name in ("empty.memory_format", "empty_strided.default"):
        _implement(name, _making(name))
    _implement("_copy_from.default", _copy)
    proxy_tensor.HANDLED_TYPES = (*proxy_tensor.HANDLED_TYPES, OnDevice)
    _Makers().__enter__()


def _implement(name: str, what: Callable[..., Any]) -> None:
    torch.library.impl("aten::" + name.removesuffix(".default"), "privateuseone")(what)


def _making(name: str) -> Callable[..., Any]:
    packet, overload = name.split(".")
    operation = getattr(getattr(_aten, packet), overload)
    return lambda *args, **kwargs: OnDevice(operation(*args, **{**kwargs, "device": _CPU}))


def _copy(source: torch.Tensor, target: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
    _raw(target).copy_(_raw(source))
    return target


def sampled(spec: str, marginalize: str, device: str) -> dict[str, Any]:
    """The draws of each parameter, the log likelihoods and the predictions of a short run."""
    import mlmdsl

    fit = mlmdsl.load(spec).bind().sample(marginalize=marginalize, device=device, **SETTINGS, **ROWS)
    rows = {"log likelihood": fit.log_likelihood, "prediction": fit.posterior_predictive}
    of_rows = {f"{what} {name}": each.values for what, found in rows.items() for name, each in found.items()}
    return {**fit.values, **of_rows}


def main(arguments: Sequence[str]) -> None:
    spec, marginalize, file = arguments
    from mlmdsl.inference import centring
    from mlmdsl.inference.engine import TensorEngine

    centring.PILOTS = tuple(replace(pilot, draws=2, tune=3, max_depth=2) for pilot in centring.PILOTS)
    register()
    on_cpu = sampled(spec, marginalize, "cpu")
    torch.Generator = _Generator  # type: ignore[misc]
    one_by_one = TensorEngine._one_by_one
    within: list[str] = []

    def watched(self: TensorEngine, *tensors: torch.Tensor) -> Any:
        before = len(waited)
        results = one_by_one(self, *tensors)
        within.extend(waited[before:])
        return results

    TensorEngine._one_by_one = watched  # type: ignore[method-assign]
    there = sampled(spec, marginalize, NAME)
    pairs = {
        f"{place} {name}": value for place, of in (("cpu", on_cpu), ("there", there)) for name, value in of.items()
    }
    np.savez(file, waited=np.array(within, str), **pairs)


if __name__ == "__main__":
    main(sys.argv[1:])
