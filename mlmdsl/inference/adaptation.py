"""What warm-up learns about step sizes, and in which order it learns.

The transitions of all chains that have met teach one step size and one metric, so a hundred transitions a chain do what a
thousand do for a chain alone. Windows grow; each begins with the metric that the last one found. While the metric is poor,
long trees are a waste: early windows cap the depth of the tree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

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
LEAST_SHARE = 0.25
"""Of its equal share of a window's transitions, what a chain must have made before the window ends."""
LONGEST = 4
"""How many times its transitions a window may last while a chain has not made its share."""


def schedule(chains: int, tune: int, max_depth: int) -> tuple[Window, ...]:
    """Six growing windows that each end with a new metric, then one that settles the step size."""
    if tune == 0:
        return ()
    total = chains * tune
    caps = [min(cap, max_depth) for cap in _CAPS] + [max_depth] * (len(_SHARES) - len(_CAPS))
    learning = [Window(max(1, round(share * total)), cap, True) for share, cap in zip(_SHARES, caps, strict=True)]
    learning[-2] = replace(learning[-2], forgets=False)
    return (*learning, Window(max(1, round(_LAST_SHARE * total)), max_depth, False))


def is_over(window: Window, done: Tensor) -> bool:
    """Whether the chains have made enough transitions, `done` (chain,): together, and each of them some."""
    total, share = int(done.sum()), window.transitions / len(done)
    everyone = int(done.min()) >= int(LEAST_SHARE * share) or total >= LONGEST * window.transitions
    return total >= window.transitions and everyone


@dataclass(frozen=True)
class StepSizes:
    """log ε of each group of chains, steered towards a mean acceptance of `target` by stochastic approximation, with
    averaged iterates. `group` (chain,) says which group a chain is of; the other tensors are (group,), on the host.

    After a batch of transitions that all used about the present ε: log ε += gain·(acceptance − target), where gain
    falls as t^−0.6 (Robbins & Monro; the average is Polyak's). Chains are in the middle of their trees when ε
    changes: dual averaging, made for one chain, would answer again and again to the same news and overshoot, so
    transitions begun under another ε are not heard.
    """

    target: float
    group: Tensor
    log_step: Tensor
    log_average: Tensor
    count: Tensor
    total: Tensor
    heard: Tensor

    @classmethod
    def starting_at(cls, steps: Tensor, group: Tensor, target: float) -> StepSizes:
        """From the step size of each group."""
        log_step, zeros = steps.log(), torch.zeros_like(steps)
        return cls(target, group, log_step, log_step, zeros, zeros, zeros)

    def learned(self, acceptance: Tensor, step: Tensor, chain: Tensor) -> StepSizes:
        """After transitions with these acceptance rates and step sizes of these chains, (n,) each. A group moves once
        as many are heard as half its chains are, four at least."""
        group = self.group[chain]
        current = ((step.log() - self.log_step[group]).abs() < NEAR).to(self.total)
        total = self.total.index_add(0, group, current * acceptance)
        heard = self.heard.index_add(0, group, current)
        moves = heard >= (torch.bincount(self.group, minlength=len(heard)) // 2).clamp(min=4)
        count = self.count + moves
        gain, weight = GAIN * count.clamp(min=1).pow(-0.6), count.clamp(min=1).pow(-0.75)
        log_step = self.log_step + gain * (total / heard.clamp(min=1) - self.target)
        log_average = weight * log_step + (1 - weight) * self.log_average
        return StepSizes(
            self.target,
            self.group,
            torch.where(moves, log_step, self.log_step),
            torch.where(moves, log_average, self.log_average),
            count,
            torch.where(moves, 0, total),
            torch.where(moves, 0, heard),
        )

    @property
    def exploring(self) -> Tensor:
        """The step size of each chain, while it is learned."""
        return self.log_step.exp()[self.group]

    @property
    def settled(self) -> Tensor:
        """The step size of each chain, once it is learned."""
        return self.log_average.exp()[self.group]


def reasonable_steps(
    q: Tensor, evaluate: GradientAndValue, metric: Metric, group: Tensor, draw: Callable[[], Noise]
) -> tuple[Tensor, int]:
    """For each group the step size, up to a factor of two, at which one leapfrog is accepted by 0.8 on average; and the
    gradients it took. `group` (chain,), from 0 without gaps."""
    table, whitened = tables(1, q.device), metric.whiten(evaluate)
    x = metric.whitened(q)
    gradient, potential = whitened(x)
    sizes = torch.bincount(group)
    steps, wanted = torch.ones(len(sizes), dtype=torch.float64), torch.zeros(len(sizes))
    searching = torch.ones(len(sizes), dtype=torch.bool)
    for tries in range(SEARCH_TRIES):
        state = start(x, gradient, potential, table, steps[group].to(q), draw())
        error = torch.nan_to_num(leapfrog(state, whitened).energy - state.start_energy, nan=torch.inf)
        accepted = torch.exp(-error.clamp(min=0.0)).double().cpu()
        direction = torch.where(torch.zeros_like(steps).index_add(0, group, accepted) > 0.8 * sizes, 1.0, -1.0)
        turned = searching & (direction == -wanted)
        steps = torch.where(turned & (direction < 0), steps / 2, steps)
        searching = searching & ~turned
        if not bool(searching.any()):
            return steps, tries + 2
        wanted = torch.where(searching, direction, wanted)
        steps = torch.where(searching, steps * 2.0**direction, steps)
    return steps, SEARCH_TRIES + 1
