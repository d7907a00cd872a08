"""The hard models of `python -m tests.benchmarks convergence` mean what they say: each density equals one by hand.

Tolerance: sums of up to some thousand terms in double precision, each exact to 1e-15 of the largest of them.
"""

from __future__ import annotations

import pytest

import mlmdsl
from tests.benchmarks.hard import HARD_MODELS
from tests.benchmarks.hard.model import SPECS, HardModel
from tests.compiler.density import log_density


@pytest.mark.parametrize("model", HARD_MODELS.values(), ids=HARD_MODELS)
def test_density_equals_the_hand_written_one(model: HardModel) -> None:
    data = model.data()
    bound = mlmdsl.parse(model.text, model.name).bind(**data)
    for point in model.points(4):
        assert log_density(bound, model.by_site(point)) == pytest.approx(
            model.log_density(data, point), rel=1e-10, abs=1e-10
        )


def test_every_spec_is_of_the_list() -> None:
    assert {path.stem for path in SPECS.glob("*.mlm")} == set(HARD_MODELS)
