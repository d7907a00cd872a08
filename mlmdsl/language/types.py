"""What a value is made of: labelled axes, and arrays of data along them.

An `Axis` is a dimension with a name and, where it comes from data, labels; labels reach the output because the axis is
passed along. An `Array` is data as the author sees them: NumPy values in Julia's orientation (first axis = rows) and
Julia's indices (`levels` gives 1-based codes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

ANONYMOUS = ""
"""The name of an axis that nothing has named, as that of `ones(3)`."""


@dataclass(frozen=True)
class Axis:
    """A dimension: its name, its size (a number, or the text of one not known before data are bound), its labels.

    `nominal`: the order of the labels means nothing: they are texts, sorted since nobody gave them an order.
    `is_levels`: the labels are levels of a column, not names of columns.
    `dropped`: the level that `dummies` left out. `apart`: these are levels of a matrix whose columns have levels of
    their own, or none.
    """

    name: str
    size: int | str
    labels: tuple[str, ...] | None = None
    nominal: bool = field(default=False, compare=False)
    dropped: str | None = field(default=None, compare=False)
    apart: tuple[Axis | None, ...] = field(default=(), compare=False)
    is_levels: bool = field(default=False, compare=False)


@dataclass(frozen=True, eq=False)
class Array:
    """Data along axes. `values` is float64, int64, bool or object (text); never a 0-d array: scalars are Python's own.

    `levels`: the values are 1-based codes of that axis (what `levels(column)` gives).
    `missing`: a mask of the entries that are missing (there `values` holds NaN, 0, False or ""), or None where none is.
    `name`: the column that the values are, for labels; None where they were computed.
    `categories`: the order of the levels of a text column that came with one; None where levels sort.
    `odd`: of a text column that is no column of numbers since some cells are none: which, and what to do about them.
    `adjoint`: a 1×n array that is the `x'` of a vector: `x' * y` is then a number, as in Julia.
    """

    values: npt.NDArray[np.generic]
    axes: tuple[Axis, ...]
    levels: Axis | None = None
    missing: npt.NDArray[np.bool_] | None = None
    name: str | None = None
    categories: tuple[str, ...] | None = None
    adjoint: bool = False
    odd: tuple[str, str] | None = None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.values.ndim


class Extent(int):
    """A whole number that is the size of a named axis, as `size(X, 2)` or `length(unique(idx))` is."""

    axis: Axis

    def __new__(cls, axis: Axis, size: int) -> Extent:
        """The number `size`, which remembers its axis."""
        extent = super().__new__(cls, size)
        extent.axis = axis
        return extent

    def __getnewargs__(self) -> tuple[Axis, int]:  # type: ignore[override]
        """What a copy or a pickle is made of."""
        return self.axis, int(self)


class Symbol(str):
    """A symbol, `:last`; elsewhere it is its text."""

    __slots__ = ()


class Missing(Enum):
    """Julia's `missing`, as a scalar."""

    MISSING = "missing"


class NumberType(Enum):
    """A type that is an argument: `Int` in `zeros(Int, 3)` and `round(Int, x)`."""

    INT = "Int"
    FLOAT = "Float64"
    BOOL = "Bool"


MISSING = Missing.MISSING
"""The one `missing`."""

Scalar = int | float | bool | str
"""A data scalar, as Python's own."""

Value: TypeAlias = "Scalar | Array | Missing | NumberType | slice | None | tuple[Value, ...]"
"""What a data expression can be. None is `nothing`; `slice(None)` is `:`; a symbol is its text."""
