"""The schedule of warm-up and the search for a step size."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mlmdsl.inference.adaptation import StepSize, reasonable_step, schedule
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


@pytest.mark.parametrize("first", [0.02, 0.3, 5.0])
def test_the_step_size_settles_where_acceptance_meets_the_target(first: float) -> None:
    """Acceptance falls as 1/(1 + (ε/0.8)⁴): 0.8 at ε = 0.8·(1/4)^¼ = 0.566. Noise of 0.1 a batch."""
    generator = torch.Generator().manual_seed(5)
    step = StepSize.starting_at(first, 0.8)
    for _ in range(200):
        size = step.exploring
        mean = 1 / (1 + (size / 0.8) ** 4)
        batch = (mean + 0.1 * torch.randn(8, generator=generator, dtype=torch.float64)).clamp(0, 1)
        step = step.learned(batch, torch.full((8,), size, dtype=torch.float64), 8)
    # the average of the last iterates, each off by about 0.1/√8/slope = 7 %
    assert step.settled == pytest.approx(0.8 * 0.25**0.25, rel=0.15)


def test_transitions_under_another_step_size_are_not_heard() -> None:
    step = StepSize.starting_at(1.0, 0.8)
    assert step.learned(torch.zeros(8), torch.full((8,), 3.0), 4) == step


def test_few_transitions_wait_for_more() -> None:
    step = StepSize.starting_at(1.0, 0.8)
    waiting = step.learned(torch.zeros(3), torch.ones(3), 4)
    assert waiting.exploring == 1.0
    assert waiting.learned(torch.zeros(1), torch.ones(1), 4).exploring < 1.0


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_the_search_finds_the_scale_of_the_posterior(scale: float) -> None:
    def normal(x: Tensor) -> tuple[Tensor, Tensor]:
        return x / scale**2, 0.5 * (x / scale).square().sum(1)

    generator = torch.Generator().manual_seed(6)

    def draw() -> Noise:
        p = torch.randn(50, 2, dtype=torch.float64, generator=generator)
        return Noise(p, torch.ones(2, 50, dtype=torch.float64), torch.ones(50, 1, dtype=torch.float64))

    q = scale * torch.randn(50, 2, dtype=torch.float64, generator=generator)
    size, gradients = reasonable_step(q, normal, unit_metric(2, q), draw)
    assert 0.25 * scale < size < 4 * scale
    assert gradients <= 2 + abs(math.log2(scale)) + 4
