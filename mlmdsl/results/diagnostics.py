"""How far the draws can be trusted: R-hat, effective sample sizes, Monte Carlo errors, of all parameters at once.

ArviZ computes the same figures, but importing any part of it (0.23: `arviz.stats.diagnostics`, 1.x: `arviz_stats.base`)
imports all of it: two seconds, of a whole run's seven. It also loops over the parameters in Python. So the
published formulas stand in `chains` in NumPy alone, and the tests hold them to ArviZ's own values at 1e-10.

Throughout: C chains of N draws, S = C·N. Each chain is split into halves first, so that a chain that drifts is seen.

Sources
- Vehtari, Gelman, Simpson, Carpenter & Bürkner (2021), Rank-normalization, folding, and localization:
  an improved R-hat. Bayesian Analysis 16(2).
- Geyer (1992), Practical Markov chain Monte Carlo. Statistical Science 7(4): the initial monotone sequence.
- Margossian et al. (2024), Nested R-hat. Bayesian Analysis; arXiv 2110.13017.
- Betancourt (2016), Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo. arXiv 1604.00695.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mlmdsl.results import chains

Floats = npt.NDArray[np.float64]

MIN_DRAWS = 4
"""With fewer draws a chain nothing is estimated: each half of a chain needs a variance."""

_CHUNK = 2**19  # draws worked on at a time: 4 MB an array, so that temporaries stay small


class Statistics(NamedTuple):
    """A figure for each parameter, each of shape (P,). Undefined figures are NaN."""

    mean: Floats
    std: Floats
    mcse: Floats
    q5: Floats
    q95: Floats
    ess_bulk: Floats
    ess_tail: Floats
    rhat: Floats


def statistics(values: npt.ArrayLike) -> Statistics:
    """All figures of a summary, for draws of shape (chain, draw, P).

    `std` divides by S − 1, `mcse` is that of the mean, quantiles are Hyndman and Fan's type 7. Of a constant, of
    draws that are not all finite and of fewer than 4 draws a chain, `mcse`, `ess_bulk`, `ess_tail` and `rhat` are NaN.
    """
    rows = _rows(values)
    if rows.size == 0:
        return Statistics(*np.full((len(Statistics._fields), len(rows)), np.nan))
    scores = _normal_scores(rows)
    step = max(1, _CHUNK // rows[0].size)
    parts = [_statistics(rows[start : start + step], scores) for start in range(0, len(rows), step)]
    return Statistics(*(np.concatenate(figures) for figures in zip(*parts, strict=True)))


def rhat(values: npt.ArrayLike) -> Floats:
    """Rank-normalised split R-hat: (chain, draw, *shape) → shape.

    The larger of R-hat of z(x), which sees location, and of z(|x − median x|), which sees scale, with z the normal
    scores of the ranks. NaN for a single chain, fewer than 4 draws a chain, a constant, or draws that are not finite;
    ∞ where every chain is constant and they differ.
    """
    return _by_parameter(
        values, lambda rows, scores: _rhat(rows, *chains.location_and_scale(chains.split(rows), scores))
    )


def nested_rhat(values: npt.ArrayLike, superchains: int | Sequence[int]) -> Floats:
    """Rank-normalised split nested R-hat: (chain, draw, *shape) → shape.

    Compares groups of chains instead of chains, so that many short, autocorrelated chains that agree can pass, which
    the classic R-hat does not let them: √(1 + B/W) as in `chains.basic_nested_rhat`. At least 1; NaN where `rhat` is.

    `superchains`: the group of each chain, or a number of groups, of consecutive chains.

    Raises ValueError where groups are fewer than two, differ in size or do not fit the chains.
    """
    groups = _superchain_groups(superchains, np.shape(values)[0])

    def measure(rows: Floats, scores: Floats) -> Floats:
        location, scale = chains.location_and_scale(chains.split(rows), scores)
        return np.maximum(chains.basic_nested_rhat(location, groups), chains.basic_nested_rhat(scale, groups))

    return _by_parameter(values, measure)


def ess_bulk(values: npt.ArrayLike) -> Floats:
    """Effective sample size of the rank-normalised draws: (chain, draw, *shape) → shape."""
    return _by_parameter(
        values, lambda rows, scores: chains.effective_size(chains.rank_normalise(chains.split(rows), scores))
    )


def ess_tail(values: npt.ArrayLike) -> Floats:
    """The smaller of the effective sample sizes of the 5 % and the 95 % quantile: (chain, draw, *shape) → shape."""
    return _by_parameter(values, lambda rows, scores: _ess_tail(rows, _tails(rows)))


def ess_mean(values: npt.ArrayLike) -> Floats:
    """Effective sample size of the mean, on the draws' own scale: (chain, draw, *shape) → shape."""
    return _by_parameter(values, lambda rows, scores: chains.effective_size(chains.split(rows)))


def mcse_mean(values: npt.ArrayLike) -> Floats:
    """Monte Carlo standard error of the mean, std/√ess_mean: (chain, draw, *shape) → shape."""
    return _by_parameter(values, lambda rows, scores: _std(rows) / np.sqrt(chains.effective_size(chains.split(rows))))


def bfmi(energy: npt.ArrayLike) -> Floats:
    """Bayesian fraction of missing information of each chain: energy (chain, draw) → (chain,).

    Mean of (E_n − E_{n−1})² over the variance of E; below 0.3 the momenta explore the energies too slowly.
    """
    energies = np.asarray(energy, dtype=np.float64)
    if energies.shape[1] < MIN_DRAWS:
        return np.full(len(energies), np.nan)
    with np.errstate(all="ignore"):
        result: Floats = np.square(np.diff(energies, axis=1)).mean(axis=1) / energies.var(axis=1, ddof=1)
    return result


def is_constant(values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Whether each parameter keeps one value, up to 8 units in the last place of the draws' number type: (chain, draw,
    *shape) → shape."""
    given = np.asarray(values)
    kind = given.dtype if np.issubdtype(given.dtype, np.floating) else np.dtype(np.float64)
    return _constant(_rows(given), float(np.finfo(kind).eps)).reshape(given.shape[2:])


def _statistics(rows: Floats, scores: Floats) -> Statistics:
    """`statistics` of one chunk of rows (P, C, N)."""
    with np.errstate(all="ignore"):
        mean, std, tails = rows.mean(axis=(1, 2)), _std(rows), _tails(rows)
        std = np.where(_constant(rows), 0.0, std)
        defined = _defined(rows)
        figures = np.full((4, len(rows)), np.nan)
        if defined.any():
            kept = rows[defined]
            location, scale = chains.location_and_scale(chains.split(kept), scores)
            figures[0, defined] = std[defined] / np.sqrt(chains.effective_size(chains.split(kept)))
            figures[1, defined] = chains.effective_size(location)
            figures[2, defined] = _ess_tail(kept, tails[:, defined])
            figures[3, defined] = _rhat(kept, location, scale)
    mcse, bulk, tail, rhats = figures
    return Statistics(mean, std, mcse, tails[0], tails[1], bulk, tail, rhats)


def _by_parameter(values: npt.ArrayLike, measure: Callable[[Floats, Floats], Floats]) -> Floats:
    """A measure of rows (P, C, N) and normal scores, in the parameters' shape; NaN where it is undefined."""
    rows = _rows(values)
    result = np.full(len(rows), np.nan)
    defined = _defined(rows)
    if defined.any():
        with np.errstate(all="ignore"):
            result[defined] = measure(rows[defined], _normal_scores(rows))
    return result.reshape(np.shape(values)[2:])


def _rows(values: npt.ArrayLike) -> Floats:
    """(chain, draw, *shape) → (P, chain, draw), contiguous."""
    draws = np.asarray(values, dtype=np.float64)
    if draws.ndim < 2:
        raise ValueError(f"draws need a chain and a draw axis first, not shape {draws.shape}")
    count = int(np.prod(draws.shape[2:]))
    return np.ascontiguousarray(np.moveaxis(draws.reshape(*draws.shape[:2], count), 2, 0))


def _normal_scores(rows: Floats) -> Floats:
    """Scores for the draws of one parameter that are left by `chains.split`."""
    return chains.normal_scores(rows.shape[1] * (rows.shape[2] // 2) * 2)


def _defined(rows: Floats) -> npt.NDArray[np.bool_]:
    """Which parameters have diagnostics."""
    if rows.shape[1] == 0 or rows.shape[2] < MIN_DRAWS:
        return np.zeros(len(rows), dtype=bool)
    return np.isfinite(rows).all(axis=(1, 2)) & ~_constant(rows)


def _constant(rows: Floats, eps: float = float(np.finfo(np.float64).eps)) -> npt.NDArray[np.bool_]:
    if rows[:1].size == 0:
        return np.zeros(len(rows), dtype=bool)
    low, high = rows.min(axis=(1, 2)), rows.max(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        rounding = 8 * eps * np.maximum(np.abs(low), np.abs(high))
        same: npt.NDArray[np.bool_] = np.isfinite(low) & np.isfinite(high) & (high - low <= rounding)
    return same


def _std(rows: Floats) -> Floats:
    std: Floats = rows.std(axis=(1, 2), ddof=1) if rows[0].size > 1 else np.full(len(rows), np.nan)
    return std


def _tails(rows: Floats) -> Floats:
    """The 5 % and 95 % quantiles, (2, P)."""
    tails: Floats = np.quantile(rows.reshape(len(rows), -1), [0.05, 0.95], axis=1)
    return tails


def _ess_tail(rows: Floats, tails: Floats) -> Floats:
    """Of the indicators x ≤ quantile."""
    low, high = (
        chains.effective_size(chains.split((rows <= quantile[:, None, None]).astype(np.float64))) for quantile in tails
    )
    return np.minimum(low, high)


def _rhat(rows: Floats, location: Floats, scale: Floats) -> Floats:
    """The larger R-hat of the two; NaN for one chain, whose halves alone are no evidence (as in ArviZ)."""
    if rows.shape[1] < 2:
        return np.full(len(rows), np.nan)
    return np.maximum(chains.basic_rhat(location), chains.basic_rhat(scale))


def _superchain_groups(superchains: int | Sequence[int], count: int) -> npt.NDArray[np.intp]:
    """The half-chains of each superchain, (K, 2M): half-chains i and C + i come of chain i."""
    if isinstance(superchains, int):
        if superchains < 1 or count % superchains:
            raise ValueError(f"{count} chains do not divide into {superchains} superchains of equal size")
        superchains = np.repeat(np.arange(superchains), count // superchains).tolist()
    of_chain = np.asarray(superchains)
    if of_chain.shape != (count,):
        raise ValueError(f"superchains name a group for each of {count} chains, not shape {of_chain.shape}")
    names, sizes = np.unique(of_chain, return_counts=True)
    if len(names) < 2 or len(set(sizes.tolist())) > 1:
        raise ValueError(f"superchains must be two groups or more, of equal size, not sizes {sizes.tolist()}")
    of_half = np.concatenate([of_chain, of_chain])
    return np.stack([np.flatnonzero(of_half == name) for name in names])
