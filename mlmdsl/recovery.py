"""Effects that were integrated out, drawn again: one exact draw for each kept draw of what was sampled."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyro
import torch
from pyro import poutine
from torch import Tensor

Values = npt.NDArray[Any]
Model = Callable[..., Any]

CHUNK = 2**22
"""Entries that are computed at once: 32 MiB of numbers, whatever the rows and draws."""


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
    return _together(mapped(lambda values, each: distribution(values).posterior(each), flat, noise), lead)


def recompute(plain: Model, names: Sequence[str], samples: Mapping[str, Values], like: Tensor) -> dict[str, Values]:
    """Deterministic sites of the plain program, given every parameter (chain, draw, …)."""
    if not names:
        return {}
    flat, lead = flattened(samples, like)

    def sites(values: Mapping[str, Tensor], _: Tensor) -> dict[str, Tensor]:
        nodes = conditioned(plain, values).nodes
        return {name: nodes[name]["value"] for name in names}

    largest = max(value.numel() for value in sites({name: value[0] for name, value in flat.items()}, like).values())
    return _together(mapped(sites, flat, like.new_zeros(lead[0] * lead[1]), max(1, CHUNK // max(largest, 1))), lead)


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
    with pyro.validation_enabled(False), poutine.block():
        return poutine.trace(poutine.condition(model, data=dict(values))).get_trace(**data)


def mapped(
    function: Callable[[Any, Tensor], dict[str, Tensor]],
    values: Mapping[str, Tensor],
    noise: Tensor,
    step: int | None = None,
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """A function of one draw over all of them, `step` at a time: the first draw of each part, and its results.

    A part is batched, or one by one where that cannot be.
    """
    for start in range(0, len(noise), step or len(noise)):
        part = slice(start, start + (step or len(noise)))
        yield start, _batched(function, {name: value[part] for name, value in values.items()}, noise[part])


def _batched(
    function: Callable[[Any, Tensor], dict[str, Tensor]], values: Mapping[str, Tensor], noise: Tensor
) -> dict[str, Tensor]:
    with torch.no_grad(), warnings.catch_warnings():
        # vmap tells that an operation has no batching rule and runs as a loop: slower, equally right
        warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)
        # and, of batched binomial draws with one set of parameters, that it made room for them
        warnings.filterwarnings("ignore", message="An output with one or more elements", category=UserWarning)
        try:
            return torch.func.vmap(function, randomness="different")(dict(values), noise)
        except (RuntimeError, ValueError, TypeError):
            rows = [function({n: v[k] for n, v in values.items()}, noise[k]) for k in range(len(noise))]
            return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def _together(parts: Iterable[tuple[int, dict[str, Tensor]]], lead: tuple[int, int]) -> dict[str, Values]:
    """The results of all draws by name, (chain, draw, …)."""
    found = [results for _, results in parts]
    whole = {name: torch.cat([results[name] for results in found]).cpu() for name in found[0]}
    return {name: value.reshape(*lead, *value.shape[1:]).numpy() for name, value in whole.items()}
