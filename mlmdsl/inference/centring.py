"""In which coordinates a location-scale site is sampled: as it is, not centred, or by what the data say of its elements.

The evidence of the data (`inference.recentring`) is learned from two short pilot runs, the first with the sites not
centred, the second by what the first found. Around each draw the log density of the data is taken for a parabola in x:

    i = ∂²U/∂x² − 1/s²,    b = i·x + (x − μ)/s² − ∂U/∂x,    U = −log π,

with the curvature by central differences of the gradient along a random direction ±1 through the site (Hutchinson's
estimate of a Hessian's diagonal, exact where elements do not interact). Where s is small the curvature is the prior's, and
what is left beyond it is rounding; so draws count by s² / (s² + its median).

A chain of a pilot that has not come near the posterior yet would speak of slopes that are no part of it, so chains far below
the best one are not heard. Their heights are compared with all sites not centred: where a scale is small, the density of
a centred site is high whatever its mass.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, Literal

import torch
from torch import Tensor

from mlmdsl.inference.batching import silent_vmap
from mlmdsl.inference.draws import Progress, ProgressCallback
from mlmdsl.inference.engine import build_engine
from mlmdsl.inference.meeting import FAR, HOPELESS
from mlmdsl.inference.potential import GradientAndValue, NotVectorizable
from mlmdsl.inference.recentring import Evidence, location_and_scale
from mlmdsl.inference.sampler import Sampler
from mlmdsl.inference.settings import Raw, Settings
from mlmdsl.inference.sites import Site, Sites

Centring = Literal["auto", "centred", "noncentred"]

PILOTS = (Settings(chains=8, draws=10, tune=50, max_depth=6), Settings(chains=8, draws=30, tune=60, max_depth=7))
"""The first need only come near the posterior, the second sees it."""


@dataclass(frozen=True)
class Learned:
    """The evidence for each site that is not sampled as it is; of all, how centred each is; what it took to learn:
    seconds without compiling, those of compiling, and
    gradients of each chain."""

    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    shares: Mapping[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    compile_s: float = 0.0
    gradients: float = 0.0


def centred(
    sites: Sites,
    wanted: Mapping[str, Centring],
    seed: int,
    progress: ProgressCallback | None = None,
    known: Mapping[str, Any] | None = None,
) -> Learned:
    """The coordinates of each site in `wanted`: what it says, what is `known` of one that is `auto`, or learned.

    The same seed learns the same. Where a pilot cannot be run, since the model cannot be run for many chains at once,
    sites are not centred.

    Raises:
        ValueError: there is no such site. NotLocationScale: it has one form only.
    """
    if not wanted:
        return Learned()
    started = perf_counter()
    _verify(sites, wanted)
    names = [name for name, choice in wanted.items() if choice == "auto"]
    chosen = [site for site in sites.latent if site.name in wanted]
    evidence = {site.name: _none(site, sites) for site in chosen if wanted[site.name] != "centred"}
    taken = _taken(sites, known or {}, names)
    freed: Mapping[str, Evidence] = {**evidence, **taken}
    compile_s, gradients = 0.0, 0.0
    if len(taken) < len(names):
        freed, compile_s, gradients = _piloted(replace(sites, centring=freed), names, seed, progress)
    shares = {site.name: _none(site, sites).share + 1 for site in chosen}
    shares |= {name: each.share for name, each in freed.items()}
    seconds = perf_counter() - started - compile_s if names else 0.0
    return Learned(freed, shares, seconds, compile_s, gradients)


def _verify(sites: Sites, wanted: Collection[str]) -> None:
    """Raise ValueError unless each site is there and has a location and a scale."""
    known = [site.name for site in sites.latent]
    for name in wanted:
        if name not in known:
            raise ValueError(f"there is no site {name!r} whose centring could be chosen: {', '.join(known)}")
    for fn in sites.distributions(torch.zeros(sites.dim, dtype=sites.dtype, device=sites.device), wanted).values():
        location_and_scale(fn)


def _none(site: Site, sites: Sites) -> Evidence:
    zeros = torch.zeros(site.shape, dtype=site.dtype, device=sites.device)
    return Evidence(zeros, zeros, zeros)


def _piloted(
    sites: Sites, names: list[str], seed: int, progress: ProgressCallback | None
) -> tuple[Mapping[str, Evidence], float, float]:
    """The evidence after the pilots, the seconds of compiling and the gradients they took; that of before where they
    cannot be run."""
    evidence, compile_s, gradients = sites.centring, 0.0, 0.0
    try:
        for pilot in PILOTS:
            found, compiling, took = _learned(
                replace(sites, centring=evidence), names, replace(pilot, seed=seed), progress
            )
            evidence, compile_s, gradients = {**evidence, **found}, compile_s + compiling, gradients + took
    except NotVectorizable:
        pass
    return evidence, compile_s, gradients


def _taken(sites: Sites, known: Mapping[str, Any], names: list[str]) -> dict[str, Evidence]:
    """What is known of the sites named, as tensors; what does not fit a site is not known of it."""
    found = {}
    for site in sites.latent:
        parts = torch.tensor(known.get(site.name, ()), dtype=site.dtype, device=sites.device)
        if site.name in names and parts.shape == (len(Evidence._fields), *site.shape):
            found[site.name] = Evidence(*parts)
    return found


def _learned(
    sites: Sites, names: list[str], pilot: Settings, progress: ProgressCallback | None
) -> tuple[dict[str, Evidence], float, float]:
    """The evidence for the sites named, from a run of them as they stand; the seconds of compiling and the gradients it
    took."""
    engine = build_engine(sites, pilot)
    like = torch.empty(0, dtype=sites.dtype, device=sites.device)
    sampler = Sampler(sites.dim, like, pilot, engine, _as_pilot(progress))
    raw = sampler.run(sampler.begin())
    if raw.interrupted:
        raise KeyboardInterrupt
    draws = raw.positions.transpose(0, 1)
    near = near_the_best(heights_not_centred(sites, raw), sites.dim).repeat(len(draws))
    generator = torch.Generator(like.device).manual_seed(pilot.seed)
    found = {
        site.name: _evidence(sites, engine.evaluate, site, draws, near, generator)
        for site in sites.latent
        if site.name in names
    }
    return found, engine.compile_s, raw.gradient_evaluations + 3.0 * len(draws) * len(names)


def _as_pilot(progress: ProgressCallback | None) -> ProgressCallback | None:
    """Progress of a pilot's warm-up, told as a phase of its own."""
    if progress is None:
        return None
    tell = progress

    def told(now: Progress) -> None:
        if now.phase == "warmup":
            tell(replace(now, phase="pilot"))

    return told


def heights_not_centred(sites: Sites, raw: Raw) -> Tensor:
    """The mean log density of each chain's draws, were all sites not centred: log π(v) + Σ ½·log(1 + i·s²)."""
    heights = torch.as_tensor(raw.stats["lp"], dtype=sites.dtype, device=sites.device)
    flat = raw.positions.flatten(0, 1)
    for site in sites.latent:
        if site.name in sites.centring:
            scale = _placed(sites, site, flat)[2]
            growth = torch.log1p(sites.centring[site.name].information.flatten() * scale.square())
            heights = heights + growth.sum(1).reshape(heights.shape) / 2
    return heights.mean(1)


def near_the_best(heights: Tensor, dim: int) -> Tensor:
    """Which chains' mean log densities (chain,) are such as a normal posterior of `dim` dimensions has beside the highest."""
    finite = torch.where(torch.isfinite(heights), heights, -torch.inf)
    near: Tensor = finite >= finite.max() - (HOPELESS + FAR * (dim / 2) ** 0.5)
    return near


def _evidence(
    sites: Sites, evaluate: GradientAndValue, site: Site, draws: Tensor, near: Tensor, generator: torch.Generator
) -> Evidence:
    """What the data say of a site, at draws (draw, chain, D) of those chains that are `near` the posterior, (draw · chain,)."""
    part = slice(site.start, site.stop)
    pairs = [_derivatives(evaluate, q, part, generator) for q in draws]
    slope, curvature = (torch.cat(each)[near] for each in zip(*pairs, strict=True))
    flat = draws.flatten(0, 1)[near]
    x, location, scale = _placed(sites, site, flat)
    stretch = scale * (1 + sites.centring[site.name].information.flatten() * scale.square()).rsqrt()  # ∂x/∂v
    information = curvature / stretch.square() - scale.pow(-2)
    push = (x - location) / scale.square() - slope / stretch
    parts = merged_evidence(x, scale, information, push)
    return Evidence(*(each.reshape(site.shape).to(site.dtype) for each in parts))


def merged_evidence(x: Tensor, scale: Tensor, information: Tensor, push: Tensor) -> Evidence:
    """One i and b for each element, from draws: x, s, i and ∂ log p(data)/∂x, each (n, elements)."""
    usable = torch.isfinite(torch.stack([x, scale, information, push])).all(0) & (scale > 0)
    x, information, push = (torch.where(usable, each, 0) for each in (x, information, push))
    typical = torch.where(usable, scale, torch.nan).nanmedian(0).values.nan_to_num(1.0)
    weight = usable / (1 + (typical / torch.where(usable, scale, 1)).square())
    weight = weight / weight.sum(0).clamp(min=torch.finfo(x.dtype).tiny)
    i = (weight * information).sum(0).clamp(min=0)
    b = torch.where(i > 0, i * (weight * x).sum(0) + (weight * push).sum(0), 0)
    strength = i * typical.square()
    return Evidence(i, b, strength / (1 + strength))


def _derivatives(
    evaluate: GradientAndValue, q: Tensor, part: slice, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """∂U/∂v, and estimates of ∂²U/∂v², for the elements of one site, at q (chain, D)."""
    step = torch.finfo(q.dtype).eps ** (1 / 3)
    signs = torch.empty_like(q[:, part]).bernoulli_(0.5, generator=generator) * 2 - 1
    direction = torch.zeros_like(q)
    direction[:, part] = step * signs
    with torch.no_grad():
        here, ahead, behind = (evaluate(q + shift)[0][:, part] for shift in (0 * q, direction, -direction))
    return here, signs * (ahead - behind) / (2 * step)


def _placed(sites: Sites, site: Site, draws: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x, μ and s of the elements of a site at draws (n, D); each (n, elements)."""

    def placed(q: Tensor) -> tuple[Tensor, ...]:
        location, scale = location_and_scale(sites.distributions(q, [site.name])[site.name])
        x = sites.constrained(q)[site.name]
        return tuple(each.expand(site.shape).flatten() for each in (x, location, scale))

    with torch.no_grad(), silent_vmap():
        x, location, scale = torch.func.vmap(placed)(draws)
    return x, location, scale
