"""How centred a site is best sampled, element by element, learned from a short run before the main one.

Let x ~ D(μ, s) and i be the information of the data about x. Given s, the spread of x is (i + 1/s²)^(−1/2), and that of v
(`inference.recentring`) is s^(c−1) times it. Its logarithm has the slope c − i/(i + 1/s²) in log s: with c the share of the
data in what is known of x, v neither narrows where s is small (the funnel of the centred form, where data are few), nor
where it is large (that of the other form, where they are many). Where s is uncertain no c does this everywhere. The one
chosen gives v the same spread at the median of s as at its lower end, since there lies the funnel that a sampler does not
get into, and the draws that it would not tell us of:

    c = (N(median) − N(end)) / (log median − log end),   N(s) = ½ log(1 + i·s²).

i is the curvature of −log π in x beyond that of the prior, by central differences of the gradient along a random
direction ±1 through the site (Hutchinson's estimate of a Hessian's diagonal, exact where elements do not interact), its
weighted mean over the draws of a pilot run that has all sites a little centred.
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

PILOT = Settings(chains=8, draws=50, tune=100, max_depth=7)
"""The run that c is learned from: warm-up must be long enough to leave the start, draws to see the lower end of s."""
TAIL = 3.0
"""The lower end of log s: below its 1 % point by so many times the distance from there to the 5 % point, which is where
1 draw in 12 500 lies if the tail is exponential."""
FIXED_SCALE = 1e-6
"""A range of log s below which s is a constant."""
START = 0.1
"""c in the pilot run: it has to see small s, so nearly not centred."""
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

    Where a pilot cannot be run, since the model cannot be run for many chains at once, c is that of the pilot.

    Raises:
        ValueError: there is no such site. NotLocationScale: it has one form only.
    """
    shapes = {site.name: site for site in sites.latent}
    for name in wanted:
        if name not in shapes:
            raise ValueError(f"there is no site {name!r} whose centring could be chosen: {', '.join(shapes)}")
    names = [name for name, choice in wanted.items() if choice == "auto"]
    fixed = {name: _filled(shapes[name], sites, FIXED.get(choice, START)) for name, choice in wanted.items()}
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
    scale = torch.where(usable, scale, 1)
    lowest, low, middle = torch.quantile(scale.log(), scale.new_tensor((0.01, 0.05, 0.5)), 0)
    # where s is small the curvature is the prior's, and what is left of it beyond that is rounding
    weight = usable / (1 + (2 * (middle - scale.log())).exp())
    mean = (torch.where(usable, information, 0) * weight).sum(0) / weight.sum(0).clamp(min=1e-9)
    mean = mean.clamp(min=0)
    end = lowest - TAIL * (low - lowest)
    rise = torch.log1p(mean * (2 * middle).exp()) - torch.log1p(mean * (2 * end).exp())
    local = 1 - 1 / (1 + mean * (2 * middle).exp())
    return torch.where(middle - end > FIXED_SCALE, rise / (2 * (middle - end)), local).clamp(0, 1)


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
        found: Tensor = torch.func.vmap(scale)(draws)
    return found
