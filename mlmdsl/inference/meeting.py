"""Which chains have met: seen the same heights of the log density at the same places.

What chains learn is worth sharing where they explore the same region, and harmful where they do not: of chains that have not
met, each group keeps its own step size, and its draws tell the metric how far they lie from the group's mean, not how far from
another group's. The test is wide on purpose. Chains that are slow but agree pass it, and one that fails it by mistake
loses little.

A chain far below all draws of the best group, whose region can hold no mass beside the group's, is left behind: held
up by a slope or a hollow that is no part of the posterior. A mode with a share of the posterior's mass worth naming is not.
Mass is judged in the normal approximation, log density plus the logarithm of the volume, where the density may be low because
the volume is large (the wide part of a funnel). How far draws spread tells the volume, or for a slow chain how its gradients
change along them, as in the estimate of the metric: of the two the larger counts for a chain that may be left behind, the smaller
for those it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlmdsl.inference.draws import Remark

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FAR = 5.0
"""Standard deviations, of both chains together, that two chains' means may differ by."""
HOPELESS = 10.0
"""Units of log density, and of the logarithm of mass, that a chain left behind lies below the best group."""


@dataclass(frozen=True)
class Lately:
    """The later half of each chain's draws, that of late: log density `mean`, `spread`, `least` and `most`, (chain,);
    `place` and `width` of each coordinate, and how far it would spread by its gradients, `reach`, (chain, D)."""

    draws: NDArray[np.int64]
    mean: Floats
    spread: Floats
    least: Floats
    most: Floats
    place: Floats
    width: Floats
    reach: Floats

    def log_mass(self, pick: np.ufunc) -> Floats:
        """Log density plus log volume, up to a constant, by the `pick` of width and reach."""
        with np.errstate(divide="ignore"):
            mass: Floats = self.mean + np.log(pick(self.width, self.reach)).sum(1)
        return mass


def seen_lately(
    chain: NDArray[np.int64], log_density: Floats, x: Floats, chains: int, gradient: Floats | None = None
) -> Lately:
    """Of draws in the order they were made: the chain of each (n,), its log density (n,), its position (n, D), and the
    gradient of −log density there."""
    own = [np.flatnonzero(chain == c) for c in range(chains)]
    late = [rows[len(rows) // 2 :] for rows in own]

    def each(figure: Callable[[Floats], Floats | float], of: Floats, none: float) -> Floats:
        rows = [figure(of[rows]) if len(rows) else np.full(of.shape[1:], none) for rows in late]
        return np.array(rows, dtype=np.float64)

    width = each(lambda rows: rows.std(0), x, 0.0)
    reach = width if gradient is None else _reach(width, each(lambda rows: rows.std(0), gradient, 0.0))
    return Lately(
        draws=np.array([len(rows) for rows in late]),
        mean=each(np.mean, log_density, -np.inf),
        spread=each(np.std, log_density, 0.0),
        least=each(np.min, log_density, -np.inf),
        most=each(np.max, log_density, -np.inf),
        place=each(lambda rows: rows.mean(0), x, np.nan),
        width=width,
        reach=reach,
    )


def _reach(width: Floats, slopes: Floats) -> Floats:
    """The standard deviation of a normal posterior whose gradients spread by `slopes` where its draws do by `width`."""
    with np.errstate(all="ignore"):
        reach: Floats = np.nan_to_num(np.sqrt(width / slopes), nan=0.0)
    return reach


def met(lately: Lately) -> NDArray[np.int64]:
    """The group of each chain, numbered from 0: groups of chains that have met, or that others link."""
    chains, dim = lately.place.shape
    group = np.arange(chains)
    for c in range(chains):
        for d in range(c):
            if group[c] != group[d] and _have_met(lately, c, d, np.sqrt(dim / 2)):
                group[group == group[c]] = group[d]
    return np.unique(group, return_inverse=True)[1].astype(np.int64)


def _have_met(lately: Lately, c: int, d: int, usual: float) -> bool:
    """`usual` is the standard deviation of the log density of a normal posterior. A chain without draws has met none."""
    if not np.isfinite([lately.mean[c], lately.mean[d]]).all():
        return False
    spread = max(min(lately.spread[c], lately.spread[d]), usual)
    if not abs(lately.mean[c] - lately.mean[d]) <= FAR * spread:
        return False
    apart = np.abs(lately.place[c] - lately.place[d])
    return bool((apart <= FAR * (lately.width[c] + lately.width[d])).all())


@dataclass(frozen=True)
class Standing:
    """The best group's chains, and which chains are left behind it."""

    best: Flags
    behind: Flags


def standing(lately: Lately, group: NDArray[np.int64]) -> Standing:
    """Judge each chain beside the group whose chains have most mass on average."""
    least, most = (lately.log_mass(pick) for pick in (np.minimum, np.maximum))
    mass = (least + most) / 2
    means = [mass[group == g].mean() for g in range(group.max() + 1)]
    best = group == int(np.argmax(means))
    lower = lately.most + HOPELESS < lately.least[best].min()
    lighter = most + HOPELESS < least[best].min()
    return Standing(best, ~best & lower & lighter)


@dataclass(frozen=True)
class Restart:
    """A chain that was left behind in warm-up and began again where another was; chains and windows from 0.

    `log_density` is the mean of its last draws before, `reached` that of the chains it joined.
    """

    chain: int
    joined: int
    window: int
    log_density: float
    reached: float


def restarted(restarts: Sequence[Restart]) -> Remark:
    """What a run says of the chains that began again."""
    chains = sorted({restart.chain for restart in restarts})
    first = {restart.chain: restart for restart in reversed(restarts)}
    each = [
        f"chain {c + 1} ({first[c].log_density:.5g} where the others were at {first[c].reached:.5g})" for c in chains
    ]
    return Remark(
        "chains_restarted",
        f"left behind in warm-up by their log density, and begun again where another chain was: {', '.join(each)}",
        remedy="a mode of the posterior that holds next to none of its mass was left; another --seed shows whether others are",
        values=tuple(float(c + 1) for c in chains),
    )


def apart(group: NDArray[np.int64], log_density: Floats) -> Iterator[Remark]:
    """What a run says where its chains have not met: the group of each, and its mean log density."""
    groups = sorted((np.flatnonzero(group == g) for g in range(group.max() + 1)), key=len, reverse=True)
    if len(groups) == 1:
        return
    each = [
        f"chain{'s' * (len(own) > 1)} {', '.join(str(c + 1) for c in own)} at {log_density[own].mean():.5g}"
        for own in groups
    ]
    yield Remark(
        "chains_apart",
        f"chains that never met, by their mean log density: {'; '.join(each)}",
        "error",
        "either the posterior has several modes, and how chains divide among them says nothing of their mass, or some chains are "
        "stuck: look at the parameters they differ in, order or bound what can be exchanged, run a longer warm-up (--tune)",
        values=tuple(float(c + 1) for own in groups[1:] for c in own),
    )
