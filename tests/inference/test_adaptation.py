"""The schedule of warm-up and the search for a step size."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mlmdsl.inference.adaptation import StepSizes, is_over, reasonable_steps, schedule
from mlmdsl.inference.metric import unit_metric
from mlmdsl.inference.tree import Noise


@pytest.mark.parametrize(("chains", "tune"), [(16, 150), (4, 1000), (1, 200)])
def test_windows_share_out_the_warm_up(chains: int, tune: int) -> None:
    windows = schedule(chains, tune, 10)
    assert sum(window.transitions for window in windows) == pytest.approx(chains * tune, rel=0.01)
    assert [window.learns_metric for window in windows] == [True] * (len(windows) - 1) + [False]
    caps = [window.max_depth for window in windows]
    assert caps == sorted(caps)
    assert caps[-1] == 10


def test_no_window_goes_deeper_than_asked() -> None:
    assert {window.max_depth for window in schedule(4, 100, 3)} == {3}


def test_no_warm_up_has_no_windows() -> None:
    assert schedule(4, 0, 10) == ()


def together(chains: int, step: float) -> StepSizes:
    return StepSizes.starting_at(torch.tensor([step]).double(), torch.zeros(chains, dtype=torch.int64), 0.8)


@pytest.mark.parametrize("first", [0.02, 0.3, 5.0])
def test_the_step_size_settles_where_acceptance_meets_the_target(first: float) -> None:
    """Acceptance falls as 1/(1 + (ε/0.8)⁴): 0.8 at ε = 0.8·(1/4)^¼ = 0.566. Noise of 0.1 a batch."""
    generator = torch.Generator().manual_seed(5)
    step = together(8, first)
    for _ in range(200):
        size = float(step.exploring[0])
        mean = 1 / (1 + (size / 0.8) ** 4)
        batch = (mean + 0.1 * torch.randn(8, generator=generator, dtype=torch.float64)).clamp(0, 1)
        step = step.learned(batch, torch.full((8,), size, dtype=torch.float64), torch.arange(8))
    # the average of the last iterates, each off by about 0.1/√8/slope = 7 %
    assert float(step.settled[0]) == pytest.approx(0.8 * 0.25**0.25, rel=0.15)


def test_transitions_under_another_step_size_are_not_heard() -> None:
    step = together(8, 1.0)
    after = step.learned(torch.zeros(8).double(), torch.full((8,), 3.0).double(), torch.arange(8))
    assert torch.equal(after.log_step, step.log_step)
    assert float(after.heard) == 0


def test_few_transitions_wait_for_more() -> None:
    zeros, ones = torch.zeros(3).double(), torch.ones(3).double()
    waiting = together(8, 1.0).learned(zeros, ones, torch.arange(3))
    assert (waiting.exploring == 1.0).all()
    assert (waiting.learned(zeros[:1], ones[:1], torch.tensor([3])).exploring < 1.0).all()


def test_groups_learn_apart() -> None:
    """Four chains that accept nothing and four that accept all; what the others do is nothing to either."""
    group = torch.tensor([0, 1] * 4)
    step = StepSizes.starting_at(torch.tensor([1.0, 3.0]).double(), group, 0.8)
    acceptance = torch.tensor([0.0, 1.0] * 4).double()
    after = step.learned(acceptance, step.exploring, torch.arange(8)).exploring
    wanted = torch.tensor([math.exp(2 * -0.8), 3 * math.exp(2 * 0.2)] * 4, dtype=torch.float64)
    assert torch.allclose(after, wanted, rtol=1e-12)
    half = step.learned(acceptance[::2], step.exploring[::2], torch.arange(0, 8, 2)).exploring
    assert torch.equal(half[::2], after[::2])
    assert torch.equal(half[1::2], step.exploring[1::2])


def test_a_window_waits_for_the_chain_that_lags() -> None:
    window = schedule(4, 1000, 10)[0]  # 240 transitions
    assert is_over(window, torch.tensor([60, 60, 60, 60]))
    assert not is_over(window, torch.tensor([60, 60, 60, 59]))
    assert not is_over(window, torch.tensor([100, 100, 100, 14]))
    assert is_over(window, torch.tensor([100, 100, 100, 15]))
    assert is_over(window, torch.tensor([320, 320, 320, 0]))


def searched(scale: float | Tensor, group: Tensor) -> tuple[Tensor, int]:
    """The step sizes found for 50 chains of a normal posterior of two dimensions, in these groups, and the gradients it took."""

    def normal(x: Tensor) -> tuple[Tensor, Tensor]:
        return x / scale**2, 0.5 * (x / scale).square().sum(1)

    generator = torch.Generator().manual_seed(6)

    def draw() -> Noise:
        p = torch.randn(50, 2, dtype=torch.float64, generator=generator)
        return Noise(p, torch.ones(2, 50, dtype=torch.float64), torch.ones(50, 1, dtype=torch.float64))

    q = scale * torch.randn(50, 2, dtype=torch.float64, generator=generator)
    return reasonable_steps(q, normal, unit_metric(2, q), group, draw)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_the_search_finds_the_scale_of_the_posterior(scale: float) -> None:
    (size,), gradients = searched(scale, torch.zeros(50, dtype=torch.int64))
    assert 0.25 * scale < float(size) < 4 * scale
    assert gradients <= 2 + abs(math.log2(scale)) + 4


def test_the_search_finds_the_scale_of_each_group() -> None:
    """Half the chains of a normal posterior whose scale is 1, half where it is 1000."""
    scale = torch.tensor([1.0, 1000.0] * 25, dtype=torch.float64)[:, None]
    sizes, _ = searched(scale, torch.arange(50) % 2)
    assert ((0.25 * scale[:2, 0] < sizes) & (sizes < 4 * scale[:2, 0])).all()
