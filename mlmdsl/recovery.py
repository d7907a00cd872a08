"""Effects that were integrated out, drawn again: one exact draw for each kept draw of what was sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyro
import torch
from pyro import poutine
from torch import Tensor

from mlmdsl.inference.batching import at_once, over_draws, together
from mlmdsl.inference.process import alone

Values = npt.NDArray[Any]
Model = Callable[..., Any]


def recover_effects(
    collapsed: Model, target: str, samples: Mapping[str, Values], like: Tensor, seed: int
) -> dict[str, Values]:
    """The effects by name, (chain, draw, …), given the sampled sites (chain, draw, …).

    Args:
        collapsed: the program whose site `target` is a `CollapsedNormal`.
        like: a tensor of the dtype and device of the program.
    """
    flat, lead = flattened(samples, like)

    def distribution(values: Mapping[str, Tensor]) -> Any:
        return conditioned(collapsed, values).nodes[target]["fn"]

    size = distribution({name: value[0] for name, value in flat.items()}).size
    generator = torch.Generator(device=like.device).manual_seed(seed)
    noise = torch.randn(lead[0] * lead[1], size, generator=generator, dtype=like.dtype, device=like.device)

    def effects(values: Mapping[str, Tensor], each: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = distribution(values).posterior(each)
        return found

    return _as_arrays(over_draws(effects, flat, noise, step=at_once(size)), lead)


def recompute(plain: Model, names: Sequence[str], samples: Mapping[str, Values], like: Tensor) -> dict[str, Values]:
    """Deterministic sites of the plain program, given every parameter (chain, draw, …)."""
    if not names:
        return {}
    flat, lead = flattened(samples, like)

    def sites(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        nodes = conditioned(plain, values).nodes
        return {name: nodes[name]["value"] for name in names}

    largest = max(value.numel() for value in sites({name: value[0] for name, value in flat.items()}).values())
    return _as_arrays(over_draws(sites, flat, step=at_once(largest)), lead)


def flattened(samples: Mapping[str, Values], like: Tensor) -> tuple[dict[str, Tensor], tuple[int, int]]:
    """Draws (chain, draw, …) as tensors (chain · draw, …), and the numbers of chains and draws."""
    chains, draws = next(iter(samples.values())).shape[:2]
    flat = {
        name: torch.as_tensor(np.array(value)).to(like).reshape(chains * draws, *value.shape[2:])
        for name, value in samples.items()
    }
    return flat, (chains, draws)


def conditioned(model: Model, values: Mapping[str, Tensor], **data: Tensor) -> Any:
    """The trace of a model with sites at given values, and perhaps with other data."""
    with alone(), pyro.validation_enabled(False), poutine.block():
        return poutine.trace(poutine.condition(model, data=dict(values))).get_trace(**data)


def _as_arrays(parts: Iterable[tuple[int, dict[str, Tensor]]], lead: tuple[int, int]) -> dict[str, Values]:
    """The results of all draws by name, (chain, draw, …)."""
    return {name: value.reshape(*lead, *value.shape[1:]).cpu().numpy() for name, value in together(parts).items()}
