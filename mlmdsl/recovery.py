"""Effects that were integrated out, drawn again: one exact draw for each kept draw of what was sampled."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyro
import torch
from pyro import poutine
from torch import Tensor

Values = npt.NDArray[Any]
Model = Callable[[], Any]


def recover_effects(
    collapsed: Model, target: str, samples: Mapping[str, Values], like: Tensor, seed: int
) -> dict[str, Values]:
    """The effects by name, (chain, draw, …), given the sampled sites (chain, draw, …).

    Args:
        collapsed: the program whose site `target` is a `CollapsedNormal`.
        like: a tensor of the dtype and device of the program.
    """
    flat, (chains, draws) = _flat(samples, like)

    def distribution(values: Mapping[str, Tensor]) -> Any:
        return _trace(collapsed, values).nodes[target]["fn"]

    size = distribution({name: value[0] for name, value in flat.items()}).size
    generator = torch.Generator(device=like.device).manual_seed(seed)
    noise = torch.randn(chains * draws, size, generator=generator, dtype=like.dtype, device=like.device)
    drawn = _mapped(lambda values, each: distribution(values).posterior(each), flat, noise)
    return {name: value.reshape(chains, draws, *value.shape[1:]).cpu().numpy() for name, value in drawn.items()}


def recompute(plain: Model, names: Sequence[str], samples: Mapping[str, Values], like: Tensor) -> dict[str, Values]:
    """Deterministic sites of the plain program, given every parameter (chain, draw, …)."""
    if not names:
        return {}
    flat, (chains, draws) = _flat(samples, like)

    def sites(values: Mapping[str, Tensor], _: Tensor) -> dict[str, Tensor]:
        nodes = _trace(plain, values).nodes
        return {name: nodes[name]["value"] for name in names}

    drawn = _mapped(sites, flat, torch.zeros(chains * draws, dtype=like.dtype, device=like.device))
    return {name: value.reshape(chains, draws, *value.shape[1:]).cpu().numpy() for name, value in drawn.items()}


def _flat(samples: Mapping[str, Values], like: Tensor) -> tuple[dict[str, Tensor], tuple[int, int]]:
    chains, draws = next(iter(samples.values())).shape[:2]
    flat = {
        name: torch.as_tensor(np.array(value)).to(like).reshape(chains * draws, *value.shape[2:])
        for name, value in samples.items()
    }
    return flat, (chains, draws)


def _trace(model: Model, values: Mapping[str, Tensor]) -> Any:
    with pyro.validation_enabled(False), poutine.block():
        return poutine.trace(poutine.condition(model, data=dict(values))).get_trace()


def _mapped(
    function: Callable[[Any, Tensor], dict[str, Tensor]], values: Mapping[str, Tensor], noise: Tensor
) -> dict[str, Tensor]:
    """A function of one draw over all of them: batched, or one by one where that cannot be."""
    with torch.no_grad(), warnings.catch_warnings():
        # vmap tells that an operation has no batching rule and runs as a loop: slower, equally right
        warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)
        try:
            return torch.func.vmap(function, randomness="different")(dict(values), noise)
        except (RuntimeError, ValueError, TypeError):
            rows = [function({n: v[k] for n, v in values.items()}, noise[k]) for k in range(len(noise))]
            return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
