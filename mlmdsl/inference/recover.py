"""From the sampler's vectors back to what the model calls them.

A sampler keeps only unconstrained vectors. The model is run once more over all kept draws together, which gives the
constrained latent sites and every deterministic site, whatever the number of leapfrogs was.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mlmdsl.inference.batching import at_once, over_draws, together
from mlmdsl.inference.draws import Array
from mlmdsl.inference.process import IsolatedRandomness
from mlmdsl.inference.sites import Sites


def recover(sites: Sites, positions: Tensor, seed: int = 0) -> dict[str, Array]:
    """The sites at `positions` (chain, draw, D): arrays (chain, draw, *site shape), in the order of the trace."""
    chains, draws, dim = positions.shape
    flat = positions.reshape(-1, dim)
    with IsolatedRandomness(seed):
        with torch.no_grad():
            size = sum(value.numel() for value in sites.constrained(flat[0]).values())
        values = together(over_draws(sites.constrained, flat, step=at_once(size)))
    return {name: value.reshape(chains, draws, *value.shape[1:]).cpu().numpy() for name, value in values.items()}
