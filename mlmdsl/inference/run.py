"""One call from a Pyro model to draws, whichever kernel draws them.

The default layout of the vectorised kernel is 8 chains of 500 draws. Measured on two cores, means of twelve seeds; tune is a
chain's, ESS and R-hat are the worst of all parameters. The varying-intercept model of the cheese data, not marginalised, and
the varying-slope model, marginalised, whose posterior is the hardest to mix in of the four:

                                     varying intercept                     varying slope
    chains × draws   tune     time    ESS    R-hat   ESS/s         time    ESS    R-hat   ESS/s
          4 × 1000    800   0.18 s   1450    1.004    8200       0.18 s    780    1.005    4400
          8 × 500     400   0.10 s   1390    1.008   14300       0.10 s    810    1.009    7900
         16 × 250     200   0.12 s   1200    1.015   10200       0.10 s    880    1.019    9000
         32 × 125     100   0.11 s   1200    1.028   12400       0.08 s    840    1.032   10600

A step of eight chains costs what one of four does (`native/lanes.h`), and beyond that time grows with the chains. R-hat of short
chains is noisy and cannot be told from bad mixing. Eight chains are the most whose R-hat stays near 1.01 or below when nothing
is wrong, and they can share up to eight processors where a gradient is expensive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from mlmdsl.inference.centring import Centring, Learned, centred
from mlmdsl.inference.checkpoint import Keeper, identity, read_about, read_checkpoint, verify_origin
from mlmdsl.inference.draws import Draws, Kernel, Phase, Progress, ProgressCallback, Remark, UnsupportedModel
from mlmdsl.inference.engine import build_engine
from mlmdsl.inference.potential import NotVectorizable
from mlmdsl.inference.recover import recover
from mlmdsl.inference.sampler import Lengthen, Sampler
from mlmdsl.inference.settings import Raw, Settings
from mlmdsl.inference.sites import Sites, read_sites
from mlmdsl.inference.stock import sample_stock

__all__ = ["Draws", "Kernel", "Phase", "Progress", "Remark", "UnsupportedModel", "sample"]

TOTAL_DRAWS = 4000
CHAINS = {"vectorized": 8, "pyro": 4}
TARGET = 0.8
POOLED_TUNE = 3200
"""Warm-up transitions that all chains of the vectorised kernel make together by default."""


def sample(
    model: Callable[[], Any],
    *,
    chains: int | None = None,
    draws: int | None = None,
    tune: int | None = None,
    seed: int = 0,
    kernel: Kernel = "vectorized",
    target_accept: float | None = None,
    max_depth: int = 10,
    lengthen: Lengthen | None = None,
    progress: ProgressCallback | None = None,
    checkpoint: Path | None = None,
    resume: Path | None = None,
    centring: Mapping[str, Centring] | None = None,
    origin: Mapping[str, str] | None = None,
) -> Draws:
    """Draw from the posterior of a Pyro model that takes no arguments (its data are closed over).

    `draws` and `tune` count transitions of one chain. Without them a run yields 4 000 draws, by the vectorised kernel
    as 8 × 500. The same seed on the same machine gives the same draws, whatever `progress` does. `checkpoint` is a
    file written as the run goes; `resume` is such a file: the run continues from it and ends with the draws it would
    have had uninterrupted. `centring` names location-scale sites and how each is sampled: centred, not centred, or
    `auto`, by what the data say of each of its elements in a short run before the warm-up (`inference.centring`). `origin`
    tells models and data apart, a fingerprint by the name of each: a run is resumed only with those that it began with.

    Without `target_accept` the target is 0.8, and 0.95 where transitions diverge late in warm-up (`remarks` says so).
    `lengthen` is called with the unconstrained draws (chain, draw, D) once all are there, and says how many times as
    long the vectorised run should be, and within how many seconds by an estimate from counts of operations; one transition
    of so many is then kept.

    An interrupt while sampling returns what was drawn, once each chain has a few draws; during warm-up it propagates.
    A model that cannot be run for many chains at once is sampled by the stock kernel, and `remarks` says why.

    Raises UnsupportedModel for discrete latent sites, ValueError for settings out of range, for a checkpoint of
    another run, and where no starting point has a finite density.
    """
    known: Mapping[str, Any] = {}
    if resume is not None:
        verify_origin(resume, origin or {})
        known = read_about(resume).get("centring", {})
    sites = read_sites(model, seed)
    learned = centred(sites, centring or {}, seed, progress, known)
    sites = replace(sites, centring=learned.evidence)
    settings = choose_settings(kernel, chains, draws, tune, seed, target_accept, max_depth)
    if kernel == "vectorized":
        try:
            raw = _vectorized(sites, settings, progress, checkpoint, resume, lengthen, origin or {})
            return after_pilot(finished(sites, settings, raw, "vectorized"), learned)
        except NotVectorizable as reason:
            if resume is not None:
                raise ValueError(f"{resume} cannot be resumed: {reason}") from None
            settings = choose_settings("pyro", chains, draws, tune, seed, target_accept, max_depth)
            note = Remark(
                "stock_kernel",
                f"the stock Pyro kernel was used, since the model cannot be run for many chains at once: {reason}",
            )
            drawn = finished(sites, settings, sample_stock(sites, settings, progress), "pyro", (note,))
            return after_pilot(drawn, learned)
    if checkpoint is not None or resume is not None:
        raise ValueError("the stock Pyro kernel writes no checkpoints: use the vectorized kernel")
    return after_pilot(finished(sites, settings, sample_stock(sites, settings, progress), "pyro"), learned)


def after_pilot(drawn: Draws, learned: Learned) -> Draws:
    """The draws with how centred their sites were, and what it took to learn that."""
    return replace(
        drawn,
        compile_s=drawn.compile_s + learned.compile_s,
        warmup_s=drawn.warmup_s + learned.seconds,
        gradient_evaluations=drawn.gradient_evaluations + learned.gradients,
        centring={name: share.cpu().numpy() for name, share in learned.shares.items()},
    )


def choose_settings(
    kernel: Kernel,
    chains: int | None,
    draws: int | None,
    tune: int | None,
    seed: int,
    target_accept: float | None,
    max_depth: int,
) -> Settings:
    """Fill in what was not asked for. Raises ValueError, naming the setting, for one out of range."""
    chains = CHAINS[kernel] if chains is None else chains
    counts = {"chains": chains, "draws": draws, "max_depth": max_depth}
    for name, value in counts.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    if tune is not None and tune < 0:
        raise ValueError(f"tune must not be negative, but is {tune}")
    if target_accept is not None and not 0 < target_accept < 1:
        raise ValueError(f"target_accept must be between 0 and 1, not {target_accept}")
    draws = -(-TOTAL_DRAWS // chains) if draws is None else draws
    if tune is None:
        tune = min(1000, max(100, -(-POOLED_TUNE // chains))) if kernel == "vectorized" else 1000
    raises = target_accept is None and kernel == "vectorized"
    return Settings(chains, draws, tune, seed, TARGET if target_accept is None else target_accept, max_depth, raises)


def _vectorized(
    sites: Sites,
    settings: Settings,
    progress: ProgressCallback | None,
    checkpoint: Path | None,
    resume: Path | None,
    lengthen: Lengthen | None,
    origin: Mapping[str, str],
) -> Raw:
    started = perf_counter()
    engine = build_engine(sites, settings)
    built_s = perf_counter() - started - engine.compile_s
    like = torch.empty(0, dtype=sites.dtype, device=sites.device)
    about = {} if checkpoint is None and resume is None else identity(sites, settings, origin)
    keeper = None if checkpoint is None else Keeper(checkpoint, about)
    sampler = Sampler(sites.dim, like, settings, engine, progress, keeper, lengthen)
    session = sampler.begin() if resume is None else read_checkpoint(resume, about, like)
    try:
        raw = sampler.run(session)
    finally:  # an interrupt too leaves a run that can be resumed
        if keeper is not None and sampler.stepper.between_blocks:
            keeper.write(session)
    remarks = () if keeper is None else keeper.remarks
    return replace(raw, compile_s=raw.compile_s + built_s, remarks=raw.remarks + remarks)


def finished(sites: Sites, settings: Settings, raw: Raw, kernel: Kernel, remarks: tuple[Remark, ...] = ()) -> Draws:
    """Give the draws the names and shapes of the model's sites."""
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
        remarks=raw.remarks + remarks,
        interrupted=raw.interrupted,
        chains=chains,
        draws=draws,
        tune=settings.tune,
        thin=raw.thin,
    )
