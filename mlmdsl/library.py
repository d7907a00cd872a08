"""The specs that come with the package."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import NamedTuple


class Shipped(NamedTuple):
    """A spec that comes with the package."""

    name: str
    title: str
    path: Path


def shipped() -> tuple[Shipped, ...]:
    """The shipped specs, by name."""
    root = specs_folder()
    found = []
    for path in sorted(root.glob("*/*.mlm")):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        found.append(Shipped(f"{path.parent.name}/{path.stem}", first.lstrip("# ").strip(), path))
    return tuple(found)


def specs_folder() -> Path:
    """Where the shipped specs lie: in an installed package, or beside the package in a checkout."""
    try:
        return Path(str(resources.files("mlmdsl.specs")))
    except ModuleNotFoundError:
        return Path(__file__).parent.parent / "specs"
