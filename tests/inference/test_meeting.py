"""Which chains have met, and which are left behind: exact cases."""

from __future__ import annotations

import numpy as np
import pytest

from mlmdsl.inference.meeting import FAR, HOPELESS, Floats, Restart, apart, met, restarted, seen_lately, standing

DRAWS = 40


def normal_draws(centres: Floats, scales: Floats, heights: Floats, seed: int = 1):  # type: ignore[no-untyped-def]
    """Chains of independent draws of normal modes, each with its own log density at the centre; as `seen_lately` takes
    them. Gradients are those of the modes."""
    generator = np.random.default_rng(seed)
    chains, dim = centres.shape
    chain = np.tile(np.arange(chains), DRAWS)
    z = generator.normal(size=(DRAWS * chains, dim))
    x, scale = centres[chain] + scales[chain, None] * z, scales[chain, None]
    return chain, heights[chain] - 0.5 * (z * z).sum(1), x, chains, z / scale


def seen(centres: Floats, scales: Floats, heights: Floats, seed: int = 1):  # type: ignore[no-untyped-def]
    return seen_lately(*normal_draws(centres, scales, heights, seed))


def test_the_later_half_of_each_chain_counts() -> None:
    chain = np.array([0, 1, 0, 0, 1, 0])
    height = np.array([-9.0, 5.0, -9.0, 1.0, 7.0, 3.0])
    x = np.array([[9.0], [1.0], [9.0], [2.0], [4.0], [6.0]])
    lately = seen_lately(chain, height, x, 3, 2 * x)
    assert lately.draws.tolist() == [2, 1, 0]
    assert (lately.mean.tolist(), lately.least[0], lately.most[0]) == ([2.0, 7.0, -np.inf], 1.0, 3.0)
    assert lately.place[:2].tolist() == [[4.0], [4.0]]
    assert lately.width[0].tolist() == [2.0]
    assert lately.reach[0] == pytest.approx(np.sqrt(2 / 4))  # gradients spread by 4 where draws do by 2


def test_chains_of_one_mode_have_met() -> None:
    lately = seen(np.zeros((8, 5)), np.ones(8), np.zeros(8))
    assert met(lately).tolist() == [0] * 8
    assert not standing(lately, met(lately)).behind.any()


@pytest.mark.parametrize(("gap", "groups"), [(1.0, 1), (5.0, 1), (12.0, 2), (1000.0, 2)])
def test_chains_have_met_where_their_places_overlap(gap: float, groups: int) -> None:
    """Two modes of one shape: as far apart as five standard deviations of each together are still one."""
    centres = np.zeros((8, 5))
    centres[5:, 3] = gap
    assert gap < 2 * FAR or groups == 2
    assert len(set(met(seen(centres, np.ones(8), np.zeros(8))))) == groups


@pytest.mark.parametrize(("drop", "groups"), [(3.0, 1), (40.0, 2)])
def test_chains_have_met_where_their_log_densities_do(drop: float, groups: int) -> None:
    heights = np.array([0.0, 0, 0, 0, 0, -drop, -drop, -drop])
    assert len(set(met(seen(np.zeros((8, 5)), np.ones(8), heights)))) == groups


def test_a_chain_between_two_links_them() -> None:
    centres = np.zeros((3, 1))
    centres[:, 0] = 0.0, 6.0, 12.0
    assert len(set(met(seen(centres, np.ones(3), np.zeros(3))))) == 1
    assert len(set(met(seen(centres[::2], np.ones(2), np.zeros(2))))) == 2


def test_a_chain_without_draws_or_without_movement_has_met_nobody() -> None:
    chain, height, x, _, gradient = normal_draws(np.zeros((2, 2)), np.ones(2), np.zeros(2))
    none = seen_lately(chain, height, x, 3, gradient)
    assert met(none).tolist() == [0, 0, 1]
    still = seen_lately(
        np.append(chain, [2] * 5), np.append(height, [-1e30] * 5), np.append(x, np.full((5, 2), 7.0), 0), 3
    )
    assert met(still).tolist() == [0, 0, 1]
    assert standing(still, met(still)).behind.tolist() == [False, False, True]


def test_a_chain_held_up_below_is_behind_the_others() -> None:
    centres, heights = np.zeros((8, 5)), np.zeros(8)
    centres[2], heights[2] = 50.0, -480.0
    lately = seen(centres, np.ones(8), heights)
    stands = standing(lately, met(lately))
    assert stands.behind.tolist() == [c == 2 for c in range(8)]
    assert stands.best.tolist() == [c != 2 for c in range(8)]


@pytest.mark.parametrize("lead", [-3.0, 0.0, 3.0])
def test_a_mode_of_like_mass_is_not_behind(lead: float) -> None:
    """Whichever is higher, and however few chains are in it."""
    centres, heights = np.zeros((8, 5)), np.zeros(8)
    centres[6:], heights[6:] = 50.0, lead
    lately = seen(centres, np.ones(8), heights)
    assert len(set(met(lately))) == 2
    assert not standing(lately, met(lately)).behind.any()


def test_a_wide_mode_far_below_is_not_behind_a_narrow_one_of_like_mass() -> None:
    """Its log density is lower by D·log 1000 = 35, its volume larger by as much."""
    scales, heights = np.array([1.0, 1, 1, 1, 1, 1, 1000, 1000]), np.zeros(8)
    heights[6:] = -5 * np.log(1000)
    lately = seen(np.zeros((8, 5)), scales, heights)
    assert lately.most[6:].max() + HOPELESS < lately.least[:6].min()
    assert not standing(lately, met(lately)).behind.any()


def test_a_slow_chain_is_judged_by_its_gradients() -> None:
    """The wide mode again, by chains that saw a hundredth of it: their gradients tell how wide it is."""
    chain, height, x, chains, gradient = normal_draws(np.zeros((8, 5)), np.ones(8), np.zeros(8))
    slow = chain >= 6
    wide = np.where(slow[:, None], 10 * x, x)
    height = np.where(slow, height - 5 * np.log(1000), height)
    slopes = np.where(slow[:, None], wide / 1000**2, gradient)
    lately = seen_lately(chain, height, wide, chains, slopes)
    assert not standing(lately, met(lately)).behind.any()
    blind = seen_lately(chain, height, wide, chains)
    assert standing(blind, met(blind)).behind.tolist() == [c >= 6 for c in range(8)]


def test_remarks_name_chains_from_one() -> None:
    remark = restarted(
        [Restart(2, 0, 1, -500.0, -20.0), Restart(2, 4, 3, -90.0, -20.0), Restart(0, 1, 1, -70.0, -20.0)]
    )
    assert (remark.code, remark.severity, remark.values) == ("chains_restarted", "note", (1.0, 3.0))
    assert "chain 1 (-70 where the others were at -20), chain 3 (-500 where the others were at -20)" in remark.message
    (found,) = apart(np.array([1, 0, 1, 1]), np.array([-1.0, -30.0, -2.0, -3.0]))
    assert (found.code, found.severity, found.values) == ("chains_apart", "error", (2.0,))
    assert "chains 1, 3, 4 at -2; chain 2 at -30" in found.message
    assert not list(apart(np.zeros(4, dtype=np.int64), np.zeros(4)))
