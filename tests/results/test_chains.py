"""The formulas on numbers small enough to work by hand, and against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from mlmdsl.results import chains


def rows(*draws: list[list[float]]) -> chains.Floats:
    """Chains of each parameter → (P, C, N)."""
    return np.array(draws, dtype=np.float64)


def test_split_leaves_out_an_odd_middle_draw() -> None:
    assert chains.split(rows([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])).tolist() == [[[1, 2], [6, 7], [4, 5], [9, 10]]]


def test_fold_is_the_distance_from_the_median_of_all_chains() -> None:
    assert chains.fold(rows([[1, 2], [4, 9]])).tolist() == [[[2, 1], [1, 6]]]


@pytest.mark.parametrize("size", [1, 2, 7, 4000])
def test_normal_scores_are_blom(size: int) -> None:
    """Both approximations of Φ⁻¹ are good to about 1e-15."""
    twice = np.arange(2, 2 * size + 1)
    expected = special.ndtri((twice / 2 - 3 / 8) / (size + 1 / 4))
    np.testing.assert_allclose(chains.normal_scores(size)[2:], expected, rtol=1e-13, atol=1e-15)


def test_ranks_are_averaged_over_ties() -> None:
    values = np.random.default_rng(0).integers(0, 6, size=(3, 2, 10)).astype(np.float64)
    doubled = np.arange(41, dtype=np.float64)  # scores that give back twice the rank
    expected = 2 * stats.rankdata(values.reshape(3, -1), axis=1).reshape(values.shape)
    assert chains.rank_normalise(values, doubled).tolist() == expected.tolist()


def test_basic_rhat_by_hand() -> None:
    """Means 1 and 3, variances 2 each, N = 2: √((B/W + N − 1)/N) with B = 2·2 and W = 2 is √1.5."""
    assert chains.basic_rhat(rows([[0, 2], [2, 4]])) == pytest.approx([1.5**0.5], rel=1e-15)


def test_basic_nested_rhat_by_hand() -> None:
    """Means 1, 3 | 6, 8: B̃ = 2, W̃ = 2, W = 4; the superchains' means 2 and 7 have variance 12.5."""
    values = rows([[0, 2], [2, 4], [5, 7], [7, 9]])
    groups = np.array([[0, 1], [2, 3]])
    assert chains.basic_nested_rhat(values, groups) == pytest.approx([(1 + 12.5 / 4) ** 0.5], rel=1e-15)


def test_basic_nested_rhat_of_single_chains_by_hand() -> None:
    """M = 1: B̃ = 0, W = W̃ = 2; the means 1 and 3 have variance 2."""
    groups = np.array([[0], [1]])
    assert chains.basic_nested_rhat(rows([[0, 2], [2, 4]]), groups) == pytest.approx([2**0.5], rel=1e-15)


def test_autocovariance_is_the_sum_of_products() -> None:
    values = np.random.default_rng(1).normal(size=(1, 2, 9))
    centred = values[0] - values[0].mean(axis=1, keepdims=True)
    expected = [np.mean([x[: 9 - lag] @ x[lag:] / 9 for x in centred]) for lag in range(9)]
    np.testing.assert_allclose(chains._mean_autocovariance(values)[0], expected, rtol=0, atol=1e-15)


def test_draws_without_variation_count_all() -> None:
    with np.errstate(invalid="ignore"):
        assert chains.effective_size(np.ones((1, 4, 10))).tolist() == [40.0]


def test_effective_size_cannot_exceed_its_bound() -> None:
    alternating = np.tile([1.0, -1.0], 20).reshape(1, 1, 40)
    assert chains.effective_size(alternating) == pytest.approx([40 * np.log10(40)], rel=1e-12)
