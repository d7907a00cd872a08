"""From the sampler's vectors back to what the model calls them.

A sampler keeps only unconstrained vectors. The model is run once more over all kept draws together (`vmap`, in chunks),
which gives the constrained latent sites and every deterministic site, whatever the number of leapfrogs was.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mlmdsl.inference.draws import Array
from mlmdsl.inference.potential import silent_vmap
from mlmdsl.inference.sites import Sites, isolated_randomness

CHUNK_NUMBERS = 20_000_000
"""How many numbers a chunk of recovered draws may hold (160 MB in double precision)."""


def recover(sites: Sites, positions: Tensor, seed: int = 0) -> dict[str, Array]:
    """The sites at `positions` (chain, draw, D): arrays (chain, draw, *site shape), in the order of the trace."""
    chains, draws, dim = positions.shape
    flat = positions.reshape(-1, dim)
    with torch.no_grad(), isolated_randomness(seed):
        try:
            values = _batched(sites, flat)
        except (RuntimeError, ValueError, TypeError):  # what vmap raises where a model cannot be batched
            values = _one_by_one(sites, flat)
    return {name: value.reshape(chains, draws, *value.shape[1:]).cpu().numpy() for name, value in values.items()}


def _batched(sites: Sites, flat: Tensor) -> dict[str, Tensor]:
    size = sum(value.numel() for value in sites.constrained(flat[0]).values())
    chunk = max(1, CHUNK_NUMBERS // max(size, 1))
    with silent_vmap():
        batched = torch.func.vmap(sites.constrained, randomness="different")
        parts = [batched(part) for part in torch.split(flat, chunk)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _one_by_one(sites: Sites, flat: Tensor) -> dict[str, Tensor]:
    rows = [sites.constrained(q) for q in flat]
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
