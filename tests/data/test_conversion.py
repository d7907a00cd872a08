"""What callers pass, as arrays: kinds, missing entries, labels, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from mlmdsl.data.conversion import from_arrow, to_array
from mlmdsl.language.errors import DataError
from mlmdsl.language.types import MISSING, Array, Axis

NAN = float("nan")


@pytest.mark.parametrize(
    ("given", "dtype", "values", "missing"),
    [
        ([1, 2], np.int64, [1, 2], None),
        ((1, 2.5), np.float64, [1.0, 2.5], None),
        ([True, False], np.bool_, [True, False], None),
        (["a", "b"], object, ["a", "b"], None),
        ([1, None], np.int64, [1, 0], [False, True]),
        ([1.5, MISSING], np.float64, [1.5, NAN], [False, True]),
        ([None, "a"], object, ["", "a"], [True, False]),
        ([None, True], np.bool_, [False, True], [True, False]),
        ([None, None], np.float64, [NAN, NAN], [True, True]),
        ([np.float32(0.5), 2], np.float64, [0.5, 2.0], None),
        (np.array([1, 2], dtype=np.uint8), np.int64, [1, 2], None),
        (np.array([0.5], dtype=np.float32), np.float64, [0.5], None),
        (np.array(["a", "b"]), object, ["a", "b"], None),
        (np.array(["2020-01-31"], dtype="M8[D]"), object, ["2020-01-31"], None),
        (np.ma.array([1, 2], mask=[True, False]), np.int64, [0, 2], [True, False]),
        (np.array([[1, 2], [3, 4]]), np.int64, [[1, 2], [3, 4]], None),
        ([[1, None], [3, 4]], np.int64, [[1, 0], [3, 4]], [[False, True], [False, False]]),
        (torch.tensor([1.0, 2.0], requires_grad=True), np.float64, [1.0, 2.0], None),
        (pd.Series([1.0, NAN]), np.float64, [1.0, NAN], [False, True]),
        (pd.Series([1, None], dtype="Int64"), np.int64, [1, 0], [False, True]),
        (pd.Series(["a", None]), object, ["a", ""], [False, True]),
        (pd.Series([1.0, NAN], dtype="float64[pyarrow]"), np.float64, [1.0, NAN], [False, True]),
        (pd.Index([3, 4]), np.int64, [3, 4], None),
    ],
)
def test_kinds(given: Any, dtype: Any, values: Any, missing: Any) -> None:
    array = to_array("x", given)
    assert array.values.dtype == dtype
    assert np.array_equal(array.values, np.array(values, dtype=dtype), equal_nan=dtype == np.float64)
    assert (None if array.missing is None else array.missing.tolist()) == missing
    assert array.axes[0] == Axis("row", len(values))
    assert array.name == "x"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([1.0, NAN], "column `x` holds NaN in row 2"),
        ([float("inf"), 1.0, -float("inf")], "column `x` holds Inf in row 1, and 1 more"),
        (np.array([[1.0, 2.0], [3.0, -np.inf]]), "holds -Inf in row 2"),
        (pd.Series([1.0, np.inf]), "holds Inf in row 2"),
        ([1, "a"], "throughout: found int, str"),
        ([1, True], "throughout: found bool, int"),
        ([[1], [1, 2]], "throughout: found list"),
        ([object()], "found object"),
        (pd.Series([1, "a"]), "`x`: "),
        (3, "is a single value"),
        ([2**63], "does not fit in 64 bits"),
        ([2**80], "does not fit in 64 bits"),
        (np.array([1j]), "values of type complex128"),
        (np.array([1], dtype="m8[s]"), "values of type timedelta64"),
    ],
)
def test_refused(given: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        to_array("x", given)
    assert words in str(caught.value)


def test_an_array_is_taken_as_it_is() -> None:
    array = Array(np.ones(2), (Axis("k", 2, ("A", "B")),))
    assert to_array("x", array) is array


def test_a_frame_labels_its_columns() -> None:
    array = to_array("X", pd.DataFrame({"age": [1.0], "income": [2.0]}))
    assert array.axes == (Axis("row", 1), Axis("", 2, ("age", "income")))


def test_an_ordered_categorical_keeps_its_order() -> None:
    ordered = pd.Categorical(["low", "high", None], ["low", "mid", "high"], ordered=True)
    array = to_array("x", pd.Series(ordered))
    assert array.categories == ("low", "mid", "high")
    assert array.values.tolist() == ["low", "high", ""]
    assert to_array("x", pd.Series(pd.Categorical([3, 1]))).values.tolist() == [3, 1]


def test_values_are_a_copy_that_nobody_writes_to() -> None:
    given = np.array([1.0, 2.0])
    array = to_array("x", given)
    given[0] = 9.0
    assert array.values[0] == 1.0
    assert not array.values.flags.writeable


def test_names_are_nfc() -> None:
    assert to_array("e\u0301", [1]).name == "é"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([9, 7, None, 3, 1], pa.int16()),
        ([9, 7, None, 3, 2**62], pa.uint64()),
        ([0.5, 7.0, None, 3.0, -1.0], pa.float32()),
        ([True, False, None, True, False], pa.bool_()),
        (["a", "b", None, "a", "c"], pa.string()),
        (["a", "b", None, "a", "c"], pa.dictionary(pa.int8(), pa.string())),
    ],
    ids=str,
)
def test_arrow_columns_in_parts(values: list[Any], kind: pa.DataType) -> None:
    """Pieces that begin inside their memory, one of them empty; what lies under a null is nobody's."""
    whole = pa.array(values, kind)
    pieces = [whole.slice(1, 2), whole.slice(0, 0), whole.slice(3)]
    column = from_arrow("x", pa.chunked_array(pieces))
    assert column.missing is not None and column.missing.tolist() == [False, True, False, False]
    assert np.asarray(column.values)[~column.missing].tolist() == [v for v in values[1:] if v is not None]


def test_whole_decimals_are_whole_numbers() -> None:
    from decimal import Decimal

    import pyarrow as pa

    column = from_arrow("id", pa.chunked_array([pa.array([Decimal(2**53 + 1), None], pa.decimal128(30, 0))]))
    assert column.values.dtype == np.int64
    assert column.values.tolist() == [2**53 + 1, 0]
    with pytest.raises(DataError, match="`id` holds a whole number that does not fit in 64 bits"):
        from_arrow("id", pa.chunked_array([pa.array([Decimal(2**70)], pa.decimal128(30, 0))]))
