"""A function of one draw over many: the parts, what cannot be batched, and what is drawn at random."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mlmdsl.inference import batching
from mlmdsl.inference.batching import at_once, over_draws, together

COUNT = 7
X = torch.arange(COUNT * 2, dtype=torch.float64).reshape(COUNT, 2)
Y = torch.linspace(-1, 1, COUNT, dtype=torch.float64)


def batched(values: dict[str, Tensor], y: Tensor) -> dict[str, Tensor]:
    return {"sum": values["x"].sum() + y, "double": 2 * values["x"]}


def unbatched(values: dict[str, Tensor], y: Tensor) -> dict[str, Tensor]:
    float(y)  # no tensor of many draws is a number
    return batched(values, y)


@pytest.mark.parametrize("function", [batched, unbatched])
@pytest.mark.parametrize("step", [1, 3, COUNT, 100])
def test_parts_change_nothing(function: object, step: int) -> None:
    parts = list(over_draws(function, {"x": X}, Y, step=step))  # type: ignore[arg-type]
    assert [start for start, _ in parts] == list(range(0, COUNT, step))
    found = together(parts)
    assert torch.equal(found["sum"], X.sum(-1) + Y)
    assert torch.equal(found["double"], 2 * X)


@pytest.mark.parametrize("number", [lambda x: x, float], ids=["batched", "one by one"])
def test_each_draw_has_randomness_of_its_own(number: object) -> None:
    def function(x: Tensor) -> dict[str, Tensor]:
        number(x)  # type: ignore[operator]
        return {"u": torch.rand(())}

    with torch.random.fork_rng(devices=[]):
        drawn = together(over_draws(function, Y, step=4))["u"]
    assert len(drawn.unique()) == COUNT


def test_no_gradient_is_kept() -> None:
    found = together(over_draws(lambda y: {"y": 2 * y}, Y.clone().requires_grad_(), step=2))
    assert not found["y"].requires_grad


def test_a_fault_of_the_function_is_raised() -> None:
    def function(x: Tensor) -> dict[str, Tensor]:
        raise ValueError("the model's own")

    with pytest.raises(ValueError, match="the model's own"):
        list(over_draws(function, X, step=2))


def test_at_least_one_draw_is_computed_at_once() -> None:
    assert [at_once(size) for size in (0, 1, batching.CHUNK // 2, batching.CHUNK + 1)] == [*[batching.CHUNK] * 2, 2, 1]
