"""Draws → one row of figures for each entry of each variable, named as Turing names them and as the data do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mlmdsl.results.diagnostics import nested_rhat, statistics

if TYPE_CHECKING:
    import pandas as pd

    from mlmdsl.results.fit import Dim, Fit, Variable


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one entry. Undefined ones are NaN: all but mean, std and quantiles of a constant."""

    parameter: str
    label: str
    mean: float
    std: float
    mcse: float
    q5: float
    q95: float
    ess_bulk: float
    ess_tail: float
    rhat: float
    ess_per_sec: float


COLUMNS = tuple(entry.name for entry in fields(Row))
"""The columns of a summary, in order."""


class Entry(NamedTuple):
    """A number within a variable: Turing's 1-based name (`βⱼ[2,1]`), the data's (`βⱼ[B,rural]`), its 0-based place."""

    parameter: str
    label: str
    position: tuple[int, ...]


def entries(variable: Variable) -> Iterator[Entry]:
    """The entries of a variable in Julia's order, the first index fastest; of a triangular one, those with i ≥ j."""
    for backwards in np.ndindex(*(dim.size for dim in reversed(variable.dims))):
        index = backwards[::-1]
        if variable.lower_triangular and index[0] < index[1]:
            continue
        numbers = [str(i + 1) for i in index]
        labels = [_label(dim, i) for dim, i in zip(variable.dims, index, strict=True)]
        yield Entry(_subscripted(variable.name, numbers), _subscripted(variable.name, labels), index)


def listed_draws(variable: Variable, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The draws of a variable's `entries`, in their order: (chain, draw, *dims) → (chain, draw, P)."""
    axes = (0, 1, *range(values.ndim - 1, 1, -1))
    count = int(np.prod(values.shape[2:]))
    draws = values.transpose(axes).reshape(*values.shape[:2], count).astype(np.float64, copy=False)
    if not variable.lower_triangular:
        return draws
    row, column, *_ = np.indices(values.shape[2:])
    return draws[:, :, (row >= column).ravel(order="F")]


def summarise(variables: Sequence[Variable], values: Mapping[str, npt.NDArray[Any]], seconds: float) -> tuple[Row, ...]:
    """A row for each entry of each variable; `seconds` is what `ess_per_sec` divides by (NaN where it is 0)."""
    if not variables:
        return ()
    named = [entry for variable in variables for entry in entries(variable)]
    figures = statistics(_all_draws(variables, values))
    per_second = figures.ess_bulk / seconds if seconds > 0 else np.full(len(named), np.nan)
    columns = [figure.tolist() for figure in (*figures, per_second)]
    return tuple(Row(entry.parameter, entry.label, *row) for entry, *row in zip(named, *columns, strict=True))


def to_frame(fit: Fit, superchains: int | Sequence[int] | None = None) -> pd.DataFrame:
    """The rows of a fit as a DataFrame; with `superchains` also their nested R-hat."""
    import pandas as pd

    frame = pd.DataFrame({name: [getattr(row, name) for row in fit.rows] for name in COLUMNS})
    if superchains is not None:
        frame["nested_rhat"] = nested_rhat(_all_draws(fit.variables, fit.values), superchains)
    return frame


def _all_draws(variables: Sequence[Variable], values: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
    return np.concatenate([listed_draws(variable, values[variable.name]) for variable in variables], axis=2)


def _label(dim: Dim, position: int) -> str:
    return str(position + 1) if dim.labels is None else dim.labels[position]


def _subscripted(name: str, subscripts: Sequence[str]) -> str:
    return f"{name}[{','.join(subscripts)}]" if subscripts else name
