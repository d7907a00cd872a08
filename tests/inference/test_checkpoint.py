"""A checkpoint continues the run that wrote it and no other; one that cannot be written ends no run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import mlmdsl
from mlmdsl.inference.draws import Draws
from mlmdsl.inference.run import sample
from tests.test_files import full_disk

SPEC = "@model function m(x, y; s=1)\n    μ ~ Normal(0, 10)\n    y ~ arraydist(Normal.(μ .+ x, s))\nend\n"
DATA: dict[str, Any] = {"x": [0.1, 0.2, 0.3], "y": [1.0, 2.0, 2.5]}
SHORT: dict[str, Any] = {"chains": 2, "draws": 10, "tune": 20, "seed": 3}


def normal(y: float = 1.0, scale: float = 1.0) -> Callable[[], None]:
    """A plain Pyro model."""

    def model() -> None:
        x = pyro.sample("x", dist.Normal(torch.zeros(2, dtype=torch.float64), 1.0).to_event(1))
        pyro.sample("y", dist.Normal(x.sum(), scale), obs=torch.tensor(y, dtype=torch.float64))

    return model


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The checkpoint of a run that has ended."""
    path = tmp_path / "kept"
    mlmdsl.parse(SPEC).bind(**DATA).sample(**SHORT, checkpoint=path)
    return path


@pytest.mark.parametrize("text", [SPEC, f"# Another place, a comment.\n\n{SPEC}"])
def test_the_same_model_goes_on(text: str, kept: Path) -> None:
    """Where it stands and what comments say does not count."""
    whole = mlmdsl.parse(SPEC).bind(**DATA).sample(**SHORT)
    resumed = mlmdsl.parse(text, "elsewhere.mlm").bind(**DATA).sample(**SHORT, resume=kept)
    assert np.array_equal(resumed.values["μ"], whole.values["μ"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": [1.0, 2.0, 2.6]}, "another run: the argument `y` differs$"),
        ({"x": [0.1, 0.2, 0.31], "y": [1.0, 2.0, 2.6]}, "the argument `x`, the argument `y` differ$"),
        ({"x": [0.1, 0.2], "y": [1.0, 2.0]}, "the argument `x`, the argument `y` differ"),
        ({"s": 2}, "the argument `s` differs"),
    ],
)
def test_other_data_are_refused_by_what_differs(changed: dict[str, Any], message: str, kept: Path) -> None:
    with pytest.raises(ValueError, match=message):
        mlmdsl.parse(SPEC).bind(**{**DATA, **changed}).sample(**SHORT, resume=kept)


def test_another_model_is_refused(kept: Path) -> None:
    with pytest.raises(ValueError, match="another run: the model differs$"):
        mlmdsl.parse(SPEC.replace("10", "9")).bind(**DATA).sample(**SHORT, resume=kept)


@pytest.mark.parametrize("other", [normal(y=1.5), normal(scale=2.0)])
def test_other_plain_models_are_told_by_their_density(other: Callable[[], None], tmp_path: Path) -> None:
    path = tmp_path / "kept"
    sample(normal(), **SHORT, checkpoint=path)
    assert sample(normal(), **SHORT, resume=path).draws == 10
    with pytest.raises(ValueError, match="another run: density differs"):
        sample(other, **SHORT, resume=path)


@pytest.mark.parametrize("content", [b"", b"y\n1.0\n", b"PK\x03\x04 no archive"])
def test_what_is_no_checkpoint(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="other: this is no checkpoint of mlmdsl"):
        sample(normal(), **SHORT, resume=path)
    with pytest.raises(ValueError, match="none: there is no such file"):
        sample(normal(), **SHORT, resume=tmp_path / "none")


def _cut(content: dict[str, Any]) -> None:
    content["session"]["state"][0] = content["session"]["state"][0][:, :, :1]


def _wide(content: dict[str, Any]) -> None:
    content["session"]["metric"] = torch.ones(3, dtype=torch.float64)


def _deep(content: dict[str, Any]) -> None:
    content["session"]["state"][3] += 1 << 40


def _single(content: dict[str, Any]) -> None:
    content["session"]["state"][5] = content["session"]["state"][5].float()


def _without(content: dict[str, Any]) -> None:
    del content["session"]["kept"]


@pytest.mark.parametrize("damage", [_cut, _wide, _deep, _single, _without])
def test_what_compiled_code_would_trust_is_looked_at(damage: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    path = tmp_path / "kept"
    sample(normal(), **SHORT, checkpoint=path)
    content = torch.load(path, weights_only=True)
    damage(content)
    torch.save(content, path)
    with pytest.raises(ValueError, match="kept is a damaged checkpoint"):
        sample(normal(), **SHORT, resume=path)


def same(one: Draws, other: Draws) -> bool:
    return all(np.array_equal(one.samples[name], other.samples[name]) for name in one.samples)


def test_a_full_disk_is_warned_of_once_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole = sample(normal(), **SHORT)
    monkeypatch.setattr("mlmdsl.inference.checkpoint.SECONDS_BETWEEN", 0.0)
    path = tmp_path / "kept"
    with (
        full_disk(),
        pytest.warns(UserWarning, match="the checkpoint .*kept could not be written: File too large") as caught,
    ):
        drawn = sample(normal(), **SHORT, checkpoint=path)
    assert len(caught) == 1
    assert same(drawn, whole)
    assert [remark.code for remark in drawn.remarks] == ["no_checkpoint"]
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_has_room_again_is_written_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("mlmdsl.inference.checkpoint.SECONDS_BETWEEN", 0.0)
    path = tmp_path / "kept"
    full = ExitStack()
    full.enter_context(full_disk())
    with full, pytest.warns(UserWarning, match="could not be written"):
        drawn = sample(
            normal(), **SHORT, checkpoint=path, progress=lambda now: full.close() if now.phase == "sample" else None
        )
    assert drawn.remarks == ()
    assert same(sample(normal(), **SHORT, resume=path), drawn)
