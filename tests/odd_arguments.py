"""What a careless author may pass to a function: every kind of value, none of them right for all functions."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import mlmdsl
from mlmdsl.language.distributions import COMBINATORS, DISTRIBUTIONS
from mlmdsl.language.errors import MlmError

PREAMBLE = """f(x; s=1) = x * s

@model function m(d, D, k, t, lv)
p ~ Normal(0, 1)
v ~ filldist(Normal(0, 1), 2)
w ~ filldist(Exponential(1), 3)
A ~ filldist(Normal(0, 1), 2, 2)
M ~ filldist(Normal(0, 1), 2, 3)
Ω ~ LKJCholesky(2, 1.0)
P = Ω.L * Ω.L'
"""

DATA: Mapping[str, Any] = {"d": [1.0, 2.0], "D": np.ones((2, 2)), "k": 2, "t": ["a", "b"], "lv": [1, 2]}

ODD = [
    "()", "[]", "(1, 2)", "(a=1, b=2)", '"text"', ":sym", "missing", "nothing", "I", "2I", "Diagonal([1.0, 2.0])",
    "Diagonal(v)", "Ω", "Ω.L", "qr(A)", "cholesky(P)", "1:3", "3:1", "1:k", "eachrow(A)", "eachcol(M)", "enumerate(v)",
    "zip(v, v)", "zip()", "[[1, 2] for i in 1:2]", "[v for i in 1:k]", "x -> x", "mean", "Normal", "filldist",
    "Normal(0, 1)", "Normal.(v, 1)", "filldist(Normal(0, 1), 2)", "MvNormal(v, I)", "Float64", "Vector{Float64}",
    "Vector{Float64}(undef, 0)", "true", "v .> 0", "p", "v", "w", "A", "M", "d", "D", "1", "0", "-1", "2.5", "Inf", "NaN",
    "10^18", "zeros(0)", "zeros(2, 0)", "zeros(2, 2, 2)", "v'", "A'", ":", "v...", "[Normal(0, 1), Gamma(2, 1)]", "t",
    "f", "+", "MixtureModel([Normal(0, 1), Normal(2, 1)])", "truncated(Normal(0, 1); lower=0)", "OrderedBijector()",
    "lv", "[missing, 1.0]", '["a", "b"]', "[1, 2]",
]  # fmt: skip


USES_F = re.compile(r"\bf\b").search
"""Whether a statement uses the helper: an error in its body does not say which."""


def calls(name: str, rng: random.Random) -> Iterator[str]:
    """Calls of a function with no argument, each odd one, and some twos and threes of them, with and without a dot."""
    yield f"{name}()"
    for argument in ODD:
        yield f"{name}({argument})"
        yield f"{name}.({argument})"
    for _ in range(30):
        pair = ", ".join(rng.sample(ODD, 2))
        yield from (f"{name}({pair})", f"{name}.({pair})", f"{name}({', '.join(rng.sample(ODD, 3))})")
    for _ in range(5):
        yield f"{name}({rng.choice(ODD)}; dims={rng.choice(ODD)})"
        yield f"{name}({rng.choice(ODD)}; lower={rng.choice(ODD)}, upper={rng.choice(ODD)})"


def statements(name: str, seed: int) -> list[str]:
    """A statement for each call."""
    drawn = name in DISTRIBUTIONS or name in COMBINATORS
    return [
        f"q{number} {'~' if drawn and number % 2 else '='} {call}"
        for number, call in enumerate(calls(name, random.Random(seed)))
    ]


def program_of_valid(lines: list[str]) -> str:
    """The program of those statements that are no error."""
    kept = list(lines)
    while True:
        text = PREAMBLE + "\n".join(kept) + "\nend\n"
        try:
            return mlmdsl.parse(text).bind(**DATA).pyro_source()
        except MlmError as error:
            wrong = _wrong_lines(error, PREAMBLE.count("\n") + 1)
            assert wrong, error
            helper = any(number < 0 for number in wrong)
            kept = [line for number, line in enumerate(kept) if number not in wrong and not (helper and USES_F(line))]


def _wrong_lines(error: MlmError, first: int) -> set[int]:
    """The places of the statements that an error names."""
    source = error.source
    assert source is not None
    return {source.position(found.span.start)[0] - first for found in error.diagnostics if found.span is not None}
