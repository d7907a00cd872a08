"""Every kind of error: one small spec (and table) each in tests/golden/errors, and the exact text a user reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlmdsl
from mlmdsl.language.source import Source
from tests.conftest import GOLDEN, Golden

FOLDER = GOLDEN / "errors"
NAMES = sorted(path.stem for path in FOLDER.glob("*.mlm"))

GIVEN: dict[str, dict[str, Any]] = {
    "data_argument_not_supplied": {"y": [1.0, 2.0]},
    "data_argument_unknown": {"x": [1.0, 2.0], "yy": [1.0, 2.0]},
    "data_argument_lengths": {"x": [1.0, 2.0], "y": [1.0, 2.0, 3.0]},
    "data_argument_of_objects": {"x": [1.0, 2.0], "y": [1.0, object()]},
    "data_argument_is_nan": {"x": [1.0, 2.0], "y": [1.0, float("nan")]},
    "data_argument_scalar": {"x": [1.0, 2.0], "y": 3.0},
    "data_argument_too_wide": {"x": [1.0, 2.0], "y": np.ones((2, 2))},
}
"""What Python passes, where that is to blame."""

SETTINGS: dict[str, dict[str, Any]] = {
    "data_unknown_setting": {"scal": 2},
    "data_setting_of_wrong_kind": {"scale": "wide"},
}
"""What `--set` passes, where that is to blame."""


def spec_of(name: str) -> mlmdsl.Spec:
    """The spec of a case, its path cut to the file name."""
    path = FOLDER / f"{name}.mlm"
    return mlmdsl.Spec(Source(path.read_text(encoding="utf-8"), path.name), base=path.parent)


def run(name: str) -> None:
    """What a user would do: check the spec; where the data are to blame, bind it."""
    spec = spec_of(name)
    spec.check()
    spec.bind(settings=SETTINGS.get(name), **GIVEN.get(name, {}))


@pytest.mark.parametrize("name", NAMES)
def test_text_of_the_error(name: str, golden: Golden) -> None:
    with pytest.raises(mlmdsl.MlmError) as caught:
        run(name)
    golden(f"errors/{name}.txt", str(caught.value).replace(f"{Path(FOLDER)}/", "") + "\n")
