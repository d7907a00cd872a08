"""The diagnostics are ArviZ's, to rounding; what ArviZ leaves open is fixed by cases worked by hand."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mlmdsl.results.arviz_compat import uses_datatree
from mlmdsl.results.diagnostics import (
    bfmi,
    ess_bulk,
    ess_mean,
    ess_tail,
    is_constant,
    mcse_mean,
    nested_rhat,
    rhat,
    statistics,
)

from .conftest import autoregressive

LAYOUTS = [(4, 1000), (4, 250), (2, 101), (3, 57), (16, 63), (1, 400), (3, 7), (4, 4)]

Draws = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def arviz() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # 0.23 announces 1.x
        return import_module("arviz")


def assert_same(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> None:
    """Equal, NaN included, up to rounding: the formulas are the same, only the order of additions differs."""
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-10, atol=0.0)


def each(measure: Callable[[Draws], float], draws: Draws) -> list[float]:
    """A measure of (chain, draw) for each parameter of (chain, draw, P); its own remarks on few draws left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [np.asarray(measure(draws[:, :, column])).item() for column in range(draws.shape[2])]


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.95, -0.6, 1.0])
@pytest.mark.parametrize(("chains", "draws"), LAYOUTS)
def test_figures_equal_arviz(arviz: Any, chains: int, draws: int, phi: float) -> None:
    values = autoregressive(chains, draws, 4, phi, seed=chains * draws)
    assert_same(ess_bulk(values), each(lambda x: arviz.ess(x, method="bulk"), values))
    tail = each(lambda x: arviz.ess(x, method="tail", prob=(0.05, 0.95)), values)
    assert_same(ess_tail(values), tail)
    assert_same(ess_mean(values), each(lambda x: arviz.ess(x, method="mean"), values))
    assert_same(mcse_mean(values), each(lambda x: arviz.mcse(x, method="mean"), values))
    expected = each(arviz.rhat, values) if chains > 1 else [np.nan] * 4
    assert_same(rhat(values), expected)


def test_ties_share_their_rank(arviz: Any) -> None:
    values = np.round(autoregressive(4, 200, 5, 0.5, seed=1), 1)
    assert_same(rhat(values), each(arviz.rhat, values))
    assert_same(ess_bulk(values), each(lambda x: arviz.ess(x, method="bulk"), values))


def test_chains_that_disagree_equal_arviz(arviz: Any) -> None:
    values = autoregressive(4, 100, 3, 0.3, seed=2)
    values[0, :, 0] += 3  # in location
    values[1, :, 1] *= 5  # in scale
    assert_same(rhat(values), each(arviz.rhat, values))
    assert rhat(values)[:2].min() > 1.05


@pytest.mark.skipif(not uses_datatree(), reason="ArviZ 0.x has no nested R-hat")
@pytest.mark.parametrize("superchains", [2, 4, 8])
def test_nested_rhat_equals_arviz(arviz: Any, superchains: int) -> None:
    values = autoregressive(8, 40, 4, 0.5, seed=3)
    values[:4, :, 0] += 1
    groups = np.repeat(np.arange(superchains), 8 // superchains)
    expected = each(lambda x: arviz.rhat_nested(x, superchain_ids=groups, method="rank"), values)
    assert_same(nested_rhat(values, superchains), expected)


def test_bfmi_equals_arviz(arviz: Any) -> None:
    energy = autoregressive(4, 300, 1, 0.9, seed=4)[:, :, 0]
    assert_same(bfmi(energy), np.ravel(arviz.bfmi(energy)))


def test_statistics_are_the_single_measures() -> None:
    values = autoregressive(4, 100, 30, 0.5, seed=5)
    figures = statistics(values)
    for name, measure in {"mcse": mcse_mean, "ess_bulk": ess_bulk, "ess_tail": ess_tail, "rhat": rhat}.items():
        np.testing.assert_array_equal(getattr(figures, name), measure(values), err_msg=name)


def test_statistics_do_not_depend_on_their_chunks() -> None:
    values = autoregressive(4, 20_000, 8, 0.2, seed=6)  # 80 000 draws a parameter: several chunks
    alone = [statistics(values[:, :, [column]]) for column in range(8)]
    np.testing.assert_array_equal(np.array(statistics(values)), np.hstack([np.array(figures) for figures in alone]))


def test_mean_std_and_quantiles_of_known_numbers() -> None:
    """1 … 20: mean 10.5, variance 20·21/12 = 35; type-7 quantiles at 1 + 19·p."""
    figures = statistics(np.arange(1.0, 21.0).reshape(4, 5, 1))
    assert figures.mean.tolist() == [10.5]
    assert figures.std[0] == pytest.approx(35**0.5, rel=1e-15)
    assert figures.q5[0] == pytest.approx(1.95, rel=1e-15)
    assert figures.q95[0] == pytest.approx(19.05, rel=1e-15)


def test_ess_of_known_numbers() -> None:
    """Alternating draws: ρ₁ = −1 + small ends the sum at its first pair, τ falls to its floor 1/log₁₀ S."""
    values = np.tile([1.0, -1.0], 20).reshape(1, 40)
    assert ess_mean(values) == pytest.approx(40 * np.log10(40), rel=1e-12)


def test_nested_rhat_passes_many_short_chains_that_agree() -> None:
    """256 chains of 60 draws with autocorrelation time τ = 3, in 8 groups.

    The classic R-hat is √(1 + (τ − 1)/30) ≈ 1.03, to 6 % of its distance from 1. For the nested one
    B/W ≈ χ²₇/7 · 3/(32·60): to reach 1.01 it would need χ²₇ > 90, of probability below 1e-15.
    """
    values = autoregressive(256, 60, 6, 0.5, seed=9)
    assert nested_rhat(values, 8).max() < 1.01 < 1.02 < rhat(values).min()


def test_superchains_may_be_named_in_any_order() -> None:
    values = autoregressive(4, 50, 2, 0.5, seed=10)
    np.testing.assert_array_equal(nested_rhat(values, [7, 3, 7, 3]), nested_rhat(values[[0, 2, 1, 3]], 2))


@pytest.mark.parametrize(
    ("superchains", "message"),
    [
        (3, "do not divide"),
        (0, "do not divide"),
        (1, "two groups or more"),
        ([0, 1], "a group for each of 4 chains"),
        ([0, 0, 0, 1], "of equal size"),
    ],
)
def test_superchains_that_do_not_fit(superchains: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nested_rhat(np.zeros((4, 10)), superchains)


@pytest.mark.parametrize("value", [0.0, 1.0, -3.7, 1e-300, 1e300])
def test_a_constant_has_mean_and_quantiles_only(value: float) -> None:
    figures = statistics(np.full((4, 100, 1), value))
    assert figures.std.tolist() == [0.0]
    assert (figures.mean[0], figures.q5[0], figures.q95[0]) == pytest.approx((value, value, value), rel=1e-14)
    assert np.isnan([figures.mcse, figures.ess_bulk, figures.ess_tail, figures.rhat]).all()


def test_rounding_noise_is_constant_but_a_small_scale_is_not() -> None:
    draws = np.random.default_rng(11).normal(size=(4, 100))
    values = np.stack([1 + 2e-16 * np.sign(draws), 1e-20 * draws], axis=2)
    assert is_constant(values).tolist() == [True, False]
    assert np.isfinite(ess_mean(values)[1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_draw_leaves_the_other_parameters_alone(bad: float) -> None:
    values = autoregressive(4, 100, 2, 0.0, seed=12)
    clean = statistics(values)
    values[1, 3, 0] = bad
    figures = statistics(values)
    assert np.isnan([figures.mcse[0], figures.ess_bulk[0], figures.ess_tail[0], figures.rhat[0]]).all()
    assert np.array(figures)[:, 1].tolist() == np.array(clean)[:, 1].tolist()


def test_chains_that_each_keep_their_own_value() -> None:
    assert rhat(np.repeat([[1.0], [2.0], [3.0], [4.0]], 10, axis=1)) == np.inf


@pytest.mark.parametrize("draws", [0, 1, 3])
def test_too_few_draws(draws: int) -> None:
    figures = statistics(np.random.default_rng(13).normal(size=(4, draws, 2)))
    assert np.isnan(figures.ess_bulk).all()
    assert figures.mean.shape == (2,)


def test_no_parameters() -> None:
    assert statistics(np.empty((4, 100, 0))).mean.shape == (0,)
    assert rhat(np.empty((4, 100, 0))).shape == (0,)


def test_draws_need_two_axes() -> None:
    with pytest.raises(ValueError, match="a chain and a draw axis"):
        rhat(np.zeros(10))
