"""Compiled steps: the same sampler, or one line that says what is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from mlmdsl.inference import engine, sample
from mlmdsl.inference.compiled import compile_step, plain_step
from mlmdsl.inference.engine import TensorEngine
from mlmdsl.inference.native.build import find_compiler
from mlmdsl.inference.potential import Potential, build_potential
from mlmdsl.inference.settings import Settings
from mlmdsl.inference.sites import read_sites
from mlmdsl.inference.tree import Noise, start, tables

from .models import eight_schools


def tensor_engine(potential: Potential, depth: int = 10) -> TensorEngine:
    return TensorEngine(potential, tables(depth, torch.device("cpu")))


def test_only_long_runs_are_worth_compiling() -> None:
    potential = build_potential(read_sites(eight_schools()), 2)
    found = tensor_engine(potential)
    assert not found.is_worth_compiling(1_000)
    assert found.is_worth_compiling(1_000_000)
    assert not tensor_engine(replace(potential, graph=None)).is_worth_compiling(1_000_000)


@pytest.fixture
def without_c(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without a C compiler."""
    monkeypatch.setenv("CC", "no-such-compiler")
    find_compiler.cache_clear()
    yield
    find_compiler.cache_clear()


def test_without_a_c_compiler_the_run_goes_on_and_says_so(without_c: None) -> None:
    draws = sample(eight_schools(), chains=4, draws=20, tune=40)
    assert draws.draws == 20
    assert [w for w in draws.warnings if "no C compiler was found (no-such-compiler)" in w and "slower" in w]


def test_without_a_c_compiler_nothing_is_recorded_for_it(without_c: None, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[object] = []
    monkeypatch.setattr(engine, "record_gradient", lambda *given: recorded.append(given))
    found = engine.build_engine(read_sites(eight_schools()), Settings(chains=2, draws=10, tune=10))
    assert isinstance(found, TensorEngine)
    assert not recorded


def test_where_inductor_fails_the_run_goes_on_and_says_so(without_c: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise RuntimeError("no compiler found")

    monkeypatch.setattr(engine, "WORTH_COMPILING_S", 0.0)
    monkeypatch.setattr(torch, "compile", missing)
    draws = sample(eight_schools(), chains=4, draws=20, tune=40)
    assert draws.draws == 20
    assert [w for w in draws.warnings if "no compiler found" in w and "uncompiled" in w]


@pytest.mark.slow
def test_a_compiled_step_computes_what_the_plain_one_does() -> None:
    sites = read_sites(eight_schools())
    potential = build_potential(sites, 3)
    table = tables(5, torch.device("cpu"))
    generator = torch.Generator().manual_seed(1)

    def noise() -> Noise:
        p = torch.randn(3, sites.dim, dtype=sites.dtype, generator=generator)
        e = torch.rand(2, 3, dtype=sites.dtype, generator=generator)
        return Noise(p, e, torch.ones(3, 1, dtype=sites.dtype))

    q = torch.zeros(3, sites.dim, dtype=sites.dtype)
    size, factor = torch.tensor(0.3, dtype=sites.dtype), torch.ones(sites.dim, dtype=sites.dtype)
    state = start(q, *potential.evaluate(q), table, q.new_tensor(0.3), noise())
    plain = plain_step(potential.evaluate, table)
    fast, note, _ = compile_step(plain, (state, noise(), size, table.max_size, factor))
    assert note is None
    other = state
    for _ in range(40):
        step_noise = noise()
        state, settled = plain(state, step_noise, size, table.max_size, factor)
        other, found = fast(other, step_noise, size, table.max_size, factor)
        assert torch.equal(settled.finished, found.finished)
        # rounding alone differs, and grows along forty steps of stable trajectories by less than a thousand
        assert torch.allclose(settled.row, found.row, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
def test_compiled_runs_repeat(without_c: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "WORTH_COMPILING_S", 0.0)
    first, again = (sample(eight_schools(), chains=3, draws=20, tune=60, seed=4) for _ in range(2))
    assert first.compile_s > 0
    assert not [warning for warning in first.warnings if "inductor" in warning]
    assert np.array_equal(first.samples["mu"], again.samples["mu"])
