"""The type of a column of text from what its pieces hold: that of one look at all of it, however it was cut.

Whole numbers are never rounded: past 64 bits they are text, and so is a column with decimals that holds a whole number
which no float is.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

EXACT = 2.0**53
"""Above this not every whole number is a float."""


class Holds(Enum):
    """What some cells of a column are."""

    BITS = auto()  # 0 or 1, which may be truths
    TRUTHS = auto()
    WHOLE = auto()
    PAST_64_BITS = auto()
    REAL = auto()
    INEXACT = auto()  # a whole number that no float is
    TEXT = auto()


def held(kind: pa.DataType, column: pa.ChunkedArray, cells: pa.Array) -> set[Holds]:
    """What a piece holds, as Arrow reads it and as it is written."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_null(kind):
        return set()
    if kind == pa.bool_():
        return {Holds.TRUTHS}
    if kind == pa.float64():
        whole = compute.match_substring_regex(cells, r"^\s*[+-]?[0-9]+\s*$")
        numbers = Holds.PAST_64_BITS if compute.all(whole).as_py() else Holds.REAL
        return {numbers, *_inexact(column, cells, whole)}
    if kind != pa.int64():
        return {Holds.TEXT}
    if compute.all(compute.is_in(column, pa.array([0, 1, None]))).as_py():
        return {Holds.BITS}
    return {Holds.WHOLE, *_inexact(column, cells)}


def _inexact(column: Any, cells: pa.Array, whole: Any = True) -> set[Holds]:
    import pyarrow as pa
    from pyarrow import compute

    numbers = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    limit = pa.scalar(int(EXACT), numbers.type)
    large = compute.or_(compute.greater_equal(numbers, limit), compute.less_equal(numbers, compute.negate(limit)))
    texts = compute.filter(cells, compute.and_(large, whole)).to_pylist()
    return {Holds.INEXACT} if any(int(float(text)) != int(text) for text in texts if text) else set()


def type_of(found: Collection[Holds]) -> pa.DataType:
    """The type of a column that holds these."""
    import pyarrow as pa

    kinds = set(found) - {Holds.INEXACT}
    if not kinds:
        return pa.null()
    if kinds <= {Holds.BITS, Holds.TRUTHS}:
        return pa.bool_() if Holds.TRUTHS in kinds else pa.int64()
    if kinds & {Holds.TEXT, Holds.TRUTHS}:
        return pa.string()
    if Holds.REAL in kinds:
        return pa.string() if Holds.INEXACT in found else pa.float64()
    return pa.string() if Holds.PAST_64_BITS in kinds else pa.int64()


def may_be_rounded(column: pa.Array) -> bool:
    """Whether a column that was read as floats holds what may be a whole number that no float is."""
    import pyarrow as pa
    from pyarrow import compute

    if column.type != pa.float64() or len(column) == column.null_count:
        return False
    ends = compute.min_max(column).as_py()
    return bool(max(abs(ends["min"]), abs(ends["max"])) >= EXACT)
