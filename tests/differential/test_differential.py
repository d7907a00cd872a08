"""Random programs: the compiled density is the reference's, or both refuse. A refusal of what Julia runs has a place, and is rare."""

from __future__ import annotations

import pytest

from tests.differential.tally import report, show, tally

FIRST, PROGRAMS = 10_001, 14_000
"""The first seed and the number of programs that CI compares; `python -m tests.differential` compares as many as it is told."""

PARTS = 28
"""Tests that they are spread over, so that several processes can share them."""

MOST_REFUSED = 0.08
"""The share of programs that the compiler may refuse though Julia runs them: about 0.02 of all are, so fewer than this in any part."""

LEAST_SEQUENTIAL, MOST_SEQUENTIAL = 0.15, 0.65
"""Both ways of compiling a loop are met: about 0.37 of all programs keep one."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_programs(part: int) -> None:
    size = PROGRAMS // PARTS
    total = tally(range(FIRST + part * size, FIRST + (part + 1) * size))
    assert not total.faults, "\n".join([report(total), *(show(seed, kind) for seed, kind in total.faults[:3])])
    assert total.kinds["refused"] <= MOST_REFUSED * size, report(total)
    assert total.kinds["agree"] >= size / 2, report(total)
    assert LEAST_SEQUENTIAL * size <= total.sequential <= MOST_SEQUENTIAL * size, report(total)
