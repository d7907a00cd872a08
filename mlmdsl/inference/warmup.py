"""Warm-up in windows: from starting points to chains that move as fast as their posterior lets them.

Chains begin alone, each with a step size of its own. At the end of each window those that have met (`inference.meeting`) are
taken together: their transitions steer one step size, and their draws give the metric. A chain left behind teaches
nothing; after two windows in a row it begins again where a chain of the best group is, and the run says so.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from mlmdsl.inference.adaptation import StepSizes, Window, is_over, reasonable_steps, schedule
from mlmdsl.inference.meeting import Lately, Restart, Standing, met, seen_lately, standing
from mlmdsl.inference.metric import estimate_metric, unit_metric
from mlmdsl.inference.session import ACCEPTANCE, DIVERGING, POTENTIAL, STEP_SIZE, Session, Stepper
from mlmdsl.inference.settings import RAISED_TARGET, Settings
from mlmdsl.inference.starts import starting_points
from mlmdsl.inference.tree import COLUMNS

SETTLED_WINDOWS = 3
"""Windows after which trees have about the size they will keep."""
PATIENCE = 2
"""Windows in a row after which a chain left behind begins again."""


class WarmUp:
    """The windows of one run."""

    def __init__(self, stepper: Stepper, settings: Settings) -> None:
        self.stepper, self.settings = stepper, settings
        self.windows = schedule(settings.chains, settings.tune, settings.max_depth)
        self.dim = stepper.like.shape[1]

    def begin(self) -> Session:
        """A fresh session at its starting points, with a unit metric and step sizes found by doubling.

        Raises ValueError if no starting point of finite density is found.
        """
        started = perf_counter()
        stepper, settings = self.stepper, self.settings
        stepper.generator.manual_seed(settings.seed)
        q, descended = starting_points(stepper.evaluate, stepper.like, stepper.generator)
        metric, alone = unit_metric(self.dim, stepper.like), torch.arange(settings.chains)
        sizes, searched = reasonable_steps(q, stepper.evaluate, metric, alone, stepper.noise)
        state = stepper.rooted(q, metric, sizes)
        return Session(
            generator=stepper.generator.get_state(),
            state=state,
            metric=metric,
            steps=StepSizes.starting_at(sizes, alone, settings.target_accept),
            kept=stepper.like.new_zeros(settings.chains, settings.draws, len(COLUMNS) + self.dim),
            counts=torch.zeros(settings.chains, dtype=torch.int64, device=stepper.like.device),
            done=torch.zeros(settings.chains, dtype=torch.int64),
            behind=torch.zeros(settings.chains, dtype=torch.int64),
            gradients=descended + searched + 2,
            warmup_s=perf_counter() - started,
        )

    def is_done(self, session: Session) -> bool:
        """Whether the session has all windows behind it."""
        return session.window == len(self.windows)

    def advance(self, session: Session) -> Tensor:
        """One block; what settled in it, (row, columns + 2D)."""
        started, compiled_s = perf_counter(), self.stepper.engine.compile_s
        window = self.windows[session.window]
        cap = torch.full_like(self.stepper.table.max_size, 1 << window.max_depth)
        finished, rows = self.stepper.block(session, session.steps.exploring, cap)
        settled, chain = rows[finished], finished.nonzero()[:, 1]
        self._learn(session, window, settled, chain)
        if is_over(window, session.done):
            self._close(session, window)
        session.warmup_s += perf_counter() - started - (self.stepper.engine.compile_s - compiled_s)
        return settled

    def _learn(self, session: Session, window: Window, settled: Tensor, chain: Tensor) -> None:
        host = settled[:, : len(COLUMNS)].double().cpu()
        session.done = session.done + torch.bincount(chain.cpu(), minlength=len(session.done))
        session.divergences += int(host[:, DIVERGING].sum())
        session.steps = session.steps.learned(host[:, ACCEPTANCE], host[:, STEP_SIZE], chain.cpu())
        if window.learns_metric:
            x, gradient = settled[:, len(COLUMNS) :].chunk(2, 1)
            metric = session.metric
            place = [metric.position(x), metric.pushed(gradient)]
            session.learned.append(torch.cat([chain[:, None].to(x), settled[:, POTENTIAL, None], *place], 1))

    def _close(self, session: Session, window: Window) -> None:
        """Learn the metric; begin new trees, since those that were growing have grown in the old one's coordinates."""
        stepper = self.stepper
        q = session.metric.position(session.state.tree_proposal[:, 2 : 2 + self.dim])
        steps_per_transition = (session.gradients - session.opened) * self.settings.chains / int(session.done.sum())
        group, sizes = session.steps.group, session.steps.settled
        if window.learns_metric:
            q, group = self._look_around(session, q)
        if window.forgets:
            session.learned = []
        session.window, session.done = session.window + 1, torch.zeros_like(session.done)
        if session.window == SETTLED_WINDOWS:
            session.settled = session.divergences
        if not self.is_done(session):
            found, gradients = reasonable_steps(q, stepper.evaluate, session.metric, group, stepper.noise)
            session.steps = StepSizes.starting_at(found, group, self._target(session))
            session.gradients, sizes = session.gradients + gradients, session.steps.settled
        else:
            session.divergences = 0
        session.state = stepper.rooted(q, session.metric, sizes)
        session.gradients += 1
        self._consider_compiling(session, steps_per_transition)
        session.opened = session.gradients
        session.generator = stepper.generator.get_state()

    def _look_around(self, session: Session, q: Tensor) -> tuple[Tensor, Tensor]:
        """Learn the metric from the chains that are not left behind; where those that are begin again; who has met."""
        learned = torch.cat(session.learned)
        chain, (place, slope) = learned[:, 0].long(), learned[:, 2:].chunk(2, 1)
        whitened = [-learned[:, 1], session.metric.whitened(place), session.metric.pulled(slope)]
        height, x, gradient = (each.double().cpu().numpy() for each in whitened)
        lately = seen_lately(chain.cpu().numpy(), height, x, self.settings.chains, gradient)
        group = met(lately)
        stands = standing(lately, group)
        behind = torch.from_numpy(stands.behind).to(chain.device)
        session.learned = [learned[~behind[chain]]]
        centred = self._centred(session.learned[0], torch.from_numpy(group).to(chain.device))
        session.metric = estimate_metric(*centred) or session.metric
        session.behind = torch.where(torch.from_numpy(stands.behind), session.behind + 1, 0)
        if stands.best.sum() > 1:
            q, group = self._restarted(session, q, group, lately, stands)
        return q, torch.from_numpy(group)

    def _centred(self, learned: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
        """Positions and gradients less their means over each group's draws."""
        of, count = group[learned[:, 0].long()], int(group.max()) + 1
        values = learned[:, 2:]
        number = torch.bincount(of, minlength=count).clamp(min=1).to(values)
        means = values.new_zeros(count, values.shape[1]).index_add_(0, of, values) / number[:, None]
        q, gradient = (values - means[of]).chunk(2, 1)
        return q, gradient

    def _restarted(
        self, session: Session, q: Tensor, group: np.ndarray, lately: Lately, stands: Standing
    ) -> tuple[Tensor, np.ndarray]:
        """Chains left behind at the places of chains of the best group, and of that group."""
        q, group, best = q.clone(), group.copy(), np.flatnonzero(stands.best)
        for chain in np.flatnonzero(session.behind.numpy() >= PATIENCE):
            chance = torch.randint(len(best), (), generator=self.stepper.generator, device=q.device)
            other = int(best[int(chance)])
            q[chain], group[chain], session.behind[chain] = q[other], group[other], 0
            heights = float(lately.mean[chain]), float(lately.mean[best].mean())
            session.restarts.append(Restart(int(chain), other, session.window, *heights))
        return q, np.unique(group, return_inverse=True)[1]

    def _target(self, session: Session) -> float:
        """The acceptance that the step size of the next window aims at: higher in the last, if trees still diverge."""
        last = session.window == len(self.windows) - 1
        if last and self.settings.raises_target and session.divergences > session.settled:
            return max(RAISED_TARGET, self.settings.target_accept)
        return self.settings.target_accept

    def _consider_compiling(self, session: Session, steps_per_transition: float) -> None:
        """Compile if what is left is long, judged by the trees of the window that just closed; again if the metric's
        form changed."""
        left = sum(window.transitions for window in self.windows[session.window :]) / self.settings.chains
        steps = (left + self.settings.draws) * steps_per_transition
        settled = session.window >= SETTLED_WINDOWS
        if session.compiled or (settled and self.stepper.engine.is_worth_compiling(steps)):
            self.stepper.compile(session)
