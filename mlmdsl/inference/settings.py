"""What both kernels are told and what both give back, before sites get their names again."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mlmdsl.inference.draws import Array, Remark

INITIAL_TRIES = 1000
"""How many points are tried as the first of a chain before the model is held to be wrong."""
RAISED_TARGET = 0.95
ENOUGH_DRAWS = 4
"""Draws a chain must have for an interrupted run to be worth keeping."""


@dataclass(frozen=True)
class Settings:
    """How long and how carefully to sample; `tune` and `draws` count transitions of one chain."""

    chains: int
    draws: int
    tune: int
    seed: int = 0
    target_accept: float = 0.8
    max_depth: int = 10
    raises_target: bool = False
    """Whether the target goes up to RAISED_TARGET where transitions diverge late in warm-up."""


@dataclass(frozen=True)
class Raw:
    """What a kernel found: unconstrained positions (chain, draw, D), (chain, draw) stats, and what it took."""

    positions: Tensor
    stats: dict[str, Array]
    warmup_s: float
    sample_s: float
    gradient_evaluations: float
    interrupted: bool = False
    compile_s: float = 0.0
    remarks: tuple[Remark, ...] = ()
    thin: int = 1
