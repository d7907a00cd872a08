"""The run of the vectorised sampler: starting points, warm-up in windows, sampling, block after block.

All that changes lies in one `Session`, so that it can be written to a file between two blocks and taken up again: the
same seed gives the same draws whether or not the run was cut. A block is a fixed number of steps; only between blocks
does anything look at values on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mlmdsl.inference.adaptation import StepSize, Window, reasonable_step, schedule
from mlmdsl.inference.draws import Array, Progress, ProgressCallback, Remark
from mlmdsl.inference.engine import Engine
from mlmdsl.inference.metric import Metric, estimate_metric, unit_metric
from mlmdsl.inference.settings import ENOUGH_DRAWS, INITIAL_TRIES, RAISED_TARGET, Raw, Settings
from mlmdsl.inference.tree import COLUMNS, Noise, State, draw_noise, start, tables

LONGEST_EXTENSION_S = 10.0
"""How much longer than asked for a run may take so that its draws are worth more; judged by counts, not by a clock."""
MOST_KEPT = 50_000_000
"""Numbers kept of a lengthened run."""
Lengthen = Callable[[Array], int]
"""From unconstrained draws (chain, draw, D) to how many times as long the run should be."""
BLOCK = 16
"""Steps between two looks at the host."""
SETTLED_WINDOWS = 3
"""Windows after which trees have about the size they will keep."""
_ACCEPTANCE, _N_STEPS, _SIZE, _DIVERGING, _STEP_SIZE, _POTENTIAL, _ENERGY = range(len(COLUMNS))


@dataclass
class Session:
    """All that a run remembers.

    `window` counts the windows of warm-up that are over, `done` the transitions of the one that is on, `learned` its
    draws and gradients, `settled` the divergences before trees had their size; `kept` holds what was sampled, (chain,
    transition, columns + D), `counts` how many transitions each chain has. One transition of `thin` is a draw; `judged`
    tells that `thin` is decided.
    """

    generator: Tensor
    state: State
    metric: Metric
    step: StepSize
    kept: Tensor
    counts: Tensor
    window: int = 0
    opened: int = 0
    done: int = 0
    gradients: int = 0
    compiled: bool = False
    divergences: int = 0
    settled: int = 0
    thin: int = 1
    judged: bool = False
    learned: list[Tensor] = field(default_factory=list)
    warmup_s: float = 0.0
    sample_s: float = 0.0


class Sampler:
    """Runs one session to its end. Raises ValueError if no starting point of finite density is found."""

    def __init__(
        self,
        dim: int,
        like: Tensor,
        settings: Settings,
        engine: Engine,
        progress: ProgressCallback | None = None,
        save: Callable[[Session], None] | None = None,
        lengthen: Lengthen | None = None,
    ) -> None:
        self.dim, self.like, self.settings, self.engine = dim, like, settings, engine
        self.evaluate = engine.evaluate
        self.progress, self.save, self.lengthen = progress, save, lengthen
        self.windows = schedule(settings.chains, settings.tune, settings.max_depth)
        self.table = tables(settings.max_depth, like.device)
        self.generator = torch.Generator(like.device)
        self.heard = max(4, settings.chains // 2)

    @torch.no_grad()
    def begin(self) -> Session:
        """A fresh session at its starting points, with a unit metric and a step size found by doubling."""
        started = perf_counter()
        settings = self.settings
        self.generator.manual_seed(settings.seed)
        q = self._starting_points()
        metric = unit_metric(self.dim, self.like)
        size, gradients = reasonable_step(q, self.evaluate, metric, self._one_noise)
        state = self._rooted(q, metric, size)
        return Session(
            generator=self.generator.get_state(),
            state=state,
            metric=metric,
            step=StepSize.starting_at(size, settings.target_accept),
            kept=self.like.new_zeros(settings.chains, settings.draws, len(COLUMNS) + self.dim),
            counts=torch.zeros(settings.chains, dtype=torch.int64, device=self.like.device),
            gradients=gradients + 2,
            warmup_s=perf_counter() - started,
        )

    @torch.no_grad()
    def run(self, session: Session) -> Raw:
        """Take the session through what is left of it; an interrupt while sampling keeps what every chain has."""
        self.generator.set_state(session.generator)
        if session.compiled:
            self.engine.compile(session.state, self.table.max_size, session.metric.factor)
        self.finish_warm_up(session)
        interrupted = False
        try:
            self._sample_all(session)
            self._judge(session)
            self._sample_all(session)
        except KeyboardInterrupt:
            interrupted = True
            if int(session.counts.min()) < ENOUGH_DRAWS:
                raise
        return self._gathered(session, interrupted)

    def _sample_all(self, session: Session) -> None:
        while int(session.counts.min()) < session.kept.shape[1]:
            self._sample(session)

    def _judge(self, session: Session) -> None:
        """Once all draws are there: make room for more transitions, where the draws are worth too little."""
        if self.lengthen is None or session.judged:
            return
        chains, transitions, columns = session.kept.shape
        wanted = self.lengthen(self._positions(session, session.kept).cpu().numpy())
        steps = session.kept[:, :, _N_STEPS].sum(1).max().item()
        longest = 1 + int(LONGEST_EXTENSION_S / (steps * self.engine.seconds_per_step))
        largest = max(1, MOST_KEPT // session.kept.numel())
        session.thin, session.judged = max(1, min(wanted, longest, largest)), True
        more = session.kept.new_zeros(chains, transitions * (session.thin - 1), columns)
        session.kept = torch.cat([session.kept, more], 1)

    @torch.no_grad()
    def next_rows(self, session: Session) -> Tensor:
        """One block of a run that is driven from outside: the rows that settled in it, their positions
        unconstrained; (row, columns + D)."""
        metric = session.metric
        if session.window < len(self.windows):
            settled = self._warm_up(session, self.windows[session.window])
        else:
            finished, rows = self._block(session, self.table.max_size, session.step.settled)
            settled = rows[finished]
        position = metric.position(settled[:, len(COLUMNS) : len(COLUMNS) + self.dim])
        return torch.cat([settled[:, : len(COLUMNS)], position], 1)

    @torch.no_grad()
    def finish_warm_up(self, session: Session) -> None:
        """Do what is left of warm-up in a run that is driven from outside."""
        while session.window < len(self.windows):
            self._warm_up(session, self.windows[session.window])

    def _warm_up(self, session: Session, window: Window) -> Tensor:
        started, compiled_s = perf_counter(), self.engine.compile_s
        finished, rows = self._block(
            session, torch.full_like(self.table.max_size, 1 << window.max_depth), session.step.exploring
        )
        settled = rows[finished]
        session.done += len(settled)
        session.divergences += int(settled[:, _DIVERGING].sum())
        session.step = session.step.learned(settled[:, _ACCEPTANCE], settled[:, _STEP_SIZE], self.heard)
        if window.learns_metric:
            session.learned.append(self._unwhitened(session.metric, settled))
        if session.done >= window.transitions:
            self._close_window(session, window)
        session.warmup_s += perf_counter() - started - (self.engine.compile_s - compiled_s)
        self._tell(session)
        return settled

    def _close_window(self, session: Session, window: Window) -> None:
        """Learn the metric; begin new trees, since those that were growing have grown in the old one's coordinates."""
        q = session.metric.position(session.state.tree_proposal[:, 2 : 2 + self.dim])
        steps_per_transition = (session.gradients - session.opened) * self.settings.chains / session.done
        if window.learns_metric:
            session.metric = estimate_metric(*torch.cat(session.learned).chunk(2, 1)) or session.metric
        if window.forgets:
            session.learned = []
        session.window, session.done = session.window + 1, 0
        if session.window == SETTLED_WINDOWS:
            session.settled = session.divergences
        size = session.step.settled
        if session.window < len(self.windows):
            size, gradients = reasonable_step(q, self.evaluate, session.metric, self._one_noise)
            session.step = StepSize.starting_at(size, self._target(session))
            session.gradients += gradients
        else:
            session.divergences = 0
        session.state = self._rooted(q, session.metric, size)
        session.gradients += 1
        self._consider_compiling(session, steps_per_transition)
        session.opened = session.gradients
        session.generator = self.generator.get_state()

    def _target(self, session: Session) -> float:
        """The acceptance that the step size of the next window aims at: higher in the last, if trees still diverge."""
        last = session.window == len(self.windows) - 1
        if last and self.settings.raises_target and session.divergences > session.settled:
            return max(RAISED_TARGET, self.settings.target_accept)
        return self.settings.target_accept

    def _unwhitened(self, metric: Metric, settled: Tensor) -> Tensor:
        x, gradient = settled[:, len(COLUMNS) :].chunk(2, 1)
        return torch.cat([metric.position(x), metric.pushed(gradient)], 1)

    def _sample(self, session: Session) -> None:
        started = perf_counter()
        finished, rows = self._block(session, self.table.max_size, session.step.settled)
        slots = session.counts + finished.cumsum(0) - 1
        room = session.kept.shape[1]
        steps, chains = (finished & (slots < room)).nonzero(as_tuple=True)
        settled = rows[steps, chains]
        session.kept[chains, slots[steps, chains]] = settled[:, : session.kept.shape[2]]
        session.counts = (session.counts + finished.sum(0)).clamp(max=room)
        session.divergences += int(settled[:, _DIVERGING].sum())
        session.sample_s += perf_counter() - started
        self._tell(session)

    def _block(self, session: Session, max_size: Tensor, step_size: float) -> tuple[Tensor, Tensor]:
        """BLOCK steps: which chains finished at each (step, chain), and the rows (step, chain, columns + 2D)."""
        size = self.like.new_tensor(step_size)
        stepped = self.engine.steps(session.state, self.generator, BLOCK, size, max_size, session.metric.factor)
        session.state, finished, rows = stepped
        session.gradients += BLOCK
        session.generator = self.generator.get_state()
        return finished, rows

    def _consider_compiling(self, session: Session, steps_per_transition: float) -> None:
        """Compile if what is left is long, judged by the trees of the window that just closed; again if the metric's
        form changed."""
        left = sum(window.transitions for window in self.windows[session.window :]) / self.settings.chains
        steps = (left + self.settings.draws) * steps_per_transition
        settled = session.window >= SETTLED_WINDOWS
        if session.compiled or (settled and self.engine.is_worth_compiling(steps)):
            session.compiled = True
            self.engine.compile(session.state, self.table.max_size, session.metric.factor)

    def _rooted(self, q: Tensor, metric: Metric, step_size: float) -> State:
        x = metric.whitened(q)
        gradient, potential = metric.whiten(self.evaluate)(x)
        return start(x, gradient, potential, self.table, step_size, self._one_noise())

    def _starting_points(self) -> Tensor:
        """Uniform on (−2, 2)ᴰ, drawn again for each chain whose density or gradient is not finite; shape (chain, D)."""
        q = self._uniform()
        for _ in range(INITIAL_TRIES):
            gradient, potential = self.evaluate(q)
            fine = torch.isfinite(potential) & torch.isfinite(gradient).all(1)
            if bool(fine.all()):
                return q
            q = torch.where(fine[:, None], q, self._uniform())
        raise ValueError(f"no point with a finite density in {INITIAL_TRIES} tries on (−2, 2): is the model right?")

    def _uniform(self) -> Tensor:
        return self.like.new_empty(self.settings.chains, self.dim).uniform_(-2, 2, generator=self.generator)

    def _one_noise(self) -> Noise:
        noise = draw_noise(self.generator, 1, self.like.new_empty(self.settings.chains, self.dim))
        return Noise(*(part[0] for part in noise))

    def _tell(self, session: Session) -> None:
        if self.save is not None:
            self.save(session)
        if self.progress is None:
            return
        phase: Literal["warmup", "sample"] = "warmup" if session.window < len(self.windows) else "sample"
        if phase == "warmup":
            done = sum(window.transitions for window in self.windows[: session.window]) + session.done
            total = sum(window.transitions for window in self.windows)
            size = session.step.exploring
        else:
            done, total = int(session.counts.sum()), session.counts.numel() * session.kept.shape[1]
            size = session.step.settled
        self.progress(Progress(phase, min(done, total), total, size, session.divergences))

    def _gathered(self, session: Session, interrupted: bool) -> Raw:
        thin = session.thin
        length = int(session.counts.min()) // thin
        if length < ENOUGH_DRAWS:  # interrupted soon after the run was lengthened: every transition counts
            thin, length = 1, int(session.counts.min())
        kept = session.kept[:, : length * thin]
        return Raw(
            positions=self._positions(session, kept)[:, thin - 1 :: thin],
            stats=_stats(kept[..., : len(COLUMNS)].cpu().numpy(), int(self.table.max_size), thin),
            warmup_s=session.warmup_s,
            sample_s=session.sample_s,
            gradient_evaluations=float(session.gradients),
            interrupted=interrupted,
            compile_s=self.engine.compile_s,
            remarks=(*(Remark("slow_steps", note) for note in self.engine.notes), *self._remarks(session)),
            thin=thin,
        )

    def _positions(self, session: Session, kept: Tensor) -> Tensor:
        """Unconstrained positions (chain, transition, D)."""
        flat = session.metric.position(kept[..., len(COLUMNS) :].reshape(-1, self.dim))
        return flat.reshape(*kept.shape[:2], self.dim)

    def _remarks(self, session: Session) -> Iterator[Remark]:
        if session.step.target > self.settings.target_accept:
            yield Remark(
                "target_raised",
                f"transitions diverged late in warm-up, so the target acceptance was raised "
                f"from {self.settings.target_accept} to {session.step.target}",
                values=(session.step.target,),
            )


def _stats(rows: Array, max_size: int, thin: int) -> dict[str, Array]:
    """(chain, draw) figures from rows (chain, draw · thin, column): sums, means and the worst of a draw's transitions."""
    each = rows.reshape(len(rows), -1, thin, rows.shape[2])
    last, largest = each[:, :, -1], each[..., _SIZE].max(2)
    return {
        "acceptance_rate": each[..., _ACCEPTANCE].mean(2),
        "diverging": (each[..., _DIVERGING] > 0).any(2),
        "energy": last[..., _ENERGY].copy(),
        "lp": -last[..., _POTENTIAL],
        "n_steps": each[..., _N_STEPS].sum(2).astype(np.int64),
        "reached_max_treedepth": largest >= max_size,
        "step_size": last[..., _STEP_SIZE].copy(),
        "tree_depth": np.log2(largest).round().astype(np.int64),
    }
