"""Sampling away from the CPU: on a device that is only played, which every machine has, and on a GPU where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils import backend_registration

import mlmdsl
from mlmdsl.inference import Draws, captured, engine, sample
from mlmdsl.inference.captured import NotCapturable, capture
from mlmdsl.inference.engine import TensorEngine

from .models import eight_schools, varying_intercept

SHIPPED = [
    ("cheese/varying_intercept", "auto"),
    ("cheese/varying_intercept", "off"),
    ("cheese/correlated_varying_intercept_slope", "auto"),
    ("multilevel/correlated_intercepts_and_slopes", "auto"),
]
"""Statistics and recovery, pilots of a centring, LKJ, and a whole vector of each group: what runs on a device."""
with_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "marginalize"), SHIPPED)
@pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"), reason="a device needs a newer torch"
)
def test_another_device_gives_the_same_numbers(spec: str, marginalize: str, tmp_path: Path) -> None:
    """No operation meets tensors of two devices, no step waits for the host, and every number is the CPU's to the bit."""
    file = tmp_path / "draws.npz"
    command = [sys.executable, "-m", "tests.inference.played_device", spec, marginalize, str(file)]
    # without a C compiler the CPU too takes tensor operations, and the same ones
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "CC": "no-such-compiler"})
    assert done.returncode == 0, done.stderr
    found = np.load(file)
    assert not len(found["waited"])
    on_cpu = [name for name in found if name.startswith("cpu ")]
    assert len(on_cpu) >= 4
    for name in on_cpu:
        assert np.array_equal(found[name], found["there" + name.removeprefix("cpu")]), name


# ── blocks launched as one, with a stand-in for the graph ────────────────────────────────────────────────────────────


def played_graph(
    run: Callable[..., Sequence[Tensor]], held: Sequence[Tensor]
) -> tuple[Callable[[], None], list[Tensor]]:
    """As a CUDA graph: capturing computes nothing, a launch reads and writes the memory of the capture."""
    results = [torch.full_like(result, 1) for result in run(*held)]

    def replay() -> None:
        for result, computed in zip(results, run(*held), strict=True):
            result.copy_(computed)

    return replay, results


def refused(run: object, held: object) -> tuple[Callable[[], None], list[Tensor]]:
    raise RuntimeError("called a synchronizing CUDA operation\nwith a stack of frames")


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every engine takes tensors and captures; the list gets a number for each capture: that of its arguments."""
    captures: list[int] = []
    built = TensorEngine.__init__

    def built_to_capture(self: TensorEngine, *arguments: object) -> None:
        built(self, *arguments)  # type: ignore[arg-type]
        self._captures = self.graph is not None

    def counted(run: Callable[..., Sequence[Tensor]], held: Sequence[Tensor]) -> object:
        captures.append(len(held))
        return played_graph(run, held)

    monkeypatch.setattr(TensorEngine, "__init__", built_to_capture)
    monkeypatch.setattr(engine, "NativeEngine", unsupported)
    monkeypatch.setattr(captured, "record_kernels", counted)
    return captures


def unsupported(*_: object) -> object:
    raise engine.Unsupported("the test wants tensors")


def run() -> Draws:
    return sample(eight_schools(), chains=4, draws=30, tune=60, seed=2)


def test_launched_as_one_the_draws_are_the_same(as_on_a_gpu: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    launched = run()
    assert len(as_on_a_gpu) == 2  # a diagonal metric, then a dense one
    monkeypatch.setattr(captured, "record_kernels", refused)
    one_by_one = run()
    assert np.array_equal(launched.samples["theta"], one_by_one.samples["theta"])
    assert not [note for note in launched.warnings if "slower" in note]
    assert [note for note in one_by_one.warnings if "synchronizing CUDA operation" in note and "slower" in note]


def test_a_graph_that_computes_something_else_is_not_used(
    as_on_a_gpu: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(run: Callable[..., Sequence[Tensor]], held: Sequence[Tensor]) -> tuple[Callable[[], None], list[Tensor]]:
        return lambda: None, [torch.zeros_like(result) for result in run(*held)]

    monkeypatch.setattr(captured, "record_kernels", stale)
    assert [note for note in run().warnings if "other numbers" in note]


def test_results_outlive_the_next_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captured, "record_kernels", played_graph)
    launch = capture(lambda x: [x + 1], [torch.zeros(2)])
    (first,), (second,) = launch(torch.tensor([1.0, 2.0])), launch(torch.tensor([5.0, 6.0]))
    assert first.tolist() == [2, 3]
    assert second.tolist() == [6, 7]


# ── a GPU ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@with_gpu
def test_a_captured_block_computes_what_its_operations_do() -> None:
    x = torch.arange(6.0, dtype=torch.float64, device="cuda").reshape(2, 3)
    launch = capture(
        lambda x: [x.exp().sum(1), torch.linalg.cholesky_ex(x.mT @ x + torch.eye(3, device="cuda"))[0]], [x]
    )
    sums, factor = launch(x + 1)
    assert torch.allclose(sums, (x + 1).exp().sum(1), rtol=1e-14)  # the same kernel
    assert torch.allclose(factor @ factor.mT, (x + 1).mT @ (x + 1) + torch.eye(3, device="cuda"), rtol=1e-12)


@with_gpu
def test_what_waits_for_the_host_is_not_captured() -> None:
    with pytest.raises(NotCapturable):
        capture(lambda x: [x[x > 0]], [torch.ones(3, device="cuda")])
    generator = torch.Generator("cuda").manual_seed(1)
    assert torch.randn(3, generator=generator, device="cuda").isfinite().all()  # the device is as it was


@with_gpu
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("spec", "marginalize"), SHIPPED)
def test_a_gpu_samples_what_the_cpu_does(spec: str, marginalize: str, dtype: str) -> None:
    """Means agree within 5 standard errors: one of the 300 or so compared here fails by chance in 6 000 runs."""
    bound = mlmdsl.load(spec).bind()
    fits = [
        bound.sample(device=device, chains=32, draws=250, seed=1, marginalize=marginalize, dtype=dtype)
        for device in ("cpu", "cuda")
    ]
    assert not [note for note in fits[1].run.warnings if "one by one" in note]
    on_cpu, on_gpu = (fit.summary() for fit in fits)
    error = np.hypot(on_cpu["mcse"], on_gpu["mcse"])
    varies = error > 0
    assert varies.sum() >= 3
    assert ((on_cpu["mean"] - on_gpu["mean"]).abs()[varies] < 5 * error[varies]).all()


@with_gpu
def test_a_run_on_a_gpu_repeats_and_resumes(tmp_path: Path) -> None:
    def sampled(**given: Path) -> Draws:
        return sample(varying_intercept("cuda"), chains=16, draws=50, tune=50, seed=4, **given)

    first = sampled(checkpoint=tmp_path / "run")
    again, resumed = sampled(), sampled(resume=tmp_path / "run")
    assert np.array_equal(first.samples["τ"], again.samples["τ"])
    assert np.array_equal(first.samples["τ"], resumed.samples["τ"])
