"""What each stage of the pipeline makes of the shipped specs (with their data) and of small ones (without)."""

from __future__ import annotations

from typing import get_args

import pytest

import mlmdsl
from mlmdsl.driver import Stage
from mlmdsl.library import specs_folder
from tests.conftest import GOLDEN, Golden

STAGES = [stage for stage in get_args(Stage) if stage != "marginal"]
SMALL = sorted(path.stem for path in (GOLDEN / "stages").glob("*.mlm"))
SHIPPED = [spec.name for spec in mlmdsl.shipped()]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped(name: str, stage: Stage, golden: Golden) -> None:
    text = mlmdsl.load(name).stage(stage).replace(str(specs_folder()), "specs")
    golden(f"stages/{name}.{stage}.txt", text.rstrip("\n") + "\n")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", SMALL)
def test_small(name: str, stage: Stage, golden: Golden) -> None:
    text = mlmdsl.load(GOLDEN / "stages" / f"{name}.mlm").stage(stage).replace(str(GOLDEN), "golden")
    golden(f"stages/{name}.{stage}.txt", text.rstrip("\n") + "\n")


def test_the_specs_are_there() -> None:
    assert len(SHIPPED) >= 7
    assert len(SMALL) >= 9
