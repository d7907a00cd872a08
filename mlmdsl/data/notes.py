"""What is no error in the data and may still be none of the author's doing: labels that nearly are one."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from mlmdsl.compiler.values import Tensor, Value
from mlmdsl.language.errors import listed
from mlmdsl.language.types import Axis

_SHOWN = 6


def notes_on(arguments: Mapping[str, Value]) -> tuple[str, ...]:
    """A sentence for each set of labels that differ by case, accents' encoding or spaces only; each once."""
    axes = [axis for value in arguments.values() if isinstance(value, Tensor) for axis in _labelled(value)]
    return tuple(dict.fromkeys(sentence for axis in axes for sentence in _alike(axis)))


def _labelled(value: Tensor) -> Iterator[Axis]:
    axes: Iterable[Axis | None] = (value.levels, *value.type.axes)
    yield from (axis for axis in axes if axis is not None and axis.labels)


def _alike(axis: Axis) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for label in axis.labels or ():
        plain = " ".join(unicodedata.normalize("NFKC", label).casefold().split())
        groups.setdefault(plain, []).append(label)
    for labels in groups.values():
        if len(labels) > 1:
            shown = listed(labels, _SHOWN, quoted=True)
            yield f"levels of `{axis.name}` differ by case or spaces only, and are levels of their own: {shown}"
