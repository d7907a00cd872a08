"""What the functions of a tape can reach: the workspace, the arguments, and constants gathered in a few arrays.

A place is an array's name and a number in it, so that statements on different buffers differ in a number alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mlmdsl.inference.native.layout import C_TYPES
from mlmdsl.inference.native.rooms import Rooms
from mlmdsl.inference.native.statements import NUMBER, is_shared

POOLED = 4096
"""Constants of up to this many numbers lie in one array for all of a type."""
_DECLARED = re.compile(r"(.*\*)restrict (\w+) = (.*);")
_WORD = re.compile(r"\b[a-z]\w*")
_WHOLE = re.compile(r"-?\d{1,9}")
_REAL = re.compile(r"-?[\d.]+(e[-+]?\d+)?")


class Memory:
    """The arrays by name. `constants` are what the C function is to be given; `workspace` counts bytes for one lane."""

    def __init__(self, rooms: Rooms, constants: Sequence[Tensor], declarations: Sequence[str]) -> None:
        self.constants: list[Tensor] = []
        self._fields: dict[str, tuple[str, str]] = {}
        self._numbers: dict[str, dict[str, int]] = {"number_int64_t": {}, "number_double": {}}
        self._rooms, self.workspace = rooms.places()
        for dtype, _ in self._rooms.values():
            self._fields[f"own_{C_TYPES[dtype]}"] = f"{C_TYPES[dtype]} *", f"({C_TYPES[dtype]} *)work"
        for line in declarations:
            kind, name, given = _DECLARED.fullmatch(line).groups()  # type: ignore[union-attr]
            if not is_shared(name):
                self._fields[name] = kind, given
        self._begin = self._gathered(constants)

    def _gathered(self, constants: Sequence[Tensor]) -> dict[str, tuple[str, int]]:
        """Of each constant, the array that it is in, and where there it begins."""
        found: dict[str, tuple[str, int]] = {}
        pools: dict[str, list[Tensor]] = {}
        for k, constant in enumerate(constants):
            name = f"k_{C_TYPES[constant.dtype]}" if constant.numel() <= POOLED else f"k{k}"
            pool = pools.setdefault(name, [])
            found[f"k{k}"] = name, sum(each.numel() for each in pool)
            pool.append(constant.reshape(-1))
        for name, pool in pools.items():
            self.add(name, torch.cat(pool))
        return found

    def add(self, name: str, value: Tensor) -> str:
        """One more constant; where the C function finds it."""
        given = f"constant[{len(self.constants)}]"
        self._fields[name] = f"const {C_TYPES[value.dtype]} *", given
        self.constants.append(value)
        return given

    def is_pooled(self, text: str) -> bool:
        """Whether a number can be read from an array; some have a name in C."""
        return _WHOLE.fullmatch(text) is not None or _REAL.fullmatch(text) is not None

    def place(self, pointer: str, offset: str) -> tuple[str, int]:
        """The array and the place in it that a mark means."""
        if pointer == NUMBER:
            array = "number_int64_t" if _WHOLE.fullmatch(offset) else "number_double"
            return array, self._numbers[array].setdefault(offset, len(self._numbers[array]))
        if pointer in self._rooms:
            dtype, start = self._rooms[pointer]
            return f"own_{C_TYPES[dtype]}", start + int(offset)
        array, start = self._begin.get(pointer, (pointer, 0))
        return array, start + int(offset)

    def number(self, array: str, where: int) -> str:
        """The text of a number."""
        return list(self._numbers[array])[where]

    def keep_numbers(self) -> None:
        """The numbers that statements wrote become constants."""
        for array, dtype, kind in (("number_int64_t", torch.int64, int), ("number_double", torch.float64, float)):
            self.add(array, torch.tensor([kind(text) for text in self._numbers[array]], dtype=dtype))

    def reached(self, text: str) -> Iterator[tuple[str, str]]:
        """The arrays that statements name, and their types."""
        words = set(_WORD.findall(text))
        yield from ((name, kind) for name, (kind, _) in self._fields.items() if name in words)

    def declared(self, prefix: str) -> str:
        """The C structure of all arrays."""
        fields = " ".join(f"{kind}{name};" for name, (kind, _) in self._fields.items())
        return f"struct {prefix}_memory {{ {fields} }};"

    @property
    def given(self) -> str:
        """Its initialiser, from a function's arguments."""
        return "{" + ", ".join(given for _, given in self._fields.values()) + "}"
