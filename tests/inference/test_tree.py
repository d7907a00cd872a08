"""The state machine, leaf by leaf, against a recursive tree and against trajectories known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mlmdsl.inference.tree import Noise, Settled, State, advance, leapfrog, start, tables

from .reference_nuts import Trajectory

DEPTH = 6
ALWAYS, NEVER_WITHOUT_GAIN = math.inf, 0.0
"""Exponential variates: −∞ is under every log weight ratio; 0 lets only a heavier candidate through."""


def scaled_normal(x: Tensor) -> tuple[Tensor, Tensor]:
    """U = Σ xᵢ²/(2 sᵢ²) with s = 1, 0.5, 3."""
    precision = torch.tensor([1.0, 4.0, 1 / 9], dtype=x.dtype)
    return x * precision, 0.5 * (x.square() * precision).sum(1)


def funnel(x: Tensor) -> tuple[Tensor, Tensor]:
    """Neal's funnel in three dimensions, which diverges in its neck at the steps used here."""
    v, z = x[:, :1], x[:, 1:]
    energy = v.square()[:, 0] / 18 + 0.5 * (z.square() * torch.exp(-v)).sum(1) + v[:, 0]
    gradient_v = v / 9 - 0.5 * (z.square() * torch.exp(-v)).sum(1, keepdim=True) + 1
    return torch.cat([gradient_v, z * torch.exp(-v)], 1), energy


def noise(p: Tensor, direction: list[int], exponential: float = ALWAYS) -> Noise:
    chains = p.shape[0]
    return Noise(p, p.new_full((2, chains), exponential), p.new_tensor(direction)[:, None])


def one_transition(potential, x: Tensor, p: Tensor, step: float, directions: list[int]) -> tuple[Settled, list[State]]:  # type: ignore[no-untyped-def]
    """Run one chain until its transition is over, doubling j going in directions[j]."""
    table = tables(DEPTH, x.device)
    gradient, energy = potential(x)
    state = start(x, gradient, energy, table, x.new_tensor(step), noise(p, directions[:1]))
    states = [state]
    while True:
        following = directions[int(state.size).bit_length() % len(directions)]
        state, settled = advance(state, potential, noise(p, [following]), x.new_tensor(step), table)
        if bool(settled.finished):
            return settled, states
        states.append(state)


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
def test_tables_agree_with_the_subtrees_counted_out(depth: int) -> None:
    table = tables(depth, torch.device("cpu"))
    for n in range(1 << (depth - 1)):
        open_starts = [s for s in range(n + 1) if _opens(s) and _level(s) >= 0 and s <= n]
        written = table.write[n].nonzero().flatten().tolist()
        assert written == ([_level(n)] if n % 2 == 0 else [])
        # the subtrees that end with leaf n start at n + 1 − 2, n + 1 − 4, … while 2ᵏ divides n + 1
        starts = [n + 1 - (1 << k) for k in range(1, depth) if (n + 1) % (1 << k) == 0]
        assert all(s in open_starts for s in starts)
        assert table.test[n].nonzero().flatten().tolist() == sorted(_level(s) for s in starts)


def _opens(leaf: int) -> bool:
    return leaf % 2 == 0


def _level(leaf: int) -> int:
    return bin(leaf >> 1).count("1")


@pytest.mark.parametrize(("potential", "step"), [(scaled_normal, 0.3), (scaled_normal, 0.7), (funnel, 0.4)])
def test_trajectories_stop_where_the_recursive_tree_stops(potential, step: float) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(7)
    seen: set[tuple[int, bool]] = set()
    for _ in range(150):
        x, p = random.normal(size=3) * 1.5, random.normal(size=3)
        directions = [int(d) for d in random.choice([-1, 1], size=DEPTH + 1)]

        def gradient(q: np.ndarray) -> tuple[np.ndarray, float]:
            g, u = potential(torch.from_numpy(q)[None])
            return g[0].numpy(), float(u)

        wanted = Trajectory(gradient, x, p, step).grow(directions, DEPTH)
        settled, _ = one_transition(potential, torch.from_numpy(x)[None], torch.from_numpy(p)[None], step, directions)
        acceptance, leapfrogs, size, diverging, length, *_ = settled.row[0].tolist()
        assert (leapfrogs, size, bool(diverging)) == (wanted.leapfrogs, 1 << wanted.depth, wanted.diverged)
        assert acceptance == pytest.approx(wanted.acceptance, rel=1e-9)
        assert length == step
        seen.add((wanted.depth, wanted.diverged))
    assert len(seen) > 2


def test_weights_of_a_tree_are_the_sum_over_its_leaves() -> None:
    random = np.random.default_rng(8)
    x, p = random.normal(size=(1, 3)), random.normal(size=(1, 3))
    _, states = one_transition(scaled_normal, torch.from_numpy(x), torch.from_numpy(p), 0.05, [1])
    whole = [state for state in states if int(state.leaf) == 0]
    assert len(whole) > 2
    for state in whole:
        wanted = _forward_weight(x[0], p[0], 0.05, int(state.size))
        assert float(state.tree_weight) == pytest.approx(wanted, abs=1e-12)


def _forward_weight(x: np.ndarray, p: np.ndarray, step: float, leaves: int) -> float:
    """log Σ exp(H₀ − H) over the first `leaves` points of a trajectory that always goes forward."""
    precision = np.array([1.0, 4.0, 1 / 9])

    def energy() -> float:
        return float(0.5 * (x**2 * precision).sum() + 0.5 * p @ p)

    first, errors = energy(), [0.0]
    for _ in range(leaves - 1):
        p = p - 0.5 * step * x * precision
        x = x + step * p
        p = p - 0.5 * step * x * precision
        errors.append(energy() - first)
    return float(np.logaddexp.reduce(-np.array(errors)))


def test_an_oscillator_turns_back_after_a_quarter_period() -> None:
    """x″ = −x from the origin has p ∝ cos t and ρ ∝ sin t, so p·ρ < 0 once t > π/2: after 10 steps of π/20."""
    settled, _ = one_transition(
        lambda x: (x, 0.5 * x.square().sum(1)),
        torch.zeros(1, 1, dtype=torch.float64),
        torch.ones(1, 1, dtype=torch.float64),
        math.pi / 20,
        [1],
    )
    leapfrogs, size = settled.row[0, 1:3].tolist()
    # 8 leaves reach 7π/20, still straight; the next 8 begin before π/2 and turn while they are built
    assert size == 8
    assert 8 < leapfrogs < 15


def test_error_of_the_integrator_is_of_second_order() -> None:
    x = torch.tensor([[1.0, -0.3, 2.0]], dtype=torch.float64)
    p = torch.tensor([[0.5, 1.0, -0.7]], dtype=torch.float64)
    errors = []
    for halving in range(4):
        steps = 10 << halving
        gradient, energy = funnel(x)
        state = start(x, gradient, energy, tables(2, x.device), x.new_tensor(1.0 / steps), noise(p, [1]))
        for _ in range(steps):
            leaf = leapfrog(state, funnel)
            end = torch.cat([leaf.x, leaf.p, leaf.gradient], 1)
            state = state._replace(edges=torch.stack([end, end]))
        errors.append(abs(float(leaf.energy - state.start_energy)))
    ratios = [coarse / fine for coarse, fine in zip(errors, errors[1:], strict=False)]
    assert all(3.5 < ratio < 4.5 for ratio in ratios)


def test_the_integrator_is_reversible() -> None:
    x = torch.tensor([[1.0, -0.3, 2.0]], dtype=torch.float64)
    p = torch.tensor([[0.5, 1.0, -0.7]], dtype=torch.float64)
    gradient, energy = funnel(x)
    state = start(x, gradient, energy, tables(2, x.device), x.new_tensor(0.1), noise(p, [1]))
    there = leapfrog(state, funnel)
    end = torch.cat([there.x, there.p, there.gradient], 1)
    back = leapfrog(state._replace(edges=torch.stack([end, end]), step=-state.step), funnel)
    assert torch.allclose(back.x, x, rtol=0, atol=1e-14)
    assert torch.allclose(back.p, p, rtol=0, atol=1e-14)


def test_a_chain_does_not_feel_its_neighbours() -> None:
    """The same noise gives the same rows, whoever runs beside."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(4, 3, dtype=torch.float64, generator=generator)
    rows = [_rows(x[chosen], chosen) for chosen in ([0, 1, 2, 3], [2, 0])]
    assert torch.equal(rows[0][:, [2, 0]].nan_to_num(), rows[1].nan_to_num())


def _rows(x: Tensor, chosen: list[int]) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    table = tables(DEPTH, x.device)

    def fresh() -> Noise:
        p = torch.randn(4, 3, dtype=x.dtype, generator=generator)
        e = torch.empty(2, 4, dtype=x.dtype).exponential_(generator=generator)
        d = torch.empty(4, 1, dtype=x.dtype).bernoulli_(0.5, generator=generator) * 2 - 1
        return Noise(p[chosen], e[:, chosen], d[chosen])

    state = start(x, *funnel(x), table, x.new_tensor(0.4), fresh())
    rows = []
    for _ in range(100):
        state, settled = advance(state, funnel, fresh(), x.new_tensor(0.4), table)
        rows.append(torch.cat([settled.finished[:, None].to(x.dtype), settled.row], 1))
    return torch.stack(rows)


def test_a_divergence_ends_the_transition_where_it_began() -> None:
    def cliff(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(x), torch.where(x[:, 0] > 1, torch.inf, 0.0).to(x.dtype)

    x, p = torch.zeros(1, 2, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    settled, _ = one_transition(cliff, x, p, 2.0, [1])
    acceptance, leapfrogs, size, diverging = settled.row[0, :4].tolist()
    assert (acceptance, leapfrogs, size, diverging) == (0, 1, 1, 1)
    assert torch.equal(settled.row[:, 7:9], x)


def test_a_density_that_is_no_number_is_a_divergence() -> None:
    def broken(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full_like(x, torch.nan), torch.full_like(x[:, 0], torch.nan)

    x = torch.zeros(1, 2, dtype=torch.float64)
    table = tables(DEPTH, x.device)
    state = start(x, torch.zeros_like(x), x.new_zeros(1), table, x.new_tensor(0.1), noise(torch.ones_like(x), [1]))
    state, settled = advance(state, broken, noise(torch.ones_like(x), [1]), x.new_tensor(0.1), table)
    assert settled.row[0, 3] == 1
    assert all(torch.isfinite(part).all() for part in (state.edges, state.tree_proposal, state.start_energy))


@pytest.mark.parametrize(("exponential", "moves"), [(ALWAYS, True), (NEVER_WITHOUT_GAIN, False)])
def test_the_step_between_doublings_is_biased_progressive(exponential: float, moves: bool) -> None:
    """A lighter new subtree is taken with its weight ratio; here the ratio is exp(−5), the doubling's first leaf."""

    def slope(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(x), 5 * (x[:, 0] > 0.5).to(x.dtype)

    x, p = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    table = tables(DEPTH, x.device)
    state = start(x, *slope(x), table, x.new_tensor(1.0), noise(p, [1]))
    state, _ = advance(state, slope, noise(p, [1], exponential), x.new_tensor(1.0), table)
    assert int(state.size) == 2
    assert bool(state.tree_proposal[0, 2] > 0.5) is moves
    ratio = float(torch.exp(state.tree_weight))
    assert ratio == pytest.approx(1 + math.exp(-5))


def test_no_tree_outgrows_its_depth() -> None:
    def flat(x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(x), torch.zeros_like(x[:, 0])

    x, p = torch.zeros(1, 2, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    settled, _ = one_transition(flat, x, p, 0.1, [1, -1])
    leapfrogs, size = settled.row[0, 1:3].tolist()
    assert (leapfrogs, size) == ((1 << DEPTH) - 1, 1 << DEPTH)
