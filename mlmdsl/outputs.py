"""Draws by site as the variables of the output: under the author's names, with the axes and labels of the spec."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from mlmdsl.compiler import ir
from mlmdsl.compiler.labels import axis_of
from mlmdsl.compiler.values import Tensor
from mlmdsl.language.types import Array, Axis

if TYPE_CHECKING:
    from mlmdsl.driver import Bound
    from mlmdsl.results.fit import Dim, Variable

Values = npt.NDArray[np.float64]

_ELEMENT = re.compile(r"^(?P<name>.*)\[(?P<index>[^\[\]]*)\]$", re.DOTALL)


def described(bound: Bound, samples: Mapping[str, Values]) -> tuple[list[Variable], dict[str, Values]]:
    """The variables of the output with their draws, in the order of the spec.

    Elements drawn at sites of their own (`h[3]`) become one array again.
    """
    from mlmdsl.results.fit import Variable

    listed = outputs(bound.lowered.model)
    incomplete = {output.name for output in listed if output.incomplete}
    whole = joined({site: drawn for site, drawn in samples.items() if place_of(site)[0] not in incomplete})
    variables: list[Variable] = []
    values: dict[str, Values] = {}
    for output in listed:
        if output.incomplete:
            for name, column in _missing_entries(bound, output.name, samples):
                variables.append(Variable(name))
                values[name] = column
        if output.name not in whole:
            continue
        drawn = whole.pop(output.name)
        name = f"{output.name}.L" if output.is_factor else output.name
        dims = dims_of(bound, output.axes, drawn.shape[2:], name)
        variables.append(Variable(name, dims, output.kind, lower_triangular=output.is_factor))
        values[name] = drawn
    return variables, values


class Output:
    """A variable of the output: a parameter, a tracked value, or the missing entries of data."""

    def __init__(
        self,
        name: str,
        axes: Sequence[Axis],
        kind: Literal["parameter", "deterministic"],
        family: str = "",
        incomplete: bool = False,
    ) -> None:
        self.name = name
        self.axes = tuple(axes)
        self.kind = kind
        self.is_factor = family == "LKJCholesky"
        self.incomplete = incomplete


def outputs(model: ir.Model) -> list[Output]:
    """The variables that a run of the model gives, in order."""
    found: dict[str, Output] = {}
    for node in ir.statements(model.body):
        if isinstance(node, ir.Sample) and (node.observed is None or node.missing is not None):
            axes = () if node.index else node.type.axes
            family = node.dist.family if not node.dist.plates else ""
            found.setdefault(node.target, Output(node.target, axes, "parameter", family, node.missing is not None))
        elif isinstance(node, ir.Let) and node.tracked:
            found.setdefault(node.name, Output(node.name, node.value.type.axes, "deterministic"))
    return list(found.values())


def joined(samples: Mapping[str, Values]) -> dict[str, Values]:
    """Arrays from their elements: `h[1]`, `h[2:9]`, `x[3,:]`."""
    whole: dict[str, Values] = {}
    parts: dict[str, list[tuple[list[slice | int], Values]]] = {}
    for site, drawn in samples.items():
        match = _ELEMENT.match(site)
        if match is None:
            whole[site] = np.asarray(drawn)
            continue
        parts.setdefault(match["name"], []).append((_index(match["index"]), np.asarray(drawn)))
    for name, elements in parts.items():
        whole[name] = _assembled(elements)
    return whole


def _index(text: str) -> list[slice | int]:
    """The 0-based index of `3`, `2:9`, `:`, `3,:`."""
    items: list[slice | int] = []
    for part in text.split(","):
        if part == ":":
            items.append(slice(None))
        elif ":" in part:
            first, last = part.split(":")
            items.append(slice(int(first) - 1, int(last)))
        else:
            items.append(int(part) - 1)
    return items


def _assembled(elements: Sequence[tuple[list[slice | int], Values]]) -> Values:
    lead = elements[0][1].shape[:2]
    sizes = [0] * len(elements[0][0])
    for index, drawn in elements:
        axis = 2
        for position, item in enumerate(index):
            if isinstance(item, int):
                sizes[position] = max(sizes[position], item + 1)
                continue
            stop = item.stop if item.stop is not None else drawn.shape[axis]
            sizes[position] = max(sizes[position], stop)
            axis += 1
    result = np.full((*lead, *sizes), np.nan)
    for index, drawn in elements:
        result[(slice(None), slice(None), *index)] = drawn
    return result


def _missing_entries(bound: Bound, name: str, samples: Mapping[str, Values]) -> Iterator[tuple[str, Values]]:
    """The missing entries of data, each under its place: `y[3]`. A site holds those of its part, in order."""
    value = bound.bound.values[name]
    known = value.known if isinstance(value, Tensor) else None
    assert isinstance(known, Array) and known.missing is not None
    places = np.argwhere(known.missing).tolist()
    for site, drawn in samples.items():
        array, index = place_of(site)
        if array == name:
            inside = [place for place in places if _lies_in(place, index)]
            columns = np.asarray(drawn).reshape(*drawn.shape[:2], len(inside))
            for position, place in enumerate(inside):
                yield f"{name}[{','.join(str(k + 1) for k in place)}]", columns[..., position]


def place_of(site: str) -> tuple[str, list[slice | int]]:
    """The array that a site is a part of, and which part."""
    match = _ELEMENT.match(site)
    return (site, []) if match is None else (match["name"], _index(match["index"]))


def _lies_in(place: Sequence[int], index: Sequence[slice | int]) -> bool:
    """Whether an element lies in a part of its array; no index is the whole."""
    return all(
        k == item if isinstance(item, int) else (item.start or 0) <= k < (k + 1 if item.stop is None else item.stop)
        for k, item in zip(place, index, strict=False)
    )


def dims_of(bound: Bound, axes: Sequence[Axis], shape: Sequence[int], name: str) -> tuple[Dim, ...]:
    """The named axes of a variable with their labels; an axis that nothing names gets the variable's name."""
    from mlmdsl.results.fit import Dim

    labels = dict(bound.lowered.model.labels)
    dims = []
    for position, size in enumerate(shape):
        axis = axes[position] if position < len(axes) else None
        known = (
            (axis.labels or labels.get(axis_of(name, position, axis)) or labels.get(axis.name))
            if axis is not None
            else None
        )
        wanted = axis.name if axis is not None else f"{name}_{position + 1}"
        dims.append(Dim(wanted, size, known if known is not None and len(known) == size else None))
    return tuple(dims)
