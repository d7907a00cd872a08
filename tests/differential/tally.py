"""Many programs compared: how many agree, how many are refused, and the faults, each as the smallest program that shows it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from tests.differential.compare import Verdict, compare
from tests.differential.programs import Program, program
from tests.differential.shrink import shrunk

CHUNK = 100


@dataclass
class Tally:
    """What a number of programs came to."""

    kinds: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    sequential: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add another's."""
        self.kinds += other.kinds
        self.refusals += other.refusals
        self.sequential += other.sequential
        self.faults += other.faults


def signature(verdict: Verdict) -> str:
    """What two faults of one kind have in common."""
    first = "" if verdict.kind in ("differ", "not refused") else verdict.found.splitlines()[0]
    first = re.sub(r"^<string>:[0-9:]+ ", "", first)
    return f"{verdict.kind}: {re.sub(r'[0-9]+', '#', re.sub(r'`[^`]*`', '`…`', first))[:110]}"


def tally(seeds: range) -> Tally:
    """Compare the programs of these seeds."""
    torch.set_num_threads(1)
    found = Tally()
    for seed in seeds:
        verdict = compare(program(seed))
        found.kinds[verdict.kind] += 1
        found.sequential += verdict.sequential
        if verdict.kind == "refused":
            found.refusals[signature(verdict)] += 1
        if verdict.is_fault:
            found.faults.append((seed, signature(verdict)))
    return found


def chunks(first: int, count: int) -> Iterator[range]:
    """The seeds in parts."""
    for start in range(first, first + count, CHUNK):
        yield range(start, min(start + CHUNK, first + count))


def smallest(seed: int) -> tuple[Program, Verdict]:
    """The smallest program that fails as this seed's does."""
    wanted = signature(compare(program(seed)))
    made = shrunk(program(seed), lambda smaller: signature(compare(smaller)) == wanted)
    return made, compare(made)


def show(seed: int, kind: str) -> str:
    """A fault, made small."""
    made, verdict = smallest(seed)
    data = "\n".join(
        f"    {name} = {value.tolist() if hasattr(value, 'tolist') else value}"
        for name, value in made.arguments.items()
    )
    values = ", ".join(f"{name} = {value.tolist() if hasattr(value, 'tolist') else value}" for name, value in made.values.items()
                       if re.search(rf"(?<!\w){name}(?!\w)", made.text))  # fmt: skip
    return f"── seed {seed}: {kind}\n{made.text}\n{data}\n    values: {values}\n    reference: {verdict.wanted}\n    compiled:  {verdict.found}\n"


def report(total: Tally) -> str:
    """The numbers."""
    count = total.kinds.total()
    lines = [f"{count} programs: " + ", ".join(f"{n} {kind}" for kind, n in total.kinds.most_common())]
    lines.append(f"a loop is left in {total.sequential / count:.1%}; refused {total.kinds['refused'] / count:.2%}:")
    lines += [f"    {n:6}  {kind}" for kind, n in total.refusals.most_common(25)]
    return "\n".join(lines)
