"""A recursive NUTS trajectory for one chain, written plainly from Stan's base_nuts, to check the iterative one against.

It settles what is decided without chance once the directions are given: how far the trajectory grows and why it stops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Gradient = Callable[[Vector], tuple[Vector, float]]


@dataclass
class Span:
    """Consecutive leaves in the order of travel: momenta at both ends, their sum, log Σ exp(H₀ − H)."""

    first: Vector
    last: Vector
    total: Vector
    weight: float


@dataclass
class Outcome:
    leapfrogs: int
    depth: int
    diverged: bool
    weight: float
    acceptance: float


class Trajectory:
    def __init__(self, gradient: Gradient, x: Vector, p: Vector, step: float) -> None:
        self.gradient, self.step = gradient, step
        g, u = gradient(x)
        self.start_energy = u + 0.5 * p @ p
        self.ends = {1: (x, p, g), -1: (x, p, g)}
        self.leapfrogs, self.diverged, self.accepted = 0, False, 0.0

    def grow(self, directions: Sequence[int], max_depth: int) -> Outcome:
        _, p, _ = self.ends[1]
        tree = Span(p, p, p, 0.0)
        depth = 0
        while depth < max_depth:
            direction = directions[depth]
            span = self._build(depth, direction)
            if span is None:
                break
            # in the order of travel the old tree comes first, and its far end is its first leaf
            far, near = self._momenta(tree, direction)
            turned = _turned(Span(far, near, tree.total, tree.weight), span)
            depth += 1
            both = (span.last, far) if direction == -1 else (far, span.last)
            tree = Span(both[0], both[1], tree.total + span.total, float(np.logaddexp(tree.weight, span.weight)))
            if turned:
                break
        return Outcome(self.leapfrogs, depth, self.diverged, tree.weight, self.accepted / self.leapfrogs)

    @staticmethod
    def _momenta(tree: Span, direction: int) -> tuple[Vector, Vector]:
        return (tree.first, tree.last) if direction == 1 else (tree.last, tree.first)

    def _build(self, depth: int, direction: int) -> Span | None:
        if depth == 0:
            return self._leaf(direction)
        left = self._build(depth - 1, direction)
        right = None if left is None else self._build(depth - 1, direction)
        if left is None or right is None or _turned(left, right):
            return None
        return Span(left.first, right.last, left.total + right.total, float(np.logaddexp(left.weight, right.weight)))

    def _leaf(self, direction: int) -> Span | None:
        x, p, g = self.ends[direction]
        step = direction * self.step
        p = p - 0.5 * step * g
        x = x + step * p
        g, u = self.gradient(x)
        p = p - 0.5 * step * g
        self.ends[direction] = x, p, g
        self.leapfrogs += 1
        error = u + 0.5 * p @ p - self.start_energy
        self.accepted += min(1.0, np.exp(-error))
        if not error <= 1000:
            self.diverged = True
            return None
        return Span(p, p, p, -error)


def _turned(left: Span, right: Span) -> bool:
    return not (
        _straight(left.first, right.last, left.total + right.total)
        and _straight(left.first, right.first, left.total + right.first)
        and _straight(left.last, right.last, left.last + right.total)
    )


def _straight(start: Vector, end: Vector, total: Vector) -> bool:
    return bool(start @ total > 0 and end @ total > 0)
