"""Where chains begin: points drawn at random, and the way from there to where the posterior has its mass.

A point drawn on (−2, 2)ᴰ may lie 10⁴⁰ units of log density below the posterior: warm-up would pass before a sampler with a
step fit for such slopes came down. So a point is drawn towards 0 where that betters its density beyond all measure, and from
there goes down by L-BFGS (Nocedal & Wright 2006, section 7.2, in the compact form of Byrd, Nocedal & Schnabel 1994): some tens
of gradients. It goes no further than a draw of the posterior would lie, for in a hierarchical model the density has no top, and
its highest parts hold no mass. By the quadratic model, U falls by gᵀHg/2 more, where H stands for the posterior's covariance; of
a draw, gᵀHg is χ² with D degrees of freedom. A chain has arrived where gᵀHg ≤ D, twice: the model that says so first may have
been learned on slopes far above, so it is learned anew, and U may not have fallen by more than D since.

Each chain goes down from its own point by its own slopes. Where that ends in a hollow so far above where others ended that
nothing of the posterior can be there, the chain tries another point; a single chain, which cannot know, tries some.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlmdsl.inference.potential import GradientAndValue
from mlmdsl.inference.settings import INITIAL_TRIES

Floats = NDArray[np.float64]
_Evaluate = Callable[[Floats], tuple[Floats, Floats]]

RADIUS = 2.0
HALVINGS = 20
WORSE = 100.0
"""How many times the least |U| on the way to 0 a point's own U may be."""
MOST_GRADIENTS = 500
MEMORY = 10
"""Steps that the quadratic model remembers."""
FIRST_STEPS = 3
"""Steps before the quadratic model is believed."""
UNCHANGED = 1e-9
"""A step along which the gradient changes by no larger share was far too short: the quadratic model is of a steeper slope."""
SUFFICIENT = 1e-4
"""A step is taken if it lowers U by this share of what the slope promises."""
HOPELESS, HOPELESS_PER_DIMENSION = 100.0, 10.0
"""Units of U above the best that a chain may end; a region so high has a share of the posterior only if it is e¹⁰ times as wide
in every direction, and e¹⁰⁰ times as large beyond that."""
FLAT = 1e-6
"""Where the gradient is no longer, there is no way down to be found."""
FEWEST_POINTS, MOST_ROUNDS = 8, 4
"""Points from which chains go down, all together, and how often a chain does that ends in a hollow."""
SHORTEST = 1e-12
"""A step this short, as a share of the one proposed, will not come down."""


def starting_points(evaluate: GradientAndValue, like: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
    """Where chains may begin, shaped as `like`, (chain, D); and the gradients that each chain took.

    Raises ValueError if no finite density is found.
    """
    chains, dim = like.shape
    margin = HOPELESS + HOPELESS_PER_DIMENSION * dim
    q, height, best, gradients = like, like.new_full((chains,), torch.inf), torch.inf, 0
    for rounds in range(1, max(MOST_ROUNDS, -(-FEWEST_POINTS // chains)) + 1):
        found, count = descend(random_points(evaluate, like, generator), evaluate)
        there = _height(*evaluate(found))
        best = min(best, float(there.min()))
        better = (there < height) & (height > best + margin)
        q, height = torch.where(better[:, None], found, q), torch.where(better, there, height)
        gradients += HALVINGS + count + 1
        if rounds * chains >= FEWEST_POINTS and float(height.max()) <= best + margin:
            break
    return q, gradients


def random_points(evaluate: GradientAndValue, like: Tensor, generator: torch.Generator) -> Tensor:
    """Points uniform on (−2, 2)ᴰ, each halved until its density is finite and not beyond all measure worse than nearer
    to 0; shaped as `like`, (chain, D).

    Raises ValueError if no finite density is found.
    """
    q = like.new_empty(like.shape)
    missing = torch.ones(len(like), dtype=torch.bool, device=like.device)
    for _ in range(INITIAL_TRIES // HALVINGS):
        drawn = torch.empty_like(like).uniform_(-RADIUS, RADIUS, generator=generator)
        scaled = [drawn * 0.5**halved for halved in range(HALVINGS)]
        height = torch.stack([_height(*evaluate(point)) for point in scaled])
        fine = height <= WORSE * height.abs().min(0).values.clamp(min=1.0)
        chosen = torch.stack(scaled)[fine.int().argmax(0), torch.arange(len(like), device=like.device)]
        found = missing & torch.isfinite(height).any(0)
        q = torch.where(found[:, None], chosen, q)
        missing = missing & ~found
        if not bool(missing.any()):
            return q
    raise ValueError(f"no point with a finite density in {INITIAL_TRIES} tries on (−2, 2): is the model right?")


def _height(gradient: Tensor, potential: Tensor) -> Tensor:
    """U, ∞ where it or its gradient is not finite."""
    finite = torch.isfinite(potential) & torch.isfinite(gradient).all(1)
    return torch.where(finite, potential, torch.inf)


def descend(q: Tensor, evaluate: GradientAndValue, most: int = MOST_GRADIENTS) -> tuple[Tensor, int]:
    """From points of finite density, (chain, D), to where the posterior's draws may lie; and the gradients it took."""

    def at(points: Floats) -> tuple[Floats, Floats]:
        gradient, potential = evaluate(torch.from_numpy(points).to(q))
        height = _height(gradient, potential)
        return gradient.double().cpu().numpy(), height.double().cpu().numpy()

    with np.errstate(all="ignore"):
        descent = _Descent(q.double().cpu().numpy(), at)
        count = 1
        while count < most and not descent.arrived.all():
            descent.step(at)
            count += 1
    return torch.from_numpy(descent.q).to(q), count


@dataclass
class _Pairs:
    """The last steps s and changes y of the gradient of each chain, oldest first, (chain, MEMORY, D); 0 where there are
    none."""

    s: Floats
    y: Floats

    def add(self, taken: NDArray[np.bool_], s: Floats, y: Floats) -> None:
        bent = taken & ((s * y).sum(1) > 1e-10 * np.sqrt((s * s).sum(1) * (y * y).sum(1)))
        self.s[bent, :-1], self.y[bent, :-1] = self.s[bent, 1:], self.y[bent, 1:]
        self.s[bent, -1], self.y[bent, -1] = s[bent], y[bent]

    def forget(self, chains: NDArray[np.bool_]) -> None:
        self.s[chains] = self.y[chains] = 0

    def newton(self, gradient: Floats) -> Floats:
        """H g; g no longer than 1 where nothing is known."""
        transposed = self.y.transpose(0, 2, 1)
        products, squares = self.s @ transposed, self.y @ transposed
        diagonal = products.diagonal(0, 1, 2)
        known = diagonal[:, -1] > 0
        length = np.sqrt((gradient * gradient).sum(1))
        scale = np.where(known, diagonal[:, -1] / squares[:, -1, -1], 1 / np.maximum(length, 1))[:, None]
        upper = np.triu(products) + np.where(diagonal > 0, 0, 1)[:, :, None] * np.eye(MEMORY)
        sg, yg = (self.s @ gradient[:, :, None])[..., 0], (self.y @ gradient[:, :, None])[..., 0]
        u = np.linalg.solve(upper, sg[..., None])[..., 0]
        inner = diagonal * u + scale * ((squares @ u[..., None])[..., 0] - yg)
        v = np.linalg.solve(upper.transpose(0, 2, 1), inner[..., None])[..., 0]
        moved: Floats = scale * gradient + (v[:, None] @ self.s)[:, 0] - scale * (u[:, None] @ self.y)[:, 0]
        return moved


class _Descent:
    """Every chain on its way down: at q, towards q + share·direction; U would fall by share·promised on a straight slope."""

    def __init__(self, q: Floats, at: _Evaluate) -> None:
        chains, dim = q.shape
        self.q = q
        self.gradient, self.height = at(q)
        self.pairs = _Pairs(np.zeros((chains, MEMORY, dim)), np.zeros((chains, MEMORY, dim)))
        self.share, self.steps = np.ones(chains), np.zeros(chains)
        self.dropped, self.believed = np.full(chains, np.inf), np.full(chains, np.inf)
        self.arrived = np.zeros(chains, dtype=bool)
        self.direction, self.promised = self._newton()

    def step(self, at: _Evaluate) -> None:
        """One gradient: chains whose step comes down enough take it and turn, the others shorten theirs."""
        s = self.share[:, None] * self.direction
        gradient, height = at(self.q + s)
        promised = self.share * self.promised
        taken = ~self.arrived & (height <= self.height - SUFFICIENT * promised)
        shorter = promised / (2 * (height - self.height + promised))
        self.share = np.where(taken, 1.0, self.share * np.clip(np.nan_to_num(shorter, nan=0.1), 0.1, 0.5))
        self.dropped = np.where(taken, self.height - height, self.dropped)
        y = gradient - self.gradient
        unchanged = taken & (np.abs(y).max(1) <= UNCHANGED * np.abs(gradient).max(1))
        self.pairs.add(taken, s, y)
        self.q = np.where(taken[:, None], self.q + s, self.q)
        self.gradient = np.where(taken[:, None], gradient, self.gradient)
        self.height = np.where(taken, height, self.height)
        self.steps += taken
        lost = ~self.arrived & (self.share < SHORTEST)
        self.arrived |= lost & (self.steps == 0)  # not even the steepest way leads down
        self._forget(lost | unchanged)
        self._aim(taken | lost)
        self._judge(taken)

    def _forget(self, chains: NDArray[np.bool_]) -> None:
        self.pairs.forget(chains)
        self.steps[chains], self.share[chains] = 0, 1.0

    def _aim(self, chains: NDArray[np.bool_]) -> None:
        direction, promised = self._newton()
        self.direction = np.where(chains[:, None], direction, self.direction)
        self.promised = np.where(chains, promised, self.promised)

    def _newton(self) -> tuple[Floats, Floats]:
        """−H g and gᵀHg."""
        moved = self.pairs.newton(self.gradient)
        promised: Floats = (self.gradient * moved).sum(1)
        return -moved, promised

    def _judge(self, taken: NDArray[np.bool_]) -> None:
        dim = self.q.shape[1]
        flat = (self.promised <= dim) | (self.dropped <= dim)
        near = taken & (self.steps >= FIRST_STEPS) & flat
        self.arrived |= near & (self.believed - self.height <= FIRST_STEPS * dim)
        self.arrived |= np.abs(self.gradient).max(1) <= FLAT
        again = near & ~self.arrived
        self.believed = np.where(near, self.height, self.believed)
        self._forget(again)
        self._aim(again)
