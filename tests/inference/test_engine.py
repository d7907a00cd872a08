"""Machine code against tensor operations: the same steps, the same fallbacks, whatever the threads or the cache."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy import stats
from torch import Tensor

from mlmdsl.inference import sample
from mlmdsl.inference.engine import NativeEngine, TensorEngine, build_engine
from mlmdsl.inference.native import build, gradient
from mlmdsl.inference.potential import build_potential, record_gradient
from mlmdsl.inference.record import NotRecordable
from mlmdsl.inference.settings import Settings
from mlmdsl.inference.sites import read_sites
from mlmdsl.inference.tree import Noise, start, tables

from .models import CHEESE_MODELS, Model, eight_schools, gaussian

SETTINGS = Settings(chains=3, draws=10, tune=10, max_depth=5)
MODELS = {
    **CHEESE_MODELS,
    "eight_schools": eight_schools,
    "one": lambda: gaussian(torch.zeros(1).double(), torch.eye(1).double()),
}


def expanded(keys: Tensor, steps: int, dim: int) -> Noise:
    """What `noise.h` says that the keys mean, computed by numpy."""
    k = np.arange(steps * (2 * dim + 3), dtype=np.uint64)
    z = keys.numpy().astype(np.uint64)[:, None] + (k + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    z = (z ^ (z >> np.uint64(31))).reshape(len(keys), steps, -1)
    u = ((z >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    p = np.sqrt(-2 * np.log(u[..., 3::2])) * np.cos(2 * np.pi * u[..., 4::2])
    ahead = np.where(z[..., 2:3] >> np.uint64(63), 1.0, -1.0)
    parts = p.swapaxes(0, 1), -np.log(u[..., :2]).transpose(1, 2, 0), ahead.swapaxes(0, 1)
    return Noise(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts))


def test_noise_has_its_distributions() -> None:
    """Kolmogorov–Smirnov; false alarms at 0.1 % each, the seed is fixed."""
    keys = torch.empty(500, dtype=torch.int64).random_(generator=torch.Generator().manual_seed(1))
    momentum, exponential, direction = expanded(keys, 4, 3)
    assert stats.kstest(momentum.ravel(), "norm").pvalue > 1e-3
    assert stats.kstest(exponential.ravel(), "expon").pvalue > 1e-3
    assert stats.binomtest(int((direction > 0).sum()), direction.numel()).pvalue > 1e-3


SIZES = {"eight_schools": 0.3, "one": 0.9}
"""Steps that make trees turn; the others' trees grow to the greatest depth, or diverge."""


@pytest.mark.parametrize("chains", [3, 11])
@pytest.mark.parametrize(
    ("name", "dense"), [(name, dense) for name in MODELS for dense in (False, True) if name != "one" or not dense]
)
def test_compiled_steps_are_the_plain_ones(name: str, dense: bool, chains: int) -> None:
    """With 11 chains a group is full and another is not."""
    sites = read_sites(MODELS[name]())
    native, table = NativeEngine(sites, replace(SETTINGS, chains=chains)), tables(5, torch.device("cpu"))
    assert native.gradient.lanes == (1 if chains == 3 else gradient.LANES)
    plain = TensorEngine(build_potential(sites, chains), table)
    generator = torch.Generator().manual_seed(1)
    factor = 0.1 + torch.rand(sites.dim, dtype=torch.float64, generator=generator)
    factor = torch.diag(factor).tril() if dense else factor
    q = torch.rand(chains, sites.dim, dtype=torch.float64, generator=generator)
    size = torch.tensor(SIZES.get(name, 0.02), dtype=torch.float64)
    keys = torch.empty(7, chains, dtype=torch.int64).random_(generator=generator)
    first = expanded(keys[6], 1, sites.dim)
    state = start(q, *plain.evaluate(q), table, size, Noise(*(part[0] for part in first)))
    ours = type(state)(*(part.clone() for part in state))
    for key in keys[:6]:
        noise = expanded(key, 7, sites.dim)  # an odd number: the state changes its place in memory
        state, finished, rows = plain.noisy_steps(state, noise, size, table.max_size, factor)
        ours, ended, found = native.keyed_steps(ours, key, 7, size, table.max_size, factor)
        assert torch.equal(ended, finished)
        # rounding alone differs, and grows along forty steps of stable trajectories by less than a thousand
        assert torch.allclose(found[ended], rows[ended], rtol=1e-9, atol=1e-9)
        for part, wanted in zip(ours, state, strict=True):
            assert torch.allclose(part, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("chains", "lanes"), [(5, 1), (20, gradient.LANES)])
def test_threads_change_nothing(chains: int, lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient, "LANES", lanes)
    sites = read_sites(eight_schools())
    settings = replace(SETTINGS, chains=chains)
    monkeypatch.setattr(gradient, "SHARED_WORK", 0)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    one = NativeEngine(sites, settings)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    three = NativeEngine(sites, settings)
    assert (one.gradient.threads(chains), three.gradient.threads(chains)) == (1, 3)
    q = torch.randn(chains, sites.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for found, wanted in zip(three.evaluate(q), one.evaluate(q), strict=True):
        assert torch.equal(found, wanted)
    noise = expanded(torch.arange(chains), 1, sites.dim)
    table = tables(5, torch.device("cpu"))
    state = start(q, *one.evaluate(q), table, q.new_tensor(0.3), Noise(*(part[0] for part in noise)))
    size, factor = torch.tensor(0.3).double(), torch.ones(sites.dim).double()
    after = []
    for engine in (one, three):
        fresh = type(state)(*(part.clone() for part in state))
        after.append(engine.steps(fresh, torch.Generator().manual_seed(4), 20, size, table.max_size, factor))
    (state, finished, rows), (other, ended, found) = after
    assert torch.equal(ended, finished)
    assert torch.equal(found[ended], rows[ended])
    for part, wanted in zip(other, state, strict=True):
        assert torch.equal(part, wanted)


def test_single_precision_runs_compiled() -> None:
    def model() -> None:
        pyro.sample("x", dist.Normal(torch.zeros(4), torch.tensor([1.0, 2.0, 3.0, 4.0])).to_event(1))

    assert isinstance(build_engine(read_sites(model), SETTINGS), NativeEngine)
    draws = sample(model, chains=4, draws=250, tune=100, seed=1)
    assert draws.samples["x"].dtype == np.float32
    # 1000 draws with an ESS above 400: 5 standard errors are passed once in a million runs
    assert (np.abs(draws.samples["x"].mean((0, 1))) < 5 * np.array([1, 2, 3, 4]) / 20).all()


def untranslatable() -> Model:
    def model() -> None:
        x = pyro.sample("x", dist.Normal(torch.zeros(3).double(), 1.0).to_event(1))
        matrix = torch.diag(1 + x.square()) + 0.1
        pyro.factor("volume", -0.1 * torch.linalg.eigvalsh(matrix).sum())

    return model


def test_what_cannot_be_translated_runs_as_tensor_operations() -> None:
    engine = build_engine(read_sites(untranslatable()), SETTINGS)
    assert isinstance(engine, TensorEngine)
    assert engine.notes == ()


def test_a_model_that_writes_into_views_is_translated() -> None:
    def model() -> None:
        x = pyro.sample("x", dist.Normal(torch.zeros(4).double(), 1.0).to_event(1))
        total = torch.zeros(4).double()
        total[1:3] = x[:2] ** 2
        pyro.factor("growth", -total.sum())

    engine = build_engine(read_sites(model), SETTINGS)
    assert isinstance(engine, NativeEngine)
    _, value = engine.evaluate(torch.tensor([[1.0, 2.0, 0.0, 0.0]]).double())
    assert float(value) == pytest.approx(2.5 + 2 * np.log(2 * np.pi) + 5)


def test_a_course_that_depends_on_values_is_not_recorded() -> None:
    def model() -> None:
        x = pyro.sample("x", dist.Normal(torch.zeros(()).double(), 1.0))
        pyro.sample("y", dist.Normal(x, torch.rand(()).double() + 1), obs=torch.zeros(()).double())

    with pytest.raises(NotRecordable):
        record_gradient(read_sites(model))


def test_compiled_code_is_kept_and_the_draws_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = sample(eight_schools(), chains=2, draws=20, tune=40, seed=3)
    kept = {path: path.stat().st_ino for path in (tmp_path / "mlmdsl" / "native").glob("*.so")}
    again = sample(eight_schools(), chains=2, draws=20, tune=40, seed=3)
    assert len(kept) == 2  # the gradient, and the steps
    assert {path: path.stat().st_ino for path in (tmp_path / "mlmdsl" / "native").glob("*.so")} == kept
    assert np.array_equal(first.samples["mu"], again.samples["mu"])


def test_a_compiler_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(build.NoCompiler, match="C compiler failed"):
        build.build("this is no C").load()
    assert not list(tmp_path.rglob("*.so"))


def test_a_damaged_library_is_told_and_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = "int answer(void) { return 42; }"
    made = build.build(text)
    made.load()
    damaged = made.library.with_name("damaged.so")  # a path that this process has not loaded yet
    damaged.write_bytes(made.library.read_bytes()[:100])
    with pytest.raises(build.NoCompiler, match="does not load"):
        build.Build(damaged).load()
    assert not damaged.exists()
