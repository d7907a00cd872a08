"""A session on disk: written as a run goes, so that a run that was killed can be taken up where it was.

A checkpoint holds everything that decides the draws to come, the state of the random generator included; the resumed
run gives the draws that the uninterrupted one would have given. The file holds tensors and plain numbers only and is
loaded as such.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from torch import Tensor

from mlmdsl.inference.adaptation import StepSizes
from mlmdsl.inference.meeting import Restart
from mlmdsl.inference.metric import Metric
from mlmdsl.inference.session import Session
from mlmdsl.inference.settings import Settings
from mlmdsl.inference.sites import Sites
from mlmdsl.inference.tree import State

FORMAT = 4
SECONDS_BETWEEN = 5.0


def identity(sites: Sites, settings: Settings) -> dict[str, Any]:
    """What must be the same for a run to continue: the settings, the sites, their centring, the number type."""
    latent = [[site.name, list(site.shape)] for site in sites.latent]
    centring = {name: [part.tolist() for part in evidence] for name, evidence in sites.centring.items()}
    return {**asdict(settings), "format": FORMAT, "sites": latent, "centring": centring, "dtype": str(sites.dtype)}


def saver(path: Path, about: dict[str, Any]) -> Callable[[Session], None]:
    """A function that writes the session to `path` if the last time is some seconds ago."""
    last = monotonic()

    def save(session: Session) -> None:
        nonlocal last
        if monotonic() - last >= SECONDS_BETWEEN:
            write_checkpoint(path, session, about)
            last = monotonic()

    return save


def write_checkpoint(path: Path, session: Session, about: dict[str, Any]) -> None:
    """Write beside `path`, then replace it: a run killed while it writes leaves the previous checkpoint whole."""
    content: dict[str, Any] = {field.name: getattr(session, field.name) for field in fields(session)}
    content["state"] = list(session.state)
    content["metric"] = session.metric.factor
    content["steps"] = asdict(session.steps)
    content["restarts"] = [asdict(restart) for restart in session.restarts]
    unfinished = path.with_name(path.name + ".part")
    torch.save({"about": about, "session": content}, unfinished)
    unfinished.replace(path)


def read_centring(path: Path) -> dict[str, Any]:
    """The evidence by which the run that wrote `path` sampled its sites: numbers, nested as the sites have them."""
    about: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)["about"]
    return dict(about.get("centring", {}))


def read_checkpoint(path: Path, about: dict[str, Any], like: Tensor) -> Session:
    """The session in `path`, on the device of `like`. Raises ValueError, naming what differs, for another run's
    checkpoint."""
    content = torch.load(path, map_location=like.device, weights_only=True)
    differing = [name for name, value in about.items() if content["about"].get(name) != value]
    if differing:
        raise ValueError(f"{path} was written by another run: {', '.join(differing)} differ")
    session: dict[str, Any] = content["session"]
    session["state"] = State(*session["state"])
    session["metric"] = Metric(session["metric"])
    host: dict[str, Any] = {
        name: value.cpu() if isinstance(value, Tensor) else value for name, value in session["steps"].items()
    }
    session["steps"], session["done"] = StepSizes(**host), session["done"].cpu()
    session["restarts"] = [Restart(**restart) for restart in session["restarts"]]
    session["generator"] = session["generator"].cpu()
    return Session(**session)
