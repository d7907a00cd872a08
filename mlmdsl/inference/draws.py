"""What a run hands back, and what it reports while it lasts.

These values are shared by both kernels and by everything that reads their results, so they live apart from
either. Nothing here imports torch: a reader of results need not pay for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from numpy.typing import NDArray

Array = NDArray[Any]
Kernel = Literal["vectorized", "pyro"]
Phase = Literal["pilot", "warmup", "sample"]
Severity = Literal["note", "warning", "error"]


class UnsupportedModel(ValueError):
    """The model has no continuous latent site, or has sites that NUTS cannot move: `sites` names them."""

    def __init__(self, message: str, sites: Sequence[str] = ()) -> None:
        self.sites = tuple(sites)
        super().__init__(message)


class Longer(NamedTuple):
    """How many times as long a run should be, and the seconds that more draws may take; judged by counts, not by a clock."""

    times: int
    most_s: float


@dataclass(frozen=True)
class Progress:
    """Where a run stands: `done` of `total` transitions of this phase, all chains together."""

    phase: Phase
    done: int
    total: int
    step_size: float
    divergences: int


ProgressCallback = Callable[[Progress], None]


@dataclass(frozen=True)
class Remark:
    """Something to know of how a run went, beyond what its draws themselves tell.

    `code` is a short name that programs can rely on. An `error` means that the draws are wrong, a `warning` that they cannot
    be relied on as they are, a `note` neither. `parameters` are the names of what it is about, none for the whole run;
    `values` are the figures of each, or of the run.
    """

    code: str
    message: str
    severity: Severity = "note"
    remedy: str = ""
    parameters: tuple[str, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Draws:
    """The draws of one run.

    `samples` holds the latent continuous sites and the `pyro.deterministic` sites, constrained, in the order of the
    model's trace, each of shape (chain, draw, *site shape). `stats` holds (chain, draw) arrays under ArviZ's names:
    acceptance_rate, diverging, energy, lp, n_steps, reached_max_treedepth, step_size, tree_depth (the stock kernel
    gives those of them that it knows). Times are wall-clock seconds; `gradient_evaluations` is a chain's mean, warm-up
    included. `remarks` tell of what happened on the way. One transition of `thin` is kept; the stats of a draw are those of
    all its transitions. `interrupted` tells that the run was stopped and holds fewer draws than were asked for. `centring`
    holds how centred sites were sampled, 0 to 1, for each of their elements.
    """

    samples: Mapping[str, Array]
    stats: Mapping[str, Array]
    warmup_s: float
    sample_s: float
    recover_s: float
    compile_s: float
    gradient_evaluations: float
    kernel: str
    remarks: tuple[Remark, ...]
    interrupted: bool
    chains: int
    draws: int
    tune: int
    thin: int = 1
    centring: Mapping[str, Array] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the remarks say."""
        return tuple(remark.message for remark in self.remarks)
