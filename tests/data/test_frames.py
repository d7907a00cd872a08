"""Whatever a Python program holds binds as what it is, or is refused in words."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import mlmdsl
from mlmdsl.data.frames import given_array, plain_value, to_table
from mlmdsl.language.types import Array

COLUMNS: dict[str, list[Any]] = {"y": [1.5, None, 3.0], "g": ["b", "a", "b"], "n": [1, 2, 3], "t": [True, False, True]}
MODEL = "@model function m(y; k=1)\n    a ~ Normal(0, 1)\n    y .~ Normal(a, k)\nend\n"


class Convertible:
    """A frame that knows no protocol, but how to become a DataFrame."""

    def to_pandas(self) -> pd.DataFrame:
        return pd.DataFrame(COLUMNS)


class Derived(pd.DataFrame):
    """A library's own DataFrame, as geopandas' is."""


def _polars(lazy: bool = False) -> Any:
    return pytest.importorskip("polars").DataFrame(COLUMNS)


def _narwhals() -> Any:
    return pytest.importorskip("narwhals").from_native(_polars())


FRAMES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame(COLUMNS),
    "pandas, nullable": lambda: pd.DataFrame(COLUMNS).convert_dtypes(),
    "derived from pandas": lambda: Derived(COLUMNS),
    "arrow table": lambda: pa.table(COLUMNS),
    "arrow batch": lambda: pa.record_batch(COLUMNS),
    "arrow reader": lambda: pa.table(COLUMNS).to_reader(),
    "polars": _polars,
    "narwhals": _narwhals,
    "convertible": Convertible,
    "mapping": lambda: COLUMNS,
    "mapping of columns": lambda: {name: pa.array(values) for name, values in COLUMNS.items()},
    "mapping of polars": lambda: {name: _polars()[name] for name in COLUMNS},
}


def listed(column: Array) -> list[Any]:
    """The entries, None where missing."""
    values = np.asarray(column.values).tolist()
    gone = [False] * len(values) if column.missing is None else column.missing.tolist()
    return [None if missing else value for value, missing in zip(values, gone, strict=True)]


@pytest.mark.parametrize("kind", FRAMES)
def test_frames(kind: str) -> None:
    table = to_table(FRAMES[kind]())
    assert (table.names, table.rows) == (tuple(COLUMNS), 3)
    assert {name: listed(column) for name, column in table.columns.items()} == COLUMNS
    assert [table.columns[name].values.dtype.kind for name in COLUMNS] == ["f", "O", "i", "b"]


@pytest.mark.parametrize("kind", ["pandas", "arrow table", "polars"])
def test_a_frame_binds(kind: str) -> None:
    spec = mlmdsl.parse(
        "@data begin\n    v = n\nend\n@model function m(v)\n    a ~ Normal(0, 1)\n    v .~ Normal(a, 1)\nend\n"
    )
    bound = spec.bind(FRAMES[kind]())
    assert [argument.kind for argument in bound.arguments] == ["a vector of length 3"]
    assert spec.bind(data=FRAMES[kind]()).fingerprints() == bound.fingerprints()


def test_columns_that_nothing_uses_may_be_odd() -> None:
    """Lists, structures, NaN: as in a file, only what is used is read."""
    frame = {"y": [1.0, 2.0], "odd": [[1], [2, 3]], "bad": [np.nan, 1.0]}
    for data in (pa.table(frame), pd.DataFrame({**frame, "bad": [np.inf, 1.0]})):
        assert mlmdsl.parse(MODEL).bind(data).arguments[0].kind == "a vector of length 2"
    with pytest.raises(mlmdsl.DataError, match="`odd` holds values of type list"):
        to_table(pa.table(frame))


def test_names_that_are_no_text_are_made_text() -> None:
    assert to_table({1: [1.0], "y": [2.0]}).names == ("1", "y")
    assert to_table(pd.DataFrame({1: [1.0], "y": [2.0]})).names == ("1", "y")
    with pytest.raises(mlmdsl.DataError, match="two columns named `1`"):
        to_table({1: [1.0], "1": [2.0]})


@pytest.mark.parametrize(
    "data", [[1, 2], (1.0,), 3, {1, 2}, np.zeros(3), iter([1]), b"y", [{"y": 1.0}], pd.Series([1.0]), pa.array([1])]
)
def test_what_is_no_table(data: Any) -> None:
    with pytest.raises(mlmdsl.DataError, match="a table is needed, not ") as caught:
        mlmdsl.parse(MODEL).bind(data)
    assert "`bind(y=…)`" in str(caught.value)


def test_a_lazy_frame_has_no_rows_yet() -> None:
    with pytest.raises(mlmdsl.DataError, match=r"LazyFrame has no rows yet\n  hint: bind what its `collect\(\)` gives"):
        mlmdsl.parse(MODEL).bind(_polars().lazy())


def test_a_path_of_any_kind(tmp_path: Path) -> None:
    (tmp_path / "y.csv").write_text("y\n1\n2\n")
    for path in (tmp_path / "y.csv", str(tmp_path / "y.csv")):
        assert mlmdsl.parse(MODEL).bind(path).table is not None


# ── single values ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.int64(3), 3), (np.uint8(3), 3), (np.float32(0.5), 0.5), (np.float64(0.5), 0.5), (np.bool_(True), True),
        (np.array(2), 2), (np.array(2.5), 2.5), (np.array(True), True), (np.array("a"), "a"),
        (torch.tensor(2), 2), (torch.tensor(2.5, requires_grad=True), 2.5), (torch.tensor(True), True),
        (Fraction(1, 4), 0.25), (Decimal("0.25"), 0.25), (2**63 - 1, 2**63 - 1), (-(2**63), -(2**63)), (1e30, 1e30),
        (datetime.date(2020, 1, 2), "2020-01-02"), (np.datetime64("2020-01-02"), "2020-01-02"), ("a", "a"), (True, True),
        (None, None), (np.ma.masked, None), (pd.NA, None), (pd.NaT, None), (np.array(None), None),
    ],
)  # fmt: skip
def test_single_values(given: Any, expected: Any) -> None:
    found = plain_value("x", given)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (10**30, r"`x` is a whole number that does not fit in 64 bits\n  hint: give a float, such as 1e30"),
        (-(10**400), "does not fit in 64 bits"),
        (2**63, "does not fit in 64 bits"),
        (Fraction(10**400), "larger than any number of 64 bits"),
        (float("nan"), "`x` is NaN\n  hint: use None where a value is missing"),
        (np.float32("nan"), "`x` is NaN"),
        (np.array(np.nan), "`x` is NaN"),
    ],
)
def test_single_values_that_are_refused(given: Any, message: str) -> None:
    with pytest.raises(mlmdsl.DataError, match=message):
        plain_value("x", given)


@pytest.mark.parametrize(
    "given", [object(), {1, 2}, {"a": 1}, iter([1]), b"x", 1j, [10**30], [[1.0], [2.0, 3.0]], [1, "a"], [1j], lambda: 1]
)
def test_arguments_that_are_nothing_known(given: Any) -> None:
    with pytest.raises(mlmdsl.DataError, match="`y` "):
        mlmdsl.parse(MODEL).bind(y=given)


# ── arrays ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "given",
    [
        [1.0, None], pa.array([1.0, None]), pa.chunked_array([[1.0], [None]]), pd.Series([1.0, None]),
        np.ma.masked_array([1.0, 5.0], [False, True]), [np.float64(1.0), None], [Decimal(1), None], [torch.tensor(1.0), None],
    ],
)  # fmt: skip
def test_columns(given: Any) -> None:
    column = given_array("y", given)
    assert listed(column) == [1.0, None]
    assert column.values.dtype == np.float64


def test_columns_of_polars() -> None:
    polars = pytest.importorskip("polars")
    assert listed(given_array("y", polars.Series([1.0, None]))) == [1.0, None]
    labels = given_array("g", polars.Series(["b", "a", None], dtype=polars.Categorical))
    assert listed(labels) == ["b", "a", None]
    assert listed(given_array("d", polars.Series([datetime.date(2020, 1, 2)]))) == ["2020-01-02"]


@pytest.mark.parametrize("kind", ["pandas", "arrow", "polars"])
def test_a_frame_as_an_argument_is_a_matrix(kind: str) -> None:
    columns = {"a": [1.0, None], "b": [3, 4]}
    frames = {
        "pandas": pd.DataFrame,
        "arrow": pa.table,
        "polars": lambda given: pytest.importorskip("polars").DataFrame(given),
    }
    matrix = given_array("X", frames[kind](columns))
    assert matrix.axes[1].labels == ("a", "b")
    assert matrix.missing is not None
    assert matrix.missing.tolist() == [[False, False], [True, False]]
    assert np.asarray(matrix.values)[~matrix.missing].tolist() == [1.0, 3.0, 4.0]


def test_dates_in_a_list_are_text() -> None:
    assert listed(given_array("d", [datetime.date(2020, 1, 2), None])) == ["2020-01-02", None]


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = ("self", "data", "model", "settings", "arguments")


def test_arguments_named_as_keywords_are() -> None:
    text = (
        f"@model function m({', '.join(NAMES)}, y)\n    a ~ Normal({' + '.join(NAMES)}, 1)\n    y ~ Normal(a, 1)\nend\n"
    )
    values = {name: float(number) for number, name in enumerate(NAMES)}
    bound = mlmdsl.parse(text).bind(arguments=values, y=1.0)
    assert [argument.name for argument in bound.arguments] == [*NAMES, "y"]
    direct = {name: values.pop(name) for name in ("self", "data")}
    assert mlmdsl.parse(text).bind(arguments=values, **direct, y=1.0).fingerprints() == bound.fingerprints()


@pytest.mark.parametrize(
    ("keyword", "what"), [("model", "the name of a model"), ("settings", "a mapping"), ("arguments", "a mapping")]
)
def test_keywords_taken_for_arguments_say_how(keyword: str, what: str) -> None:
    with pytest.raises(mlmdsl.DataError, match=f"the keyword `{keyword}` of `bind` takes {what}") as caught:
        mlmdsl.parse(MODEL).bind(**{"y": [1.0], keyword: [1.0]})  # type: ignore[arg-type]
    assert f'arguments={{"{keyword}": …}}' in str(caught.value)


@pytest.mark.parametrize("given", [{1: 2.0}, {"z": 2.0}])
def test_arguments_that_the_model_has_not(given: Any) -> None:
    with pytest.raises(mlmdsl.DataError, match="has no argument `(1|z)`"):
        mlmdsl.parse(MODEL).bind(y=[1.0], arguments=given)
    with pytest.raises(mlmdsl.DataError, match="has no argument `(1|z)`"):
        mlmdsl.parse(MODEL).bind(y=[1.0], settings=given)
