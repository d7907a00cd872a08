"""All that a run of the vectorised sampler remembers, and what takes it a block of steps further.

A `Session` can be written to a file between two blocks and taken up again: the same seed gives the same draws whether or not
the run was cut. A block is a fixed number of steps; only between blocks does anything look at values on the host.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from mlmdsl.inference.adaptation import StepSizes
from mlmdsl.inference.engine import Engine
from mlmdsl.inference.meeting import Restart
from mlmdsl.inference.metric import Metric
from mlmdsl.inference.settings import Settings
from mlmdsl.inference.tree import COLUMNS, Noise, State, draw_noise, start, tables

BLOCK = 16
"""Steps between two looks at the host."""
ACCEPTANCE, N_STEPS, SIZE, DIVERGING, STEP_SIZE, POTENTIAL, ENERGY = range(len(COLUMNS))


@dataclass
class Session:
    """All that a run remembers.

    `window` counts the windows of warm-up that are over, `done` the transitions of each chain in the one that is on;
    `learned` holds its draws (chain, U, q, ∇U), `settled` the divergences before trees had their size, `behind` for how
    many windows in a row each chain has been left behind, `restarts` those that began again; `kept` holds what was
    sampled, (chain, transition, columns + D), `counts` how many transitions each chain has. One transition of `thin` is a
    draw; `judged` tells that `thin` is decided.
    """

    generator: Tensor
    state: State
    metric: Metric
    steps: StepSizes
    kept: Tensor
    counts: Tensor
    done: Tensor
    behind: Tensor
    window: int = 0
    opened: int = 0
    gradients: int = 0
    compiled: bool = False
    divergences: int = 0
    settled: int = 0
    thin: int = 1
    judged: bool = False
    learned: list[Tensor] = field(default_factory=list)
    restarts: list[Restart] = field(default_factory=list)
    warmup_s: float = 0.0
    sample_s: float = 0.0


class Stepper:
    """Takes sessions further, by an engine and one random generator."""

    def __init__(self, dim: int, like: Tensor, settings: Settings, engine: Engine) -> None:
        self.like = like.new_empty(settings.chains, dim)
        self.engine, self.evaluate = engine, engine.evaluate
        table = tables(settings.max_depth, like.device)
        self.table = table._replace(max_size=table.max_size.repeat(settings.chains))
        self.generator = torch.Generator(like.device)
        self.between_blocks = True
        """Whether a session is whole; half a block on, no run can be taken up from it."""

    def block(self, session: Session, steps: Tensor, max_size: Tensor) -> tuple[Tensor, Tensor]:
        """BLOCK steps: which chains finished at each (step, chain), and the rows (step, chain, columns + 2D)."""
        self.between_blocks = False
        stepped = self.engine.steps(
            session.state, self.generator, BLOCK, steps.to(self.like), max_size, session.metric.factor
        )
        session.state, finished, rows = stepped
        session.gradients += BLOCK
        session.generator = self.generator.get_state()
        return finished, rows

    def rooted(self, q: Tensor, metric: Metric, steps: Tensor) -> State:
        """New trees at q (chain, D), with the step size of each chain."""
        x = metric.whitened(q)
        gradient, potential = metric.whiten(self.evaluate)(x)
        return start(x, gradient, potential, self.table, steps.to(self.like), self.noise())

    def noise(self) -> Noise:
        """What chance decides in one step."""
        return Noise(*(part[0] for part in draw_noise(self.generator, 1, self.like)))

    def compile(self, session: Session) -> None:
        """Make further steps faster."""
        session.compiled = True
        self.engine.compile(session.state, self.table.max_size, session.metric.factor)
