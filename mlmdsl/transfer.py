"""Draws of a fit for the program of other data: groups are met by label, never by place.

A program numbers the groups of its own table. Another table may lack some of them, or have them in another order, and then
entry 2 of an effect is another group: the fit's labels say which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlmdsl.inference.process import IsolatedRandomness
from mlmdsl.language.errors import DataError, Diagnostic, did_you_mean, listed
from mlmdsl.outputs import Output, Values, dims_of, joined, outputs, place_of
from mlmdsl.recovery import conditioned
from mlmdsl.results.fit import Dim, Fit

if TYPE_CHECKING:
    from torch import Tensor

    from mlmdsl.driver import Bound

_SHOWN = 4


def draws_for(bound: Bound, fit: Fit) -> dict[str, Tensor]:
    """The draws of a fit for each site that the bound program draws, (chain · draw, *shape of the site).

    Missing entries of the new data are left to be drawn.

    Raises:
        DataError: the fit has not the parameter, or not the group, or its shape is another.
    """
    import torch

    with IsolatedRandomness(0):  # shapes are wanted, and no draw of the caller's
        trace = conditioned(bound.program, {})
    drawn = {name: node["value"] for name, node in trace.nodes.items() if _is_drawn(node)}
    parameters = {output.name: output for output in outputs(bound.lowered.model) if output.kind == "parameter"}
    mine = {site: value for site, value in drawn.items() if not _is_own(parameters.get(place_of(site)[0]))}
    shapes = {
        name: each.shape[2:] for name, each in joined({s: v[None, None].numpy() for s, v in mine.items()}).items()
    }
    whole = {name: _matched(bound, fit, parameters.get(name), name, shape) for name, shape in shapes.items()}
    found: dict[str, Tensor] = {}
    for site, like in mine.items():
        array, index = place_of(site)
        values = whole[array if array in whole else site]
        part = values[(slice(None), slice(None), *index)] if array in whole and index else values
        found[site] = torch.as_tensor(np.array(part)).to(like).reshape(-1, *like.shape)
    return found


def _is_drawn(node: Mapping[str, Any]) -> bool:
    kind = type(node.get("fn")).__name__
    return node["type"] == "sample" and not node["is_observed"] and "Subsample" not in kind


def _is_own(output: Output | None) -> bool:
    """Whether a site draws the missing entries of data, which are those of the new table."""
    return output is not None and output.incomplete


def _matched(bound: Bound, fit: Fit, output: Output | None, name: str, shape: Sequence[int]) -> Values:
    """A variable of the fit, its entries in the order of the new labels."""
    named = f"{name}.L" if output is not None and output.is_factor else name
    known = {variable.name: variable for variable in fit.variables}
    if named not in known:
        hint = did_you_mean(named, known) or "it is a fit of another model"
        raise DataError([Diagnostic(f"the fit has no draws of `{named}`", hint=hint)])
    values: Values = np.asarray(fit.values[named])
    new = dims_of(bound, output.axes if output is not None else (), shape, named)
    old = known[named].dims
    if len(old) != len(new):
        raise DataError([Diagnostic(f"`{named}` has {len(old)} dimensions in the fit, and {len(new)} here")])
    for axis, (before, now) in enumerate(zip(old, new, strict=True)):
        values = np.take(values, _places(named, before, now), axis=axis + 2)
    return values


def _places(name: str, before: Dim, now: Dim) -> list[int]:
    """For each entry of a new dimension the place of its label in the fit."""
    if before.labels is None or now.labels is None:
        if before.size != now.size or before.labels != now.labels:
            which = f"{_size(before)} in the fit, and {_size(now)} here"
            raise DataError([Diagnostic(f"`{name}` has {which}: without labels they cannot be met")])
        return list(range(now.size))
    places = {label: place for place, label in enumerate(before.labels)}
    unseen = [label for label in now.labels if label not in places]
    if unseen:
        shown = listed(unseen, _SHOWN, quoted=True)
        hint = "leave their rows out; or fit them too, with a missing outcome"
        raise DataError([Diagnostic(f"the fit has no `{name}` of {shown}", hint=hint)])
    return [places[label] for label in now.labels]


def _size(dim: Dim) -> str:
    return f"{dim.size} {'entries' if dim.labels is None else 'labelled entries'}"
