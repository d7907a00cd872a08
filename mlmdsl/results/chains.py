"""The published formulas behind the diagnostics, on many parameters at once.

Every function takes `rows` of shape (P, C, N): P parameters, C chains, N draws, contiguous float64, all finite.
Undefined figures come of divisions by zero, which the caller silences. Sources are those of `diagnostics`, which is
what the rest of the package calls.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def split(rows: Floats) -> Floats:
    """(P, C, N) → (P, 2C, N // 2): first halves, then second halves; an odd middle draw is left out."""
    half = rows.shape[2] // 2
    return np.concatenate([rows[:, :, :half], rows[:, :, -half:]], axis=1)


def fold(rows: Floats) -> Floats:
    """|x − median|: turns a difference in scale into one in location."""
    return np.abs(rows - np.median(rows, axis=(1, 2), keepdims=True))


def normal_scores(size: int) -> Floats:
    """Φ⁻¹((r − 3/8)/(S + 1/4)) (Blom 1958) at index 2r, for every rank r = 1, 3/2, 2, … S of S draws; (2S + 1,)."""
    quantile = NormalDist().inv_cdf
    probabilities = (np.arange(2, 2 * size + 1) / 2 - 0.375) / (size + 0.25)
    return np.concatenate([[np.nan, np.nan], np.fromiter(map(quantile, probabilities.tolist()), np.float64)])


def rank_normalise(rows: Floats, scores: Floats) -> Floats:
    """Each draw's normal score by its rank among all draws of its parameter; tied draws share their average rank."""
    flat = rows.reshape(len(rows), -1)
    order = np.argsort(flat, axis=1)
    in_order = np.take_along_axis(flat, order, axis=1)
    normalised = np.empty_like(flat)
    np.put_along_axis(normalised, order, scores[_doubled_ranks(in_order)], axis=1)
    return normalised.reshape(rows.shape)


def _doubled_ranks(in_order: Floats) -> npt.NDArray[np.intp]:
    """Twice the average ranks of sorted rows (P, S): first + last position of the run of equal draws."""
    count, size = in_order.shape
    position = np.arange(1, size + 1)
    changes = in_order[:, 1:] != in_order[:, :-1]
    if changes.all():
        return np.broadcast_to(2 * position, (count, size))
    edge = np.ones((count, 1), dtype=bool)
    first = np.maximum.accumulate(np.where(np.hstack([edge, changes]), position, 0), axis=1)
    last_backwards = np.where(np.hstack([changes, edge]), position, size)[:, ::-1]
    return first + np.minimum.accumulate(last_backwards, axis=1)[:, ::-1]


def basic_rhat(rows: Floats) -> Floats:
    """√((N − 1)/N + B/(N·W)): B/N the variance of the chains' means, W the mean of their variances; (P,)."""
    draws = rows.shape[2]
    between = draws * rows.mean(axis=2).var(axis=1, ddof=1)
    within = rows.var(axis=2, ddof=1).mean(axis=1)
    result: Floats = np.sqrt((between / within + draws - 1) / draws)
    return result


def basic_nested_rhat(rows: Floats, groups: npt.NDArray[np.intp]) -> Floats:
    """√(1 + B/W): B the variance of the superchains' means, W = mean over superchains of (B̃ + W̃); (P,).

    `groups` (K, M) lists the M chains of each of K superchains. B̃ is the variance of their means (0 where M = 1), W̃
    the mean of their variances.
    """
    means = rows.mean(axis=2)[:, groups]
    variances = rows.var(axis=2, ddof=1)[:, groups].mean(axis=2)
    if groups.shape[1] > 1:
        variances = variances + means.var(axis=2, ddof=1)
    result: Floats = np.sqrt(1 + means.mean(axis=2).var(axis=1, ddof=1) / variances.mean(axis=1))
    return result


def location_and_scale(rows: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """The rank-normalised draws, in which chains that differ in location stand out, and the folded ones, for scale."""
    return rank_normalise(rows, scores), rank_normalise(fold(rows), scores)


def effective_size(rows: Floats) -> Floats:
    """S/τ, τ = 1 + 2 Σ ρ_t, the sum cut off by Geyer's initial monotone sequence; (P,). It never exceeds S·log₁₀ S.

    ρ_t = 1 − (W − mean over chains of the autocovariance at lag t)/V, with W the mean variance of the chains and
    V = (N − 1)/N·W + the variance of their means. Pairs ρ_2k + ρ_2k+1 are summed while they are positive, each at most
    its predecessor; of the pair at which that ends only ρ_2k counts, once, if it is positive. Draws without any
    variation count S.
    """
    size = rows.shape[1] * rows.shape[2]
    even, pairs = _autocorrelation_pairs(rows)
    ended = pairs <= 0
    last = np.where(ended.any(axis=1), ended.argmax(axis=1), pairs.shape[1] - 1)
    before_last = np.arange(pairs.shape[1]) < last[:, None]
    total = np.where(before_last, np.minimum.accumulate(pairs, axis=1), 0.0).sum(axis=1)
    at_last = np.arange(len(rows)), last
    rest = np.where((even[at_last] > 0) | (pairs[at_last] >= 0), even[at_last], 0.0)
    tau: Floats = np.maximum(-1.0 + 2.0 * total + rest, 1 / np.log10(size))
    varies = rows.max(axis=(1, 2)) > rows.min(axis=(1, 2))
    return np.where(varies, size / tau, float(size))


def _autocorrelation_pairs(rows: Floats) -> tuple[Floats, Floats]:
    """ρ_2k and ρ_2k + ρ_2k+1 for k = 0, 1, … up to the last lag that is estimated; each (P, K)."""
    chains, draws = rows.shape[1:]
    covariance = _mean_autocovariance(rows)
    within = covariance[:, :1] * draws / (draws - 1.0)
    total = covariance[:, :1].copy()
    if chains > 1:
        total += rows.mean(axis=2).var(axis=1, ddof=1)[:, None]
    rho = 1.0 - (within - covariance[:, : 2 * max(1, (draws - 1) // 2)]) / total
    rho[:, 0] = 1.0
    return rho[:, ::2], rho[:, ::2] + rho[:, 1::2]


def _mean_autocovariance(rows: Floats) -> Floats:
    """Mean over chains of Σ_n (x_n − x̄)(x_{n+t} − x̄)/N at lags t = 0 … N − 1; (P, N). Spectra are averaged."""
    draws = rows.shape[2]
    length = 1 << (2 * draws - 1).bit_length()
    spectrum = np.fft.rfft(rows - rows.mean(axis=2, keepdims=True), n=length, axis=2)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    covariance: Floats = np.fft.irfft(power.mean(axis=1), n=length, axis=1)[:, :draws] / draws
    return covariance
