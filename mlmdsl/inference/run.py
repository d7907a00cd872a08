"""One call from a Pyro model to draws, whichever kernel draws them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from mlmdsl.inference.draws import Draws, Kernel, Phase, Progress, ProgressCallback, UnsupportedModel
from mlmdsl.inference.recover import recover
from mlmdsl.inference.sites import Sites, read_sites
from mlmdsl.inference.stock import Raw, Settings, sample_stock

__all__ = ["Draws", "Kernel", "Phase", "Progress", "UnsupportedModel", "sample"]


def sample(
    model: Callable[[], Any],
    *,
    chains: int | None = None,
    draws: int | None = None,
    tune: int | None = None,
    seed: int = 0,
    kernel: Kernel = "vectorized",
    target_accept: float = 0.8,
    max_depth: int = 10,
    progress: ProgressCallback | None = None,
    checkpoint: Path | None = None,
    resume: Path | None = None,
) -> Draws:
    """Draw from the posterior of a Pyro model that takes no arguments (its data are closed over).

    `draws` and `tune` count transitions of one chain. The same seed on the same machine gives the same draws,
    whatever `progress` does. An interrupt while sampling returns what was drawn; during warm-up it propagates.
    Raises UnsupportedModel for discrete latent sites and ValueError where no starting point has a finite density.
    """
    sites = read_sites(model, seed)
    settings = _settings(chains, draws, tune, seed, target_accept, max_depth)
    return _finished(sites, settings, sample_stock(sites, settings, progress), "pyro")


def _settings(
    chains: int | None, draws: int | None, tune: int | None, seed: int, target_accept: float, max_depth: int
) -> Settings:
    chains = 4 if chains is None else chains
    draws = -(-4000 // chains) if draws is None else draws
    tune = draws if tune is None else tune
    return Settings(chains, draws, tune, seed, target_accept, max_depth)


def _finished(sites: Sites, settings: Settings, raw: Raw, kernel: str) -> Draws:
    started = perf_counter()
    samples = recover(sites, raw.positions, settings.seed)
    chains, draws, _ = raw.positions.shape
    return Draws(
        samples=samples,
        stats=raw.stats,
        warmup_s=raw.warmup_s,
        sample_s=raw.sample_s,
        recover_s=perf_counter() - started,
        compile_s=raw.compile_s,
        gradient_evaluations=raw.gradient_evaluations,
        kernel=kernel,
        warnings=raw.warnings,
        interrupted=raw.interrupted,
        chains=chains,
        draws=draws,
        tune=settings.tune,
    )
