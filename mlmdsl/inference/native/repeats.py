"""Statements in a row, by kind; and neighbours that come again and again joined to one kind.

Joining is what compresses text (byte-pair encoding, Gage 1994): the pair of kinds that stands side by side most often becomes
a kind of its own, again and again. A loop that was written out becomes a few kinds, whatever its period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

LEAST = 8
"""A pair that comes less often stays two."""
MOST_JOINED = 40
"""Statements of one kind: beyond, going from one to the next costs nothing that shows."""
MOST_LINES = 2500
"""Lines of C of all kinds together, beyond which joining would cost the compiler more than it saves the processor."""


@dataclass(frozen=True)
class Statements:
    """Statements in a row: of each its template, and the operands of all, one statement's after the other's."""

    templates: Sequence[str]
    widths: Sequence[int]
    """Operands of each template."""
    which: Ints
    operands: Ints


@dataclass(frozen=True)
class Kinds:
    """The same statements as a row of kinds. Kind k is a sequence of templates, `parts[k]`; the i-th of the row is of kind
    `which[i]` and its operands begin at `starts[i]`."""

    parts: Sequence[tuple[int, ...]]
    which: Ints
    starts: Ints


def joined(statements: Statements) -> Kinds:
    """The kinds of the statements, neighbours joined as long as that pays."""
    widths = np.asarray(statements.widths, dtype=np.int64)[statements.which]
    which, starts = statements.which, np.cumsum(widths) - widths
    parts: list[tuple[int, ...]] = [(k,) for k in range(len(statements.templates))]
    lines = [1 + template.count("\n") for template in statements.templates]
    total = sum(lines)
    while (pair := _best(which, [len(part) for part in parts])) is not None and total < MOST_LINES:
        first, second = pair
        kept = _occurrences(which, first, second)
        which = which.copy()
        which[kept] = len(parts)
        which, starts = np.delete(which, kept + 1), np.delete(starts, kept + 1)
        parts.append(parts[first] + parts[second])
        lines.append(lines[first] + lines[second])
        total += lines[-1] - sum(lines[kind] for kind in {first, second} if not (which == kind).any())
    return _numbered(parts, which, starts)


def _best(which: Ints, sizes: Sequence[int]) -> tuple[int, int] | None:
    """The pair that stands side by side most often, of those that may be joined."""
    if len(which) < 2:
        return None
    keys, counts = np.unique(which[:-1] * len(sizes) + which[1:], return_counts=True)
    first, second = keys // len(sizes), keys % len(sizes)
    size = np.asarray(sizes)
    counts = np.where(size[first] + size[second] <= MOST_JOINED, counts, 0)
    best = int(counts.argmax())
    return (int(first[best]), int(second[best])) if counts[best] >= LEAST else None


def _occurrences(which: Ints, first: int, second: int) -> Ints:
    """Where the pair begins, from left to right, none within another."""
    found = np.flatnonzero((which[:-1] == first) & (which[1:] == second))
    if first != second:
        return found
    run_starts = np.flatnonzero(np.diff(found, prepend=-2) > 1)
    in_run = np.arange(len(found)) - np.repeat(run_starts, np.diff(run_starts, append=len(found)))
    kept: Ints = found[in_run % 2 == 0]
    return kept


def _numbered(parts: Sequence[tuple[int, ...]], which: Ints, starts: Ints) -> Kinds:
    """Without the kinds that are nowhere any more."""
    used, which = np.unique(which, return_inverse=True)
    return Kinds([parts[k] for k in used], which.astype(np.int64), starts)
