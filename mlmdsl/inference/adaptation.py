"""What warm-up learns, pooled over chains, and in which order.

Every chain's transitions teach one step size and one metric, so a hundred transitions a chain do what a thousand do
for a chain alone. Windows grow; each begins with the metric that the last one found. While the metric is poor, long
trees are a waste: early windows cap the depth of the tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from mlmdsl.inference.metric import Metric
from mlmdsl.inference.potential import GradientAndValue
from mlmdsl.inference.tree import Noise, leapfrog, start, tables

SEARCH_TRIES = 60
GAIN = 2.0
"""The slope of log ε against acceptance is about −1/3 at 0.8; a gain below 3 does not overshoot."""
NEAR = 0.1
"""How far log ε may have moved for a transition to count."""


@dataclass(frozen=True)
class Window:
    """A stretch of warm-up: it ends when all chains together have made `transitions`; no tree is deeper than
    `max_depth`."""

    transitions: int
    max_depth: int
    learns_metric: bool
    forgets: bool = True


_SHARES = (0.06, 0.08, 0.12, 0.16, 0.20, 0.22)
_CAPS = (5, 6, 7, 8)
_LAST_SHARE = 0.16


def schedule(chains: int, tune: int, max_depth: int) -> tuple[Window, ...]:
    """Six growing windows that each end with a new metric, then one that settles the step size."""
    if tune == 0:
        return ()
    total = chains * tune
    caps = [min(cap, max_depth) for cap in _CAPS] + [max_depth] * (len(_SHARES) - len(_CAPS))
    learning = [Window(max(1, round(share * total)), cap, True) for share, cap in zip(_SHARES, caps, strict=True)]
    learning[-2] = replace(learning[-2], forgets=False)
    return (*learning, Window(max(1, round(_LAST_SHARE * total)), max_depth, False))


@dataclass(frozen=True)
class StepSize:
    """log ε steered towards a mean acceptance of `target` by stochastic approximation, with averaged iterates.

    After a batch of transitions that all used about the present ε: log ε += gain·(acceptance − target), where gain
    falls as t^−0.6 (Robbins & Monro; the average is Polyak's). Chains are in the middle of their trees when ε
    changes: dual averaging, made for one chain, would answer again and again to the same news and overshoot, so
    transitions begun under another ε are not heard.
    """

    target: float
    log_step: float
    log_average: float
    count: int = 0
    total: float = 0.0
    heard: float = 0.0

    @classmethod
    def starting_at(cls, step: float, target: float) -> StepSize:
        return cls(target, math.log(step), math.log(step))

    def learned(self, acceptance: torch.Tensor, step: torch.Tensor, enough: int) -> StepSize:
        """After transitions with these acceptance rates and step sizes, (n,) each; moves once `enough` of them are
        heard."""
        current = (step.log() - self.log_step).abs() < NEAR
        total = self.total + float(acceptance[current].sum())
        heard = self.heard + float(current.sum())
        if heard < enough:
            return replace(self, total=total, heard=heard)
        count = self.count + 1
        log_step = self.log_step + GAIN * count**-0.6 * (total / heard - self.target)
        weight = count**-0.75
        log_average = weight * log_step + (1 - weight) * self.log_average
        return StepSize(self.target, log_step, log_average, count)

    @property
    def exploring(self) -> float:
        return math.exp(self.log_step)

    @property
    def settled(self) -> float:
        return math.exp(self.log_average)


def reasonable_step(
    q: torch.Tensor, evaluate: GradientAndValue, metric: Metric, draw: Callable[[], Noise]
) -> tuple[float, int]:
    """The step size, up to a factor of two, at which one leapfrog is accepted by 0.8 on average; and the gradients it
    took."""
    table = tables(1, q.device)
    whitened = metric.whiten(evaluate)
    x = metric.whitened(q)
    gradient, potential = whitened(x)
    step, direction = 1.0, 0
    for tries in range(SEARCH_TRIES):
        state = start(x, gradient, potential, table, step, draw())
        error = torch.nan_to_num(leapfrog(state, whitened).energy - state.start_energy, nan=torch.inf)
        wanted = 1 if torch.exp(-error.clamp(min=0.0)).mean().item() > 0.8 else -1
        if direction == -wanted:
            return (step if wanted == 1 else step / 2), tries + 2
        direction = wanted
        step *= 2.0**direction
    return step, SEARCH_TRIES + 1
