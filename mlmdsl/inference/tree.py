"""One leapfrog of every chain, each in its own NUTS tree: the state machine at the heart of the sampler.

A chain doubles its trajectory until it turns back, so trees differ in size. Chains that wait for the longest tree waste
most of their work; here none waits. `advance` makes one leapfrog for every chain and then, by masks, does whatever that
chain's tree needs at this leaf: store a checkpoint, test for U-turns, merge a finished subtree, or start the next
transition.

Notation, for chains c and dimension D: x position, p momentum, g = ∇U(x), H = U(x) + p·p/2. Positions are whitened by
the metric, so the mass matrix is the identity and a U-turn test is a plain dot product.

Sampling within a subtree is multinomial, between doublings biased progressive (Betancourt 2017, arXiv 1701.02434).
Trees are iterative: leaf n of a subtree needs only the checkpoints of its O(log n) open subtrees (Phan & Pradhan
2019, arXiv 1912.11554; Lao & Dillon 2019). A span is a U-turn if its momentum sum ρ has p·ρ ≤ 0 at either end; as in
Stan, each merge of two spans also tests the first span with the first leaf of the second, and the last leaf of the
first with the second span.

`native/tree.h` has the same state machine in C, a group of chains at a time: a change here is a change there, and a test holds one
against the other.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mlmdsl.inference.potential import GradientAndValue

MAX_ENERGY_ERROR = 1000.0
"""A transition diverges where H exceeds its starting value by more than this (Stan's threshold)."""


class State(NamedTuple):
    """All trees. `edges` holds (x, p, g) of the backward and the forward end; proposals hold (U, H, x, g).

    The last dimensions: edges (2, chain, 3D); step (chain, 1), signed by direction; checkpoints (chain, levels, 3, D)
    with the momentum sum before a subtree's first leaf, that leaf's momentum and the momentum of the leaf before;
    weights are logs of Σ exp(H₀ − H).
    """

    edges: Tensor
    step: Tensor
    size: Tensor
    leaf: Tensor
    checkpoints: Tensor
    tree_momentum: Tensor
    span_momentum: Tensor
    tree_proposal: Tensor
    span_proposal: Tensor
    tree_weight: Tensor
    span_weight: Tensor
    start_energy: Tensor
    acceptance: Tensor
    leapfrogs: Tensor


class Noise(NamedTuple):
    """What chance decides in one step: fresh momenta (chain, D), two exponentials (2, chain), directions ±1 (chain,
    1)."""

    momentum: Tensor
    exponential: Tensor
    direction: Tensor


def draw_noise(chance: torch.Generator, steps: int, like: Tensor) -> Noise:
    """Noise for several steps, the step in front of each part; `like` is (chain, D)."""
    chains, dim = like.shape
    return Noise(
        momentum=like.new_empty(steps, chains, dim).normal_(generator=chance),
        exponential=like.new_empty(steps, 2, chains).exponential_(generator=chance),
        direction=like.new_empty(steps, chains, 1).bernoulli_(0.5, generator=chance) * 2 - 1,
    )


class Tables(NamedTuple):
    """By leaf number, which checkpoint level to write, which to test; the size at which a tree may grow no more, one for
    all chains or one for each."""

    write: Tensor
    test: Tensor
    max_size: Tensor


class Settled(NamedTuple):
    """Which chains finished a transition in this step, and the row each has to record (see `COLUMNS`)."""

    finished: Tensor
    row: Tensor


COLUMNS = ("acceptance_rate", "n_steps", "size", "diverging", "step_size", "potential", "energy")
"""The first columns of a row; x and then g follow."""


def tables(max_depth: int, device: torch.device) -> Tables:
    """Leaf n writes level popcount(n ≫ 1) if even; if odd it closes as many subtrees as n has trailing ones."""
    leaves = 1 << max(max_depth - 1, 0)
    levels = max(max_depth - 1, 1)
    write = torch.zeros(leaves, levels, dtype=torch.bool)
    test = torch.zeros(leaves, levels, dtype=torch.bool)
    for n in range(leaves):
        level = (n >> 1).bit_count()
        closed = ((n + 1) & -(n + 1)).bit_length() - 1
        if n % 2 == 0:
            write[n, level] = True
        else:
            test[n, level - closed + 1 : level + 1] = True
    return Tables(write.to(device), test.to(device), torch.tensor(1 << max_depth, device=device))


def start(x: Tensor, gradient: Tensor, potential: Tensor, table: Tables, step_size: Tensor, noise: Noise) -> State:
    """Every chain at the root of a new tree; x and gradient (chain, D), potential (chain,); `step_size` as in
    `advance`."""
    chains, dim = x.shape
    zeros, ones = x.new_zeros(chains), torch.ones(chains, dtype=torch.int64, device=x.device)
    p = noise.momentum
    energy = potential + 0.5 * p.square().sum(1)
    root = torch.cat([x, p, gradient], 1)
    proposal = torch.cat([potential[:, None], energy[:, None], x, gradient], 1)
    roots = State(
        edges=torch.stack([root, root]),
        step=noise.direction * step_size.reshape(-1, 1),
        size=ones,
        leaf=torch.zeros_like(ones),
        checkpoints=x.new_zeros(chains, table.write.shape[1], 3, dim),
        tree_momentum=p,
        span_momentum=torch.zeros_like(x),
        tree_proposal=proposal,
        span_proposal=proposal,
        tree_weight=zeros,
        span_weight=torch.full_like(zeros, -torch.inf),
        start_energy=energy,
        acceptance=zeros,
        leapfrogs=zeros,
    )
    return State(*(part.clone() for part in roots))  # no two share memory: compiled code would have to ask each time


class Leaf(NamedTuple):
    """The new end of each trajectory."""

    x: Tensor
    p: Tensor
    gradient: Tensor
    potential: Tensor
    energy: Tensor
    previous_momentum: Tensor


def leapfrog(state: State, evaluate: GradientAndValue) -> Leaf:
    """Half a kick, a drift, half a kick, from the end that the chain's direction points to."""
    edge = torch.where(state.step > 0, state.edges[1], state.edges[0])
    x, p, g = edge.chunk(3, 1)
    half = torch.addcmul(p, state.step, g, value=-0.5)
    x = torch.addcmul(x, state.step, half)
    gradient, potential = evaluate(x)
    after = torch.addcmul(half, state.step, gradient, value=-0.5)
    energy = torch.add(potential, after.square().sum(1), alpha=0.5)
    return Leaf(x, after, gradient, potential, energy, p)


def advance(
    state: State, evaluate: GradientAndValue, noise: Noise, step_size: Tensor, table: Tables
) -> tuple[State, Settled]:
    """One leapfrog for every chain; chains that finish their transition start the next with `step_size`, one
    for all or one for each."""
    return settle(state, leapfrog(state, evaluate), noise, step_size, table)


def settle(state: State, leaf: Leaf, noise: Noise, step_size: Tensor, table: Tables) -> tuple[State, Settled]:
    """Add the new leaf to each tree, and do what follows from it. Pure: no argument is written to."""
    infinity = torch.inf
    error = torch.nan_to_num(leaf.energy - state.start_energy, nan=infinity, posinf=infinity, neginf=infinity)
    diverging = error > MAX_ENERGY_ERROR
    acceptance = state.acceptance + torch.exp(-error.clamp(min=0.0))
    leapfrogs = state.leapfrogs + 1.0

    span_weight = torch.logaddexp(state.span_weight, -error)
    taken = -error - span_weight > -noise.exponential[0]
    candidate = torch.cat([leaf.potential[:, None], leaf.energy[:, None], leaf.x, leaf.gradient], 1)
    span_proposal = torch.where(taken[:, None], candidate, state.span_proposal)
    span_momentum = state.span_momentum + leaf.p

    checkpoints = _written(state, leaf, table)
    stopped = _turned_within(checkpoints, span_momentum, leaf.p, table.test[state.leaf]) | diverging
    merged = (state.leaf + 1 == state.size) & ~stopped

    taken = merged & (span_weight - state.tree_weight > -noise.exponential[1])
    tree_proposal = torch.where(taken[:, None], span_proposal, state.tree_proposal)
    turned = _turned_across(state, leaf, checkpoints[:, 0], span_momentum)
    size = torch.where(merged, state.size * 2, state.size)
    finished = stopped | (merged & (turned | (size >= table.max_size)))

    stats = torch.stack([acceptance / leapfrogs, leapfrogs, size, diverging, state.step[:, 0].abs()], 1)
    settled = Settled(finished, torch.cat([stats, tree_proposal], 1))
    grown = State(
        edges=_extended(state, leaf),
        step=state.step,
        size=size,
        leaf=state.leaf + 1,
        checkpoints=checkpoints,
        tree_momentum=torch.where(merged[:, None], state.tree_momentum + span_momentum, state.tree_momentum),
        span_momentum=span_momentum,
        tree_proposal=tree_proposal,
        span_proposal=span_proposal,
        tree_weight=torch.where(merged, torch.logaddexp(state.tree_weight, span_weight), state.tree_weight),
        span_weight=span_weight,
        start_energy=state.start_energy,
        acceptance=acceptance,
        leapfrogs=leapfrogs,
    )
    return _renewed(grown, finished, merged, noise, step_size), settled


def _written(state: State, leaf: Leaf, table: Tables) -> Tensor:
    """The checkpoints with this leaf's in its place, where it opens a subtree."""
    opened = torch.stack([state.span_momentum, leaf.p, leaf.previous_momentum], 1)
    return torch.where(table.write[state.leaf][:, :, None, None], opened[:, None], state.checkpoints)


def _turned_within(checkpoints: Tensor, total: Tensor, p: Tensor, test: Tensor) -> Tensor:
    """Whether a subtree that this leaf closes has turned; its second half is the subtree one level on, if there is
    one."""
    before, first, previous = checkpoints.unbind(2)
    p = p[:, None]
    rho = total[:, None] - before
    straight = torch.minimum((first * rho).sum(2), (p * rho).sum(2))
    turned = (~(straight > 0) & test).any(1)
    if checkpoints.shape[1] == 1:
        return turned
    middle = first[:, 1:]
    left = before[:, 1:] + middle - before[:, :-1]
    right = rho[:, 1:] + previous[:, 1:]
    straight = torch.minimum(
        torch.minimum((first[:, :-1] * left).sum(2), (middle * left).sum(2)),
        torch.minimum((previous[:, 1:] * right).sum(2), (p * right).sum(2)),
    )
    # the level that has a level after it, among those this leaf closes
    return turned | (~(straight > 0) & test[:, :-1] & test[:, 1:]).any(1)


def _turned_across(state: State, leaf: Leaf, opening: Tensor, span: Tensor) -> Tensor:
    """Whether the old tree and the new subtree, taken together, have turned; `opening` is the subtree's first
    checkpoint."""
    dim = leaf.p.shape[1]
    far = torch.where(state.step > 0, state.edges[0], state.edges[1])[:, dim : 2 * dim]
    first, previous = opening[:, 1], opening[:, 2]
    rho = state.tree_momentum + span
    left, right = state.tree_momentum + first, span + previous
    ends = torch.stack([far, leaf.p, far, first, previous, leaf.p], 1)
    sums = torch.stack([rho, rho, left, left, right, right], 1)
    return ~((ends * sums).sum(2) > 0).all(1)


def _extended(state: State, leaf: Leaf) -> Tensor:
    end = torch.cat([leaf.x, leaf.p, leaf.gradient], 1)
    return torch.where(torch.stack([state.step < 0, state.step > 0]), end, state.edges)


def _renewed(state: State, finished: Tensor, merged: Tensor, noise: Noise, step_size: Tensor) -> State:
    """Begin the next doubling where a subtree was merged, the next transition where one finished."""
    dim = noise.momentum.shape[1]
    begun = finished | merged
    column, begun_column = finished[:, None], begun[:, None]
    p = noise.momentum
    potential, energy, place = torch.split(state.tree_proposal, [1, 1, 2 * dim], 1)
    fresh_energy = torch.add(potential, p.square().sum(1, keepdim=True), alpha=0.5)
    x, g = place.chunk(2, 1)
    energy = torch.where(column, fresh_energy, energy)
    length = torch.where(column, step_size.reshape(-1, 1), state.step.abs())
    return State(
        edges=torch.where(column, torch.cat([x, p, g], 1), state.edges),
        step=torch.where(begun_column, noise.direction * length, state.step),
        size=torch.where(finished, 1, state.size),
        leaf=torch.where(begun, 0, state.leaf),
        checkpoints=state.checkpoints,
        tree_momentum=torch.where(column, p, state.tree_momentum),
        span_momentum=torch.where(begun_column, 0.0, state.span_momentum),
        tree_proposal=torch.cat([potential, energy, place], 1),
        span_proposal=state.span_proposal,
        tree_weight=torch.where(finished, 0.0, state.tree_weight),
        span_weight=torch.where(begun, -torch.inf, state.span_weight),
        start_energy=torch.where(finished, fresh_energy[:, 0], state.start_energy),
        acceptance=torch.where(finished, 0.0, state.acceptance),
        leapfrogs=torch.where(finished, 0.0, state.leapfrogs),
    )
