"""What was observed, in a fit: the data, and on request the log likelihood and predictive draws of their rows, labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mlmdsl.compiler import ir
from mlmdsl.compiler.values import Tensor
from mlmdsl.language.types import Array, Axis

if TYPE_CHECKING:
    from mlmdsl.driver import Bound, DType
    from mlmdsl.pointwise import Pointwise, Rows
    from mlmdsl.results.findings import Finding
    from mlmdsl.results.fit import Dim, Fit, Labelled

Values = npt.NDArray[np.float64]


def rows_of(
    bound: Bound,
    samples: Mapping[str, Values],
    seed: int,
    dtype: DType,
    device: str,
    log_likelihood: bool,
    predictive: bool,
) -> Pointwise | None:
    """The log likelihood and the predictive draws of the observed rows, where they are wanted."""
    if not log_likelihood and not predictive:
        return None
    import torch

    from mlmdsl.pointwise import pointwise

    like = torch.zeros((), dtype=getattr(torch, dtype), device=device)
    data = bound.observed_tensors(dtype, device)
    return pointwise(bound.compiled(dtype, device), data, samples, like, seed, log_likelihood, predictive)


def observed_data(bound: Bound) -> dict[str, Labelled]:
    """The data that were observed, with their axes."""
    from mlmdsl.results.fit import Labelled

    found: dict[str, Labelled] = {}
    for node in ir.statements(bound.lowered.model.body):
        if not isinstance(node, ir.Sample) or node.observed is None:
            continue
        value: Any = bound.bound.values.get(node.target)
        known = value.known if isinstance(value, Tensor) else None
        if isinstance(known, Array) and known.values.dtype != object:
            found[node.target] = Labelled(known.values, _observed_dims(node.target, known.axes, known.values.shape))
    return found


def _observed_dims(name: str, axes: Sequence[Axis], shape: Sequence[int]) -> tuple[Dim, ...]:
    """The dimensions of data under their axes' names."""
    from mlmdsl.results.fit import Dim

    names = [axes[k].name if k < len(axes) else "" for k in range(len(shape))]
    return tuple(Dim(own or f"{name}_{k + 1}", size) for k, (own, size) in enumerate(zip(names, shape, strict=True)))


def with_rows(bound: Bound, fit: Fit, rows: Pointwise) -> Fit:
    """A fit with the log likelihood and the predictive draws of its rows.

    A log likelihood has its rows only: where some entries of the data are missing or not observed, it is a vector of the
    others, labelled with their index, so that `arviz.loo` can take it. Predictive draws have the shape of the data.
    """
    likelihood = {name: _labelled(bound, name, found, True) for name, found in rows.log_likelihood.items()}
    predictive = {name: _labelled(bound, name, found, False) for name, found in rows.predictive.items()}
    run = replace(fit.run, findings=(*fit.run.findings, *(_without_rows(name) for name in rows.incomplete)))
    return replace(fit, run=run, log_likelihood=likelihood or None, posterior_predictive=predictive or None)


def _without_rows(name: str) -> Finding:
    from mlmdsl.results.findings import Finding

    message = f"log_likelihood has no row for a vector of `{name}` with missing entries: it has no density of its own"
    return Finding("no_density", "note", message, parameters=(name,))


def _labelled(bound: Bound, name: str, rows: Rows, complete: bool) -> Labelled:
    """Results under the axes of the data; `complete` leaves out what is not observed."""
    from mlmdsl.results.fit import Dim, Labelled

    if complete and not rows.observed.all():
        labels = tuple(",".join(str(k + 1) for k in place) for place in np.argwhere(rows.observed).tolist())
        return Labelled(rows.values[:, :, rows.observed], (Dim(f"{name}_observed", len(labels), labels),))
    value: Any = bound.bound.values.get(name)
    known = value.known.axes if isinstance(value, Tensor) and isinstance(value.known, Array) else ()
    axes = [known[axis] for axis in rows.axes] if known else []
    return Labelled(rows.values, _observed_dims(name, axes, rows.values.shape[2:]))
