"""The run of the vectorised sampler: warm-up, then sampling, block after block, and what is handed back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlmdsl.inference.draws import Array, Longer, Progress, ProgressCallback, Remark
from mlmdsl.inference.engine import Engine
from mlmdsl.inference.meeting import apart, met, restarted, seen_lately
from mlmdsl.inference.session import (
    ACCEPTANCE,
    DIVERGING,
    ENERGY,
    N_STEPS,
    POTENTIAL,
    SIZE,
    STEP_SIZE,
    Session,
    Stepper,
)
from mlmdsl.inference.settings import ENOUGH_DRAWS, Raw, Settings
from mlmdsl.inference.tree import COLUMNS
from mlmdsl.inference.warmup import WarmUp

MOST_KEPT = 50_000_000
"""Numbers kept of a lengthened run."""

FEWEST_JUDGED = 20
"""Transitions a chain below which nothing says whether chains have met."""

Lengthen = Callable[[Array], Longer]
"""From unconstrained draws (chain, draw, D) to how long the run should be."""


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
        self.dim, self.settings, self.engine = dim, settings, engine
        self.progress, self.save, self.lengthen = progress, save, lengthen
        self.stepper = Stepper(dim, like, settings, engine)
        self.warm_up = WarmUp(self.stepper, settings)

    @torch.no_grad()
    def begin(self) -> Session:
        """A fresh session at its starting points."""
        return self.warm_up.begin()

    @torch.no_grad()
    def run(self, session: Session) -> Raw:
        """Take the session through what is left of it; an interrupt while sampling keeps what every chain has."""
        self.stepper.generator.set_state(session.generator)
        if session.compiled:
            self.stepper.compile(session)
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
        wanted, most_s = self.lengthen(self._positions(session, session.kept).cpu().numpy())
        steps = session.kept[:, :, N_STEPS].sum(1).max().item()
        longest = 1 + int(most_s / (steps * self.engine.seconds_per_step))
        largest = max(1, MOST_KEPT // session.kept.numel())
        session.thin, session.judged = max(1, min(wanted, longest, largest)), True
        more = session.kept.new_zeros(chains, transitions * (session.thin - 1), columns)
        session.kept = torch.cat([session.kept, more], 1)

    @torch.no_grad()
    def next_rows(self, session: Session) -> Tensor:
        """One block of a run that is driven from outside: the rows that settled in it, their positions
        unconstrained; (row, columns + D)."""
        metric = session.metric
        if not self.warm_up.is_done(session):
            settled = self._warmed(session)
        else:
            finished, rows = self.stepper.block(session, session.steps.settled, self.stepper.table.max_size)
            settled = rows[finished]
        position = metric.position(settled[:, len(COLUMNS) : len(COLUMNS) + self.dim])
        return torch.cat([settled[:, : len(COLUMNS)], position], 1)

    @torch.no_grad()
    def finish_warm_up(self, session: Session) -> None:
        """Do what is left of warm-up in a run that is driven from outside."""
        while not self.warm_up.is_done(session):
            self._warmed(session)

    def _warmed(self, session: Session) -> Tensor:
        settled = self.warm_up.advance(session)
        self._tell(session)
        return settled

    def _sample(self, session: Session) -> None:
        started = perf_counter()
        finished, rows = self.stepper.block(session, session.steps.settled, self.stepper.table.max_size)
        slots = session.counts + finished.cumsum(0) - 1
        room = session.kept.shape[1]
        steps, chains = (finished & (slots < room)).nonzero(as_tuple=True)
        settled = rows[steps, chains]
        session.kept[chains, slots[steps, chains]] = settled[:, : session.kept.shape[2]]
        session.counts = (session.counts + finished.sum(0)).clamp(max=room)
        session.divergences += int(settled[:, DIVERGING].sum())
        session.sample_s += perf_counter() - started
        self._tell(session)

    def _tell(self, session: Session) -> None:
        self.stepper.between_blocks = True
        if self.save is not None:
            self.save(session)
        if self.progress is None:
            return
        windows = self.warm_up.windows
        phase: Literal["warmup", "sample"] = "sample" if self.warm_up.is_done(session) else "warmup"
        if phase == "warmup":
            total = sum(window.transitions for window in windows)
            before, current = windows[: session.window], windows[session.window].transitions
            done = sum(window.transitions for window in before) + min(int(session.done.sum()), current)
            sizes = session.steps.exploring
        else:
            done, total = int(session.counts.sum()), session.counts.numel() * session.kept.shape[1]
            sizes = session.steps.settled
        self.progress(Progress(phase, min(done, total), total, float(sizes.median()), session.divergences))

    def _gathered(self, session: Session, interrupted: bool) -> Raw:
        thin = session.thin
        length = int(session.counts.min()) // thin
        if length < ENOUGH_DRAWS:  # interrupted soon after the run was lengthened: every transition counts
            thin, length = 1, int(session.counts.min())
        kept = session.kept[:, : length * thin]
        return Raw(
            positions=self._positions(session, kept)[:, thin - 1 :: thin],
            stats=_stats(kept[..., : len(COLUMNS)].cpu().numpy(), int(self.stepper.table.max_size[0]), thin),
            warmup_s=session.warmup_s,
            sample_s=session.sample_s,
            gradient_evaluations=float(session.gradients),
            interrupted=interrupted,
            compile_s=self.engine.compile_s,
            remarks=(*(Remark("slow_steps", note) for note in self.engine.notes), *self._remarks(session, kept)),
            thin=thin,
        )

    def _positions(self, session: Session, kept: Tensor) -> Tensor:
        """Unconstrained positions (chain, transition, D)."""
        flat = session.metric.position(kept[..., len(COLUMNS) :].reshape(-1, self.dim))
        return flat.reshape(*kept.shape[:2], self.dim)

    def _remarks(self, session: Session, kept: Tensor) -> Iterator[Remark]:
        if session.steps.target > self.settings.target_accept:
            yield Remark(
                "target_raised",
                f"transitions diverged late in warm-up, so the target acceptance was raised "
                f"from {self.settings.target_accept} to {session.steps.target}",
                values=(session.steps.target,),
            )
        if session.restarts:
            yield restarted(session.restarts)
        if kept.shape[1] >= FEWEST_JUDGED:
            yield from apart(self._groups(kept), -kept[..., POTENTIAL].mean(1).cpu().numpy())

    def _groups(self, kept: Tensor) -> NDArray[np.int64]:
        """Which chains have met, by all they kept."""
        chains, draws, _ = kept.shape
        flat = kept.flatten(0, 1).double().cpu().numpy()
        number = np.repeat(np.arange(chains), draws)
        return met(seen_lately(number, -flat[:, POTENTIAL], flat[:, len(COLUMNS) :], chains))


def _stats(rows: Array, max_size: int, thin: int) -> dict[str, Array]:
    """(chain, draw) figures from rows (chain, draw · thin, column): sums, means and the worst of a draw's transitions."""
    each = rows.reshape(len(rows), -1, thin, rows.shape[2])
    last, largest = each[:, :, -1], each[..., SIZE].max(2)
    return {
        "acceptance_rate": each[..., ACCEPTANCE].mean(2),
        "diverging": (each[..., DIVERGING] > 0).any(2),
        "energy": last[..., ENERGY].copy(),
        "lp": -last[..., POTENTIAL],
        "n_steps": each[..., N_STEPS].sum(2).astype(np.int64),
        "reached_max_treedepth": largest >= max_size,
        "step_size": last[..., STEP_SIZE].copy(),
        "tree_depth": np.log2(largest).round().astype(np.int64),
    }
