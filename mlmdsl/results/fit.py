"""What a run leaves behind: the draws, what they are draws of, and how they were made.

A `Fit` is a value. Everything people read from it (table, JSON, netCDF file, ArviZ container, findings) is computed
from its fields by the modules beside this one; those that need slow libraries are imported when they are asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from mlmdsl.results.findings import Finding, diagnose, findings_text, layout
from mlmdsl.results.summary import Row, summarise

if TYPE_CHECKING:
    import pandas as pd

Draws = npt.NDArray[Any]


class FitError(ValueError):
    """A file that holds no fit, or draws that do not fit their description."""


@dataclass(frozen=True)
class Dim:
    """An axis of a variable: its name, its size, and the labels of its entries where the data have any."""

    name: str
    size: int
    labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.labels is not None and len(self.labels) != self.size:
            raise FitError(f"dimension {self.name} has size {self.size} but {len(self.labels)} labels")


@dataclass(frozen=True)
class Variable:
    """A quantity that was drawn, under Turing's name (`αⱼ`, `Ω.L`).

    `lower_triangular`: a matrix whose entries above the diagonal are 0 by construction; summaries leave them out.
    """

    name: str
    dims: tuple[Dim, ...] = ()
    kind: Literal["parameter", "deterministic"] = "parameter"
    lower_triangular: bool = False


@dataclass(frozen=True, eq=False)
class Labelled:
    """An array and its axes: of observed data (*dims), or of draws (chain, draw, *dims)."""

    values: Draws
    dims: tuple[Dim, ...] = ()


@dataclass(frozen=True)
class Run:
    """How the draws were made. `tune` and `draws` are per chain; one transition of `thin` was kept; `timing` is in seconds.

    `timing` has the keys import_s, compile_s, warmup_s, sample_s, recover_s, total_s, as far as they are known.
    `gradient_evaluations` is the mean over chains. `centring` tells of each effect that has it how centred it was
    sampled, from 0 to 1: the mean, the least and the greatest of its elements. `findings` are those of the run itself, which
    its draws do not tell.
    """

    spec: str
    model: str
    seed: int
    chains: int
    draws: int
    tune: int
    kernel: str
    thin: int = 1
    device: str = "cpu"
    dtype: str = "float64"
    marginalized: tuple[str, ...] = ()
    timing: Mapping[str, float] = field(default_factory=dict)
    gradient_evaluations: float | None = None
    divergences: int = 0
    findings: tuple[Finding, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    interrupted: bool = False
    centring: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)

    @property
    def sampling_seconds(self) -> float:
        """Warm-up, sampling and recovery: what `ess_per_sec` divides by."""
        return sum(self.timing.get(part, 0.0) for part in ("warmup_s", "sample_s", "recover_s"))

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON knows them."""
        centring = {name: list(figures) for name, figures in self.centring.items()}
        lists = {"marginalized": list(self.marginalized), "centring": centring}
        return asdict(self) | lists

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Run:
        """The inverse of `to_dict`; keys unknown to this version are left out. KeyError where one is missing, but for
        `centring` and `findings`: fits of old have not these, and messages alone under `warnings`."""
        known = {entry.name: values[entry.name] for entry in fields(cls) if entry.name not in ("centring", "findings")}
        centring = {name: tuple(figures) for name, figures in values.get("centring", {}).items()}
        found = [Finding.from_dict(each) for each in values.get("findings", [])]
        found += [Finding("remark", "note", message) for message in values.get("warnings", [])]
        known["marginalized"] = tuple(known["marginalized"])
        return cls(**known, centring=centring, findings=tuple(found))


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """The draws of a model and everything needed to read them.

    values          variable name → (chain, draw, *dims)
    stats           ArviZ's names (acceptance_rate, diverging, energy, lp, n_steps, …) → (chain, draw); any subset
    observed        name → data (*dims)
    log_likelihood  name → (chain, draw, *dims), of the observed data
    prior, posterior_predictive   name → (chain, draw, *dims), with chains and draws of their own

    Raises FitError where draws have not the shape their description says.
    """

    variables: tuple[Variable, ...]
    values: Mapping[str, Draws]
    run: Run
    stats: Mapping[str, Draws] = field(default_factory=dict)
    observed: Mapping[str, Labelled] = field(default_factory=dict)
    log_likelihood: Mapping[str, Labelled] | None = None
    prior: Mapping[str, Labelled] | None = None
    posterior_predictive: Mapping[str, Labelled] | None = None

    def __post_init__(self) -> None:
        verify_shapes(self)

    def __repr__(self) -> str:
        """What was drawn, and below it what is wrong with it."""
        chains, draws = layout(self)
        heading = f"Fit of {self.run.model} ({self.run.spec}): {chains} × {draws} draws of {len(self.rows)} figures"
        return "\n".join([heading, *([findings_text(self.findings)] if self.findings else [])])

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The summary, a row for each entry of each variable."""
        return summarise(self.variables, self.values, self.run.sampling_seconds)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the diagnostics have to say, the gravest first."""
        return diagnose(self)

    @property
    def ok(self) -> bool:
        """Whether there is nothing to warn of: no finding but notes."""
        return all(finding.severity == "note" for finding in self.findings)

    def summary(self, superchains: int | Sequence[int] | None = None) -> pd.DataFrame:
        """The summary as a DataFrame, a row for each entry, in the order of the variables and, within them, Julia's.

        Columns: parameter (`βⱼ[2,1]`), label (`βⱼ[B,rural]`), mean, std, mcse (of the mean), q5, q95, ess_bulk,
        ess_tail, rhat, ess_per_sec (ess_bulk a second of warm-up, sampling and recovery). With `superchains` (a number
        of groups of chains, or the group of each chain) also nested_rhat. Undefined figures are NaN.
        """
        from mlmdsl.results.summary import to_frame

        return to_frame(self, superchains)

    @cached_property
    def idata(self) -> Any:
        """An ArviZ InferenceData (ArviZ 0.x) or an xarray DataTree (1.x), with named dimensions and coordinates."""
        from mlmdsl.results.arviz_compat import container
        from mlmdsl.results.datasets import build_datasets, root_attributes

        return container(build_datasets(self), root_attributes(self))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a netCDF file that ArviZ opens. The file is there in full or not at all. OSError where that fails."""
        from mlmdsl.results.storage import save

        save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Fit:
        """Read back what `save` wrote. FitError where the file is not there or holds no fit."""
        from mlmdsl.results.storage import load

        return load(path)


def verify_shapes(fit: Fit) -> None:
    """Raise FitError unless each array has the chains, draws and dimensions that its description says."""
    missing = [variable.name for variable in fit.variables if variable.name not in fit.values]
    if missing:
        raise FitError(f"no draws of {', '.join(missing)}")
    shapes = {variable.name: np.shape(fit.values[variable.name])[:2] for variable in fit.variables}
    sample = next(iter(shapes.values()), ())
    for variable in fit.variables:
        _verify_shape(variable.name, fit.values[variable.name], (*sample, *(dim.size for dim in variable.dims)))
    for name, values in fit.stats.items():
        _verify_shape(name, values, sample)
    for name, data in fit.observed.items():
        _verify_shape(name, data.values, tuple(dim.size for dim in data.dims))
    for group in (fit.log_likelihood, fit.prior, fit.posterior_predictive):
        for name, data in (group or {}).items():
            _verify_shape(name, data.values, (*np.shape(data.values)[:2], *(dim.size for dim in data.dims)))


def _verify_shape(name: str, values: Draws, expected: tuple[int, ...]) -> None:
    if np.shape(values) != expected:
        raise FitError(f"{name} has shape {np.shape(values)}, not {expected}")
