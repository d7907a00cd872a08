"""What a program being written knows: its names, their sizes and ranges; and the text so far."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Vector:
    """A vector by name: its size, its elements (real, int, bool), the range of integers, whether the program made it."""

    name: str
    size: int
    element: str = "real"
    low: int = 0
    high: int = 0
    own: bool = False


@dataclass(frozen=True)
class Matrix:
    """A matrix of reals by name."""

    name: str
    rows: int
    columns: int
    own: bool = False


@dataclass(frozen=True)
class Integer:
    """An integer expression and its range."""

    text: str
    low: int
    high: int


@dataclass(frozen=True)
class Helper:
    """A function of the author's: its name, and what it takes: `real` or `vector` each."""

    name: str
    takes: tuple[str, ...]


@dataclass
class Names:
    """The names in scope."""

    reals: list[str] = field(default_factory=list)
    own_reals: list[str] = field(default_factory=list)
    integers: list[Integer] = field(default_factory=list)
    counters: list[str] = field(default_factory=list)
    vectors: list[Vector] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    helpers: list[Helper] = field(default_factory=list)
    loops: int = 0

    def inner(self) -> Names:
        """A scope inside this one."""
        return Names(*[list(part) if isinstance(part, list) else part for part in vars(self).values()])


@dataclass
class Writer:
    """A program being written: its random numbers, names in use, data, values of parameters, and lines."""

    random: random.Random
    arguments: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    observed: set[str] = field(default_factory=set)
    depth: int = 1
    sizes: tuple[int, ...] = (3, 4)
    wild: float = 0.03

    def fresh(self, *stems: str) -> str:
        """A name that nothing has yet."""
        stem = self.random.choice(stems)
        name, number = stem, 1
        while name in self.used:
            number += 1
            name = f"{stem}{number}"
        self.used.add(name)
        return name

    def line(self, text: str) -> None:
        """Write a line at the present depth."""
        self.lines.append("    " * self.depth + text)

    def chance(self, probability: float) -> bool:
        """Whether something of this probability happens."""
        return self.random.random() < probability

    def pick(self, options: list[Any]) -> Any:
        """One of these."""
        return self.random.choice(options)

    def first_of(self, choices: dict[Callable[[], Any], float]) -> Any:
        """What a choice, by weight, gives; one that gives None cannot, and another is taken."""
        left = dict(choices)
        while left:
            chosen = self.random.choices(list(left), weights=list(left.values()))[0]
            result = chosen()
            if result is not None:
                return result
            del left[chosen]
        return None
