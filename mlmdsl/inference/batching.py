"""A function of one draw over many of them: by `vmap`, a part at a time, and one by one where that cannot be."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from mlmdsl.inference.process import alone

Named = Mapping[str, Tensor]

CHUNK = 2**22
"""Numbers that are computed at once: 32 MiB in double precision, whatever the rows and draws."""


def at_once(size: int) -> int:
    """How many draws make a part, where each gives that many numbers."""
    return max(1, CHUNK // max(size, 1))


def over_draws(
    function: Callable[..., dict[str, Tensor]], *inputs: Tensor | Named, step: int
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Of each part of `step` draws: which draw is its first, and the results by name (draw, …).

    Args:
        function: takes one draw of each input; what it draws at random differs between draws.
        inputs: tensors (draw, …), alone or by name.
    """
    first = inputs[0]
    count = len(first if isinstance(first, Tensor) else next(iter(first.values())))
    for start in range(0, count, step):
        part = slice(start, min(start + step, count))
        yield start, _results(function, _taken(inputs, part), part.stop - start)


def together(parts: Iterable[tuple[int, dict[str, Tensor]]]) -> dict[str, Tensor]:
    """The results of all parts by name, (draw, …)."""
    found = [results for _, results in parts]
    return {name: torch.cat([results[name] for results in found]) for name in found[0]}


def _results(
    function: Callable[..., dict[str, Tensor]], inputs: Sequence[Tensor | Named], count: int
) -> dict[str, Tensor]:
    with torch.no_grad(), silent_vmap():
        try:
            return torch.func.vmap(function, randomness="different")(*inputs)
        except (RuntimeError, ValueError, TypeError):  # what vmap raises where a function cannot be batched
            rows = [function(*_taken(inputs, k)) for k in range(count)]
            return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def _taken(inputs: Sequence[Tensor | Named], which: int | slice) -> list[Tensor | Named]:
    return [
        each[which] if isinstance(each, Tensor) else {name: value[which] for name, value in each.items()}
        for each in inputs
    ]


@contextmanager
def silent_vmap() -> Iterator[None]:
    """Silence what vmap remarks on though it is right: an operation that runs as a loop, room made for draws."""
    with alone(), warnings.catch_warnings():
        # an operation has no batching rule
        warnings.filterwarnings("ignore", message="There is a performance drop", category=UserWarning)
        # binomial draws with one set of parameters are batched
        warnings.filterwarnings("ignore", message="An output with one or more elements", category=UserWarning)
        yield
