"""What a fit says of each observed row: its log likelihood, and a new draw of it, for each kept draw of the parameters.

Both come from the plain program, with every parameter given, so they do not depend on what was integrated out. An entry of
`log_likelihood` is log p(yᵢ | θ): one number an observation, and an observation is what has a density by itself: an entry
of an array whose entries are independent given θ, a whole vector under `MvNormal(μ, Σ)` with a full Σ or `Multinomial`.
Terms of `@addlogprob!` belong to no row and are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pyro.distributions import Unit
from torch import Tensor
from torch.distributions import Distribution, Independent

from mlmdsl.followed import Followed, follow
from mlmdsl.inference.batching import at_once, over_draws
from mlmdsl.inference.process import IsolatedRandomness
from mlmdsl.language.rows import empty
from mlmdsl.recovery import Values, conditioned, flattened
from mlmdsl.runtime.columns import Columns
from mlmdsl.runtime.constraints import columns_to_batch
from mlmdsl.runtime.missing import MissingPart
from mlmdsl.runtime.typed import broadcast_shapes, draw

Program = Callable[..., Any]
Evaluation = Callable[[Any, Tensor], Tensor]
Places = npt.NDArray[np.int64]

_STREAM = 1
"""Tells predictive draws from everything else that is drawn with one seed."""


@dataclass(frozen=True)
class Rows:
    """What was computed of an observed argument.

    values: (chain, draw, *shape), NaN where `observed` is false.
    axes: the axes of the argument that `shape` has; of a density, those of vectors that have one together are gone.
    observed: mask (*shape) of the entries, or vectors, that the program observes.
    """

    values: Values
    axes: tuple[int, ...]
    observed: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pointwise:
    """The results by the names of the arguments; `incomplete` are those some of whose vectors have missing entries."""

    log_likelihood: Mapping[str, Rows] = field(default_factory=dict)
    predictive: Mapping[str, Rows] = field(default_factory=dict)
    incomplete: tuple[str, ...] = ()


def pointwise(
    program: Program,
    data: Mapping[str, tuple[str, Tensor]],
    samples: Mapping[str, Values],
    like: Tensor,
    seed: int,
    log_likelihood: bool,
    predictive: bool,
) -> Pointwise:
    """The log likelihood and a predictive draw of each observed entry, for each draw (chain, draw, …) of the parameters.

    Args:
        program: the plain program, which takes other data by keyword.
        data: the observed arguments by the author's names: the program's own name, and the tensor it has.
        samples: every drawn site, as the program has it.
        like: a tensor of the dtype and device of the program.
        seed: of the predictive draws, which have a stream of their own.
    """
    flat, lead = flattened(samples, like)
    sites = list(_sites(program, data, {name: value[0] for name, value in flat.items()}))
    step = at_once(max((site.places.size for site in sites), default=0))

    def run(evaluate: Evaluation, density: bool) -> dict[str, Rows]:
        targets = {site.target: _Filled(lead, [s for s in sites if s.target == site.target], density) for site in sites}

        def results(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
            nodes = conditioned(program, values).nodes
            return {site.name: evaluate(*_separated(*_whole(nodes[site.name]))[:2]) for site in sites}

        for start, found in over_draws(results, flat, step=step):
            for filled in targets.values():
                filled.put(start, found)
        return {name: filled.result() for name, filled in targets.items() if filled.seen.any()}

    incomplete = dict.fromkeys(site.target for site in sites if site.is_incomplete)
    (word,) = np.random.SeedSequence([seed, _STREAM]).generate_state(1, np.uint64).tolist()
    with IsolatedRandomness(word >> 1):
        return Pointwise(
            run(_log_density, True) if log_likelihood and sites else {},
            run(_drawn, False) if predictive and sites else {},
            tuple(incomplete) if log_likelihood else (),
        )


# ── one observed site ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Site:
    """A site that observes some of an argument.

    shape: the argument's.
    places: (densities, entries of each) where in the argument each entry stands.
    missing: likewise, the entries that the program draws.
    """

    name: str
    target: str
    shape: tuple[int, ...]
    places: Places
    missing: npt.NDArray[np.bool_]

    @property
    def is_incomplete(self) -> bool:
        """Whether some vector with one density has missing entries."""
        return self.places.shape[1] > 1 and bool(self.missing.any())


def _sites(program: Program, data: Mapping[str, tuple[str, Tensor]], first: Mapping[str, Tensor]) -> Iterator[_Site]:
    """The sites that observe data, in the program's order."""
    nodes = conditioned(program, first, **{own: follow(tensor) for own, tensor in data.values()}).nodes
    for name, node in nodes.items():
        if node["type"] != "sample" or not isinstance(node["fn"], Distribution) or isinstance(node["fn"], Unit):
            continue
        if isinstance(node["fn"], MissingPart) == (name in first):  # data; or their missing entries, which are drawn
            yield _site(name, data, node)


def _site(name: str, data: Mapping[str, tuple[str, Tensor]], node: Mapping[str, Any]) -> _Site:
    fn, value = _whole(node)
    is_partial = isinstance(node["fn"], MissingPart)
    given = node["fn"].value if is_partial else value
    array = name.split("[")[0]
    if isinstance(given, Followed) and array in data:
        target, shape, places = array, tuple(data[array][1].shape), given.places.cpu()
    else:  # a number, or what the program computed of the data
        shape = tuple(broadcast_shapes(value.shape, fn.batch_shape + fn.event_shape))
        target, places = name, torch.arange(math.prod(shape)).reshape(shape)
    missing = node["fn"].missing if is_partial else torch.zeros(value.shape, dtype=torch.bool)
    laid_out = [_separated(fn, each) for each in (places, missing.cpu())]
    event = len(laid_out[0][0].event_shape)
    rows = [each.reshape(math.prod(each.shape[: each.dim() - event]), -1).numpy() for _, each in laid_out]
    return _Site(name, target, shape, *rows)


def _whole(node: Mapping[str, Any]) -> tuple[Any, Tensor]:
    """The distribution and the value of a site; of one with missing entries, of the completed array."""
    fn, value = node["fn"], node["value"]
    return (fn.base, fn.completed(value)) if isinstance(fn, MissingPart) else (fn, value)


def _separated(fn: Any, value: Tensor) -> tuple[Any, Tensor]:
    """The distribution of the parts that have a density each, and the value with one such part a batch element.

    What `to_event` and `filldist` made one event is taken apart again; value shape: batch, then event.
    """
    value = value.expand(broadcast_shapes(value.shape, fn.batch_shape + fn.event_shape))
    if isinstance(fn, Independent):
        return _separated(fn.base_dist, value)
    if isinstance(fn, Columns):
        return _separated(fn.base, columns_to_batch(value, len(fn.base.event_shape)))
    return fn.expand(value.shape[: value.dim() - len(fn.event_shape)]), value


def _log_density(fn: Any, value: Tensor) -> Tensor:
    density: Tensor = fn.log_prob(value)
    return density


def _drawn(fn: Any, _: Tensor) -> Tensor:
    return draw(fn, ())


# ── all of an argument ───────────────────────────────────────────────────────────────────────────────────────────────


class _Filled:
    """An argument's entries (or the vectors that have one density), filled from the sites that observe it."""

    def __init__(self, lead: tuple[int, int], sites: Sequence[_Site], density: bool) -> None:
        whole = sites[0].shape
        spanned = set().union(*(_spanned(site.places, whole) for site in sites)) if density else set()
        self.lead = lead
        self.axes = tuple(axis for axis in range(len(whole)) if axis not in spanned)
        self.shape = tuple(whole[axis] for axis in self.axes)
        self.into: dict[str, Places] = {}
        self.seen = np.zeros(math.prod(self.shape), dtype=bool)
        for site in sites:
            places = site.places[:, 0] if density else site.places.ravel()
            self.into[site.name] = self._positions(places, whole)
            self.seen[self.into[site.name][~site.missing.any(axis=1)] if density else self.into[site.name]] = True
        everywhere = np.concatenate(list(self.into.values()))
        self.repeated = density and len(np.unique(everywhere)) < len(everywhere)
        self.values = empty((lead[0] * lead[1], len(self.seen)), np.float64)

    def _positions(self, places: Places, whole: tuple[int, ...]) -> Places:
        """Where places of the argument lie along the axes that are kept."""
        if not self.axes:
            return np.zeros_like(places)
        coordinates = np.unravel_index(places, whole)
        return np.asarray(np.ravel_multi_index([coordinates[axis] for axis in self.axes], self.shape))

    def put(self, start: int, found: Mapping[str, Tensor]) -> None:
        """The results of the draws from `start` on; densities of an entry that is observed again add up."""
        count = len(next(iter(found.values())))
        part = self.values[start : start + count]
        if self.repeated:
            part[:, self.seen] = 0
        for name, positions in self.into.items():
            values = found[name].cpu().numpy().reshape(count, -1)
            if self.repeated:
                np.add.at(part.T, positions, values.T)
            else:
                part[:, positions] = values

    def result(self) -> Rows:
        """All entries; NaN where none is observed."""
        self.values[:, ~self.seen] = np.nan
        return Rows(self.values.reshape(*self.lead, *self.shape), self.axes, self.seen.reshape(self.shape))


def _spanned(places: Places, whole: tuple[int, ...]) -> set[int]:
    """The axes of the argument along which vectors with one density lie."""
    if not whole or places.shape[1] == 1:
        return set()
    coordinates = np.unravel_index(places, whole)
    return {axis for axis, along in enumerate(coordinates) if (along != along[:, :1]).any()}
