"""How centred a site is best sampled, element by element, learned from a short run before the main one.

For x ~ D(μ, s) with information i from the data the rule is

    c = i / (i + 1/s²),

the share of the data in what is known of x. With it the conditional spread of v, s^(c−1)·(i + 1/s²)^(−1/2), does not change
with s to first order: neither the funnel of the centred form where data are few, nor the one that the other form has
where they are many. i is the curvature of −log π in x beyond that of the prior, by central differences of the gradient
along a random direction ±1 through the site (Hutchinson's estimate of a Hessian's diagonal, exact where elements do not
interact), at draws of a pilot run that has all sites half centred; the mean over these draws; then c, and its mean over
the draws' s. Means of numbers in [0, 1] have no tails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Literal

import torch
from torch import Tensor

from mlmdsl.inference.draws import Progress, ProgressCallback
from mlmdsl.inference.potential import NotVectorizable, Potential, build_potential, silent_vmap
from mlmdsl.inference.recentring import location_and_scale
from mlmdsl.inference.sampler import Sampler
from mlmdsl.inference.settings import Settings
from mlmdsl.inference.sites import Site, Sites

Centring = Literal["auto", "centred", "noncentred"]

PILOT = Settings(chains=8, draws=24, tune=100, max_depth=7)
"""The run that c is learned from: warm-up must be long enough to leave the start, draws to average i over."""
ENDS = (0.01, 0.99)
"""Quantiles of log s between which the spread of v is kept steady."""
FIXED_SCALE = 1e-6
"""A range of log s below which s is a constant."""
HALF = 0.25
FIXED = {"centred": 1.0, "noncentred": 0.0}


@dataclass(frozen=True)
class Learned:
    """c of each site, in the shape of its draws, and what it took to learn: seconds, and gradients of each chain."""

    centring: Mapping[str, Tensor]
    seconds: float = 0.0
    gradients: float = 0.0


def centred(
    sites: Sites,
    wanted: Mapping[str, Centring],
    seed: int,
    progress: ProgressCallback | None = None,
    known: Mapping[str, Any] | None = None,
) -> Learned:
    """c of each site in `wanted`: what it says, what is `known` of one that is `auto`, or learned.

    The same seed learns the same.

    Where a pilot cannot be run, since the model cannot be run for many chains at once, c is one half.

    Raises:
        ValueError: there is no such site. NotLocationScale: it has one form only.
    """
    shapes = {site.name: site for site in sites.latent}
    for name in wanted:
        if name not in shapes:
            raise ValueError(f"there is no site {name!r} whose centring could be chosen: {', '.join(shapes)}")
    names = [name for name, choice in wanted.items() if choice == "auto"]
    fixed = {name: _filled(shapes[name], sites, FIXED.get(choice, HALF)) for name, choice in wanted.items()}
    fixed |= (taken := _taken(sites, known or {}, names))
    start = replace(sites, centring=fixed)
    start.distributions(torch.zeros(sites.dim, dtype=sites.dtype, device=sites.device), wanted)
    if len(taken) == len(names):
        return Learned(fixed)
    try:
        return _learned(start, names, seed, progress)
    except NotVectorizable:
        return Learned(fixed)


def _filled(site: Site, sites: Sites, value: float) -> Tensor:
    return torch.full(site.shape, value, dtype=site.dtype, device=sites.device)


def _taken(sites: Sites, known: Mapping[str, Any], names: list[str]) -> dict[str, Tensor]:
    """What is known of the sites named, as tensors; what does not fit a site is not known of it."""
    found = {}
    for site in sites.latent:
        c = torch.tensor(known.get(site.name, ()), dtype=site.dtype, device=sites.device)
        if site.name in names and c.shape == site.shape:
            found[site.name] = c
    return found


def _learned(sites: Sites, names: list[str], seed: int, progress: ProgressCallback | None) -> Learned:
    """c from a pilot run of the sites as they stand."""
    started = perf_counter()
    potential = build_potential(sites, PILOT.chains, seed)
    like = torch.empty(0, dtype=sites.dtype, device=sites.device)
    sampler = Sampler(sites.dim, like, replace(PILOT, seed=seed), potential, _as_pilot(progress))
    raw = sampler.run(sampler.begin())
    if raw.interrupted:
        raise KeyboardInterrupt
    draws = raw.positions.transpose(0, 1)
    generator = torch.Generator(like.device).manual_seed(seed)
    found = {name: _share_of_data(sites, potential, name, draws, generator) for name in names}
    probes = 2.0 * len(draws) * len(names)
    return Learned({**sites.centring, **found}, perf_counter() - started, raw.gradient_evaluations + probes)


def _as_pilot(progress: ProgressCallback | None) -> ProgressCallback | None:
    """Progress of the pilot's warm-up, told as a phase of its own."""
    if progress is None:
        return None
    tell = progress

    def told(now: Progress) -> None:
        if now.phase == "warmup":
            tell(replace(now, phase="pilot"))

    return told


def _share_of_data(sites: Sites, potential: Potential, name: str, draws: Tensor, generator: torch.Generator) -> Tensor:
    """c of one site; draws has shape (draw, chain, D)."""
    site = next(site for site in sites.latent if site.name == name)
    part = slice(site.start, site.stop)
    curvature = torch.stack([_curvature(potential, q, part, generator) for q in draws]).flatten(0, 1)
    scale = _scales(sites, site, draws.flatten(0, 1))
    steps = scale.pow(1 - sites.centring[name].flatten())  # ∂x/∂v
    information = curvature / steps.square() - scale.pow(-2)
    return _steadiest(information, scale).reshape(site.shape).to(site.dtype)


def _steadiest(information: Tensor, scale: Tensor) -> Tensor:
    """c of each element, from i and s at draws: two tensors (n, elements)."""
    usable = torch.isfinite(information) & torch.isfinite(scale)
    count = usable.sum(0).clamp(min=1)
    mean = (torch.where(usable, information, 0).sum(0) / count).clamp(min=0)
    level = torch.where(usable, scale, 1).log()
    low, high = torch.quantile(level, level.new_tensor(ENDS), dim=0)
    rise = torch.log1p(mean * (2 * high).exp()) - torch.log1p(mean * (2 * low).exp())
    local = 1 - 1 / (1 + mean * (low + high).exp())
    return torch.where(high - low > FIXED_SCALE, rise / (2 * (high - low)), local).clamp(0, 1)


def _curvature(potential: Potential, q: Tensor, part: slice, generator: torch.Generator) -> Tensor:
    """Estimates of ∂²U/∂v² for the elements of one site, at q (chain, D)."""
    step = torch.finfo(q.dtype).eps ** (1 / 3)
    signs = torch.empty_like(q[:, part]).bernoulli_(0.5, generator=generator) * 2 - 1
    direction = torch.zeros_like(q)
    direction[:, part] = step * signs
    with torch.no_grad():
        ahead, behind = potential.evaluate(q + direction)[0], potential.evaluate(q - direction)[0]
    return signs * (ahead - behind)[:, part] / (2 * step)


def _scales(sites: Sites, site: Site, draws: Tensor) -> Tensor:
    """s of the elements of a site at draws (n, D); shape (n, elements)."""

    def scale(q: Tensor) -> Tensor:
        _, scale = location_and_scale(sites.distributions(q, [site.name])[site.name])
        return scale.expand(site.shape).flatten()

    with torch.no_grad(), silent_vmap():
        return torch.func.vmap(scale)(draws)
