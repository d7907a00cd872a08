"""A session on disk: written as a run goes, so that a run that was killed can be taken up where it was.

A checkpoint holds everything that decides the draws to come, the state of the random generator included; the resumed
run gives the draws that the uninterrupted one would have given. The file holds tensors and plain numbers only and is
loaded as such.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import Tensor

from mlmdsl.files import written_beside
from mlmdsl.inference.adaptation import StepSizes
from mlmdsl.inference.draws import Remark
from mlmdsl.inference.meeting import Restart
from mlmdsl.inference.metric import Metric
from mlmdsl.inference.session import Session
from mlmdsl.inference.settings import Settings
from mlmdsl.inference.sites import Sites
from mlmdsl.inference.tree import COLUMNS, Noise, State, start, tables

FORMAT = 4
SECONDS_BETWEEN = 5.0


def identity(sites: Sites, settings: Settings, origin: Mapping[str, str]) -> dict[str, Any]:
    """What must be the same for a run to continue: where its density comes from, the settings, the sites, their centring, the
    number type. `origin` names what made the model, each with its fingerprint; the density itself at a point is one too."""
    latent = [[site.name, list(site.shape)] for site in sites.latent]
    centring = {name: [part.tolist() for part in evidence] for name, evidence in sites.centring.items()}
    return {
        **asdict(settings),
        "format": FORMAT,
        "origin": dict(origin),
        "sites": latent,
        "centring": centring,
        "dtype": str(sites.dtype),
        "density": _density(sites),
    }


def _density(sites: Sites) -> float:
    """log π at a point that no symmetry of a model favours."""
    point = torch.arange(1, sites.dim + 1, dtype=sites.dtype, device=sites.device).mul(math.sqrt(2)).remainder(1) - 0.5
    with torch.no_grad():
        return float(sites.log_density(point))


class Keeper:
    """Writes the session of a run to a file: at each call if the last time is some seconds ago.

    A file that cannot be written ends no run: it is warned of when it begins, and remarked on if it is so at the end.
    """

    def __init__(self, path: Path, about: Mapping[str, Any]) -> None:
        self.path, self.about = path, dict(about)
        self.last = monotonic()
        self.fault: str | None = None

    def __call__(self, session: Session) -> None:
        if monotonic() - self.last >= SECONDS_BETWEEN:
            self.write(session)

    def write(self, session: Session) -> None:
        """Write it now."""
        try:
            write_checkpoint(self.path, session, self.about)
        except OSError as error:
            fault = error.strerror or str(error)
            if fault != self.fault:
                warnings.warn(f"{self._unwritten(fault)}; the run goes on", stacklevel=2)
            self.fault = fault
        else:
            self.fault = None
        self.last = monotonic()

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What there is to say at the end of the run."""
        if self.fault is None:
            return ()
        return (Remark("no_checkpoint", self._unwritten(self.fault), remedy="make room, or name another --checkpoint"),)

    def _unwritten(self, fault: str) -> str:
        return f"the checkpoint {self.path} could not be written: {fault}"


def write_checkpoint(path: Path, session: Session, about: Mapping[str, Any]) -> None:
    """Write a checkpoint, in full or not at all. OSError where that fails."""
    content: dict[str, Any] = {field.name: getattr(session, field.name) for field in fields(session)}
    content["state"] = list(session.state)
    content["metric"] = session.metric.factor
    content["steps"] = asdict(session.steps)
    content["restarts"] = [asdict(restart) for restart in session.restarts]
    whole = io.BytesIO()  # torch writing to a full disk itself raises what is no OSError
    torch.save({"about": dict(about), "session": content}, whole)
    with written_beside(path) as beside:
        beside.write_bytes(whole.getbuffer())


def read_about(path: Path) -> dict[str, Any]:
    """What a checkpoint says of its run: `identity`. ValueError where the file is none."""
    return _read(path, "cpu")[0]


def verify_origin(path: Path, origin: Mapping[str, str]) -> None:
    """Raise ValueError, naming what differs, for a checkpoint of another model or of other data."""
    known: Mapping[str, str] = read_about(path).get("origin", {})
    differing = [name for name in {**known, **origin} if known.get(name) != origin.get(name)]
    if differing:
        raise _of_another_run(path, differing)


def read_checkpoint(path: Path, about: Mapping[str, Any], like: Tensor) -> Session:
    """The session in `path`, on the device of `like`. Raises ValueError, naming what differs, for another run's
    checkpoint, and for a damaged one."""
    known, session = _read(path, like.device)
    differing = [name for name, value in about.items() if not _agrees(name, value, known.get(name))]
    if differing:  # of the density only where nothing tells why
        raise _of_another_run(path, [name for name in differing if name != "density"] or differing)
    try:
        restored = _restored(session)
        _verify_shapes(restored, about, like)
    except (KeyError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        raise ValueError(f"{path} is a damaged checkpoint: {error}") from error
    return restored


def _of_another_run(path: Path, differing: list[str]) -> ValueError:
    verb = "differs" if len(differing) == 1 else "differ"
    return ValueError(f"{path} was written by another run: {', '.join(differing)} {verb}")


def _read(path: Path, device: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        return dict(content["about"]), dict(content["session"])
    except Exception:  # torch has a different one for each way in which a file can be something else
        raise ValueError(f"{path}: this is no checkpoint of mlmdsl") from None


def _agrees(name: str, value: Any, known: Any) -> bool:
    """Whether two runs have the same of something; a density may round otherwise on another machine."""
    if name == "density" and isinstance(known, float):
        return math.isclose(value, known, rel_tol=1e-6, abs_tol=1e-6) or (math.isnan(value) and math.isnan(known))
    return bool(known == value)


def _restored(session: dict[str, Any]) -> Session:
    steps: dict[str, Any] = {
        name: value.cpu() if isinstance(value, Tensor) else value for name, value in session["steps"].items()
    }
    restored: dict[str, Any] = {
        "state": State(*session["state"]),
        "metric": Metric(session["metric"]),
        "steps": StepSizes(**steps),
        "done": session["done"].cpu(),
        "behind": session["behind"].cpu(),
        "restarts": [Restart(**restart) for restart in session["restarts"]],
        "generator": session["generator"].cpu(),
    }
    return Session(**{**session, **restored})


def _verify_shapes(session: Session, about: Mapping[str, Any], like: Tensor) -> None:
    """Raise TypeError unless all tensors are what compiled code takes them for: it looks at their addresses alone."""
    chains, dim = about["chains"], sum(math.prod(shape) for _, shape in about["sites"])
    zeros, vector = like.new_zeros(chains, dim), like.new_zeros(chains)
    noise = Noise(zeros, like.new_zeros(2, chains), like.new_ones(chains, 1))
    expected = start(zeros, zeros, vector, tables(about["max_depth"], like.device), like.new_ones(chains), noise)
    pairs = list(zip(session.state, expected, strict=True))
    pairs += [(session.counts, like.new_zeros(chains, dtype=torch.int64))]
    pairs += [(session.kept, like.new_zeros(chains, session.kept.shape[1], len(COLUMNS) + dim))]
    for found, wanted in pairs:
        if found.shape != wanted.shape or found.dtype != wanted.dtype:
            raise TypeError(f"{found.dtype} {tuple(found.shape)} in place of {wanted.dtype} {tuple(wanted.shape)}")
    factor = session.metric.factor
    if factor.shape not in ((dim,), (dim, dim)) or factor.dtype != like.dtype:
        raise TypeError(f"a metric of {factor.dtype} {tuple(factor.shape)} for {dim} dimensions")
    leaves, sizes = session.state.leaf, session.state.size
    most = 1 << about["max_depth"]
    if not (
        0 <= int(leaves.min()) <= int(leaves.max()) < max(1, most // 2)
        and 1 <= int(sizes.min()) <= int(sizes.max()) <= most
    ):
        raise TypeError("a tree of a size that it cannot have")
