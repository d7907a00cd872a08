"""How long a spec of 1 000 lines takes to parse and check:  python -m tests.benchmarks.checking"""

from __future__ import annotations

from time import perf_counter

import mlmdsl


def long_spec(pairs: int) -> str:
    """A model of that many parameters and values."""
    lines = [f"    x{k} ~ Normal(0, {k}.5)\n    z{k} = x{k} * 2 + exp(x{k}) - {k}" for k in range(pairs)]
    return "\n".join(["@model function m(y)", *lines, "    y ~ Normal(z0, 1)", "end", ""])


def main() -> None:
    """Print the two times, in seconds; the grammar's tables are made or read before."""
    mlmdsl.parse(long_spec(1)).check()
    text = long_spec(500)
    started = perf_counter()
    spec = mlmdsl.parse(text)
    lines = len(text.splitlines())
    statements = len(spec.tree.models[0].body)
    parsed = perf_counter()
    spec.check()
    print(
        f"{lines} lines, {statements} statements: parse {parsed - started:.2f} s, check {perf_counter() - parsed:.2f} s"
    )


if __name__ == "__main__":
    main()
