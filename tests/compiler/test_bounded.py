"""What has more steps, iterations or entries than there is time or memory for is refused where it stands."""

from __future__ import annotations

import pytest

import mlmdsl

BODIES = [
    "for i in 1:10^18\n@addlogprob! 1.0 * i\nend",
    "for i in 10^18:-1:1\n@addlogprob! 1.0 * i\nend",
    "t = 0.0\nfor i in 1:10^18\nt = t / 2 + i\nend",
    "t = 0.0\nfor i in 1:10^8\nt = t / 2 + 1\nend",
    "for i in 1:10^10, j in 1:10^10\n@addlogprob! y\nend",
    "for i in 1:10^18\nif i > 10^17\n@addlogprob! 1.0\nend\nend",
    "for (i, v) in enumerate(1:10^18)\n@addlogprob! 1.0\nend",
    "x = [i for i in 1:10^18]",
    "x = [i * j for i in 1:10^9, j in 1:10^9]",
    "x = [i for i in 1:10^18 if i > 3]",
    "x = sum(i for i in 1:10^12)",
    "x = map(i -> i^2, 1:10^15)",
    "x ~ filldist(Normal(0, 1), 10^18)",
    "x = zeros(10^12)",
    "x = Matrix(1.0I, 10^9, 10^9)",
    "x = I(10^12)",
    "x = collect(1:10^18)",
]


@pytest.mark.parametrize("body", BODIES)
def test_too_much_is_refused_at_its_place(body: str) -> None:
    spec = mlmdsl.parse(f"@model function m(y)\n{body}\ny ~ Normal(0, 1)\nend")
    with pytest.raises(mlmdsl.SpecError) as caught:
        spec.check()
    assert all(found.span is not None for found in caught.value.diagnostics)
    assert any("at most" in found.message or "too large" in found.message for found in caught.value.diagnostics)
