"""What a hard model is: its text, its data, its parameters, and its log density written by hand in NumPy and SciPy.

The hand-written density is what makes the comparison honest: tests/test_hard_models.py holds the compiled text against
it, and the benchmark holds the peers' forms against it before it runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Data = Mapping[str, Any]
Point = Mapping[str, Any]
Kind = Literal["real", "positive", "unit", "ordered"]

SPECS = Path(__file__).parent / "specs"


class Site(NamedTuple):
    """A parameter: where its values lie, its shape, and a place around which test points are drawn, `spread` apart."""

    kind: Kind = "real"
    shape: tuple[int, ...] = ()
    around: float = 0.0
    spread: float = 0.5

    def draw(self, rng: np.random.Generator) -> Array:
        """A value of that kind: exp(normal) where positive, a share of 0.15 to 0.45 within the unit interval."""
        z = rng.normal(self.around, self.spread, self.shape)
        if self.kind == "unit":
            z = rng.uniform(0.15, 0.45, self.shape)
        elif self.kind == "positive":
            z = np.exp(z)
        return np.sort(z) if self.kind == "ordered" else np.asarray(z)


class HardModel(NamedTuple):
    """A model of the list. `data` is simulated at every call, from a seed of its own.

    `entrywise`: the vectors of which each entry is a site of its own, `h[1]`, `h[2]`, …
    """

    name: str
    about: str
    data: Callable[[], dict[str, Any]]
    sites: Mapping[str, Site]
    log_density: Callable[[Data, Point], float]
    entrywise: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The spec."""
        return (SPECS / f"{self.name}.mlm").read_text(encoding="utf-8")

    def points(self, count: int) -> list[dict[str, Array]]:
        """Values of all parameters, the same at every call."""
        rng = np.random.default_rng(1)
        return [{name: site.draw(rng) for name, site in self.sites.items()} for _ in range(count)]

    def by_site(self, point: Point) -> dict[str, Array]:
        """The values by the names that the compiled text has for them."""
        whole = {name: value for name, value in point.items() if name not in self.entrywise}
        return whole | {f"{name}[{i}]": entry for name in self.entrywise for i, entry in enumerate(point[name], 1)}
