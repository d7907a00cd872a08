"""Functions as tapes: the same results as written out, in a text that does not grow with the number of turns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmdsl.inference.native.gradient import LANES
from mlmdsl.inference.native.repeats import LEAST, MOST_JOINED, MOST_LINES, Statements, joined

from . import test_empty, test_operations, test_structure
from .compiling import Case, lowered, outputs

ALL: dict[str, Case] = {
    **{
        f"operation {key}": case
        for key, case in test_operations.CASES.items()
        if key not in test_operations.UNTRANSLATED
    },
    **{f"structure {key}": case for key, case in test_structure.CASES.items()},
    **{f"empty {key}": case for key, case in test_empty.CASES.items()},
}


@pytest.mark.parametrize("lanes", [1, LANES])
def test_every_operation_gives_on_a_tape_what_it_gives_written_out(lanes: int) -> None:
    """To rounding: a compiler may contract a product and a sum in one form and not in the other."""
    plain, tapes = outputs(ALL, lanes), outputs(ALL, lanes, long=0)
    for key, found in tapes.items():
        for (_, results), (_, wanted) in zip(found, plain[key], strict=True):
            for each, exact in zip(results, wanted, strict=True):
                assert each.dtype == exact.dtype, key
                assert torch.allclose(each, exact, rtol=1e-13, atol=1e-13, equal_nan=True), key


def recurrence(turns: int) -> Case:
    """A filter that carries a number, branches on its data, and writes what it finds into an array."""
    y = np.sin(np.arange(turns)).tolist()

    def function(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        level, total, kept = x[0], x[1] * 0, torch.zeros(turns).double()
        for t in range(turns):
            level = torch.exp(-x[1].abs()) * level + (y[t] - x[2]) ** 2 / (t + 1.5)
            total = total + (torch.log1p(level) if y[t] > 0 else x[2] * level)
            kept = kept.index_put((torch.tensor(t),), level * 3)
        return total, kept.sum(), kept[turns // 2 :]

    return function, [torch.tensor([0.5, -1.0, 0.3]).double()]


@pytest.mark.parametrize("lanes", [1, LANES])
def test_a_long_recurrence(lanes: int) -> None:
    case = recurrence(150)
    for (given_,), results in outputs({"f": case}, lanes)["f"]:
        for each, exact in zip(results, case[0](given_), strict=True):
            assert torch.allclose(each, exact, rtol=1e-12, atol=1e-12)


def test_the_text_does_not_grow_with_the_number_of_turns() -> None:
    short, long = (lowered(*recurrence(turns), "f", LANES).text.count("\n") for turns in (150, 450))
    assert long < 2 * short  # three times the turns: longer rows of statements come often enough to be joined
    assert long < MOST_LINES


@given(
    st.lists(st.integers(0, 3), max_size=200), st.lists(st.integers(0, 4), min_size=4, max_size=4), st.integers(1, 9)
)
@settings(max_examples=60, deadline=None)
def test_joining_keeps_the_statements_and_their_operands(which: list[int], widths: list[int], times: int) -> None:
    which = which * times
    count = sum(widths[kind] for kind in which)
    statements = Statements(["a", "b", "c", "d"], widths, np.array(which, dtype=np.int64), np.arange(count))
    kinds = joined(statements)
    assert [part for kind in kinds.which for part in kinds.parts[kind]] == which
    read = [
        start + k
        for kind, start in zip(kinds.which, kinds.starts, strict=True)
        for k in range(sum(widths[part] for part in kinds.parts[kind]))
    ]
    assert read == list(range(count))
    assert all(len(parts) <= MOST_JOINED for parts in kinds.parts)


def test_what_comes_again_and_again_is_joined() -> None:
    period, turns = 7, 64
    which = np.tile(np.arange(period), turns)
    kinds = joined(Statements(["x"] * period, [0] * period, which, np.arange(0)))
    assert len(kinds.which) < len(which) / period
    rare = np.arange(period * (LEAST - 1)) % period
    assert len(joined(Statements(["x"] * period, [0] * period, rare, np.arange(0))).which) == len(rare)
