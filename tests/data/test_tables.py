"""Tables from files, DataFrames and mappings: columns, missing entries, summaries, and bad tables."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlmdsl.data.tables import ColumnSummary, Table, read_table
from mlmdsl.language.errors import DataError
from mlmdsl.language.types import Array, Axis

MIXED = """id,score,cheese,day,clock,ok,note
1,1.5,A,2020-01-31,10:00,true,""
NA,,null,2020-02-01T09:30,11:00,false,"two
lines"
"""


def entries(column: Array) -> list[Any]:
    """The entries of a column, None where missing."""
    values = column.values.tolist()
    return values if column.missing is None else [None if m else v for v, m in zip(values, column.missing, strict=True)]


def written(folder: Path, content: str | bytes, name: str = "t.csv") -> Table:
    """The table that a file with this content is."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(name, folder)


def test_a_table_of_every_kind(tmp_path: Path) -> None:
    table = written(tmp_path, MIXED)
    assert table.rows == 2
    assert table.name == "t.csv"
    assert {name: entries(column) for name, column in table.columns.items()} == {
        "id": [1, None],
        "score": [1.5, None],
        "cheese": ["A", None],
        "day": ["2020-01-31", "2020-02-01T09:30"],
        "clock": ["10:00", "11:00"],
        "ok": [True, False],
        "note": ["", "two\nlines"],
    }
    kinds = [column.values.dtype.kind for column in table.columns.values()]
    assert kinds == ["i", "f", "O", "O", "O", "b", "O"]
    for name, column in table.columns.items():
        assert (column.name, column.axes) == (name, (Axis("row", 2),))
        assert not column.values.flags.writeable


@pytest.mark.parametrize("cell", ["", "NA", "N/A", "null", "NULL", "missing"])
def test_missing_cells(tmp_path: Path, cell: str) -> None:
    table = written(tmp_path, f"x,y\n1,a\n{cell},{cell}\n")
    assert entries(table.column("x")) == [1, None]
    assert entries(table.column("y")) == ["a", None]


def test_numbers_are_read_to_the_last_bit(tmp_path: Path) -> None:
    table = written(tmp_path, "x,n\n0.1,9007199254740993\n2.2250738585072014e-308,-1\n")
    assert entries(table.column("x")) == [0.1, 2.2250738585072014e-308]
    assert entries(table.column("n")) == [9007199254740993, -1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", b"x,y\n1,a\n"),
        ("t.tsv", b"x\ty\n1\ta\n"),
        ("t.csv.gz", gzip.compress(b"x,y\n1,a\n", mtime=0)),
        ("t.tsv.gz", gzip.compress(b"x\ty\n1\ta\n", mtime=0)),
        ("t.csv", b"\xef\xbb\xbfx,y\r\n1,a\r\n"),
        ("t.CSV", b'"x","y"\n"1","a"'),
    ],
)
def test_text_formats(tmp_path: Path, name: str, content: bytes) -> None:
    table = written(tmp_path, content, name)
    assert {name: entries(column) for name, column in table.columns.items()} == {"x": [1], "y": ["a"]}


FRAME = pd.DataFrame(
    {
        "x": [1.5, None],
        "n": pd.array([1, None], dtype="Int64"),
        "c": pd.Categorical(["hi", None], ["lo", "hi"], ordered=True),
        "u": pd.Categorical(["b", "a"]),
        "s": ["a", None],
        "d": pd.Series([pd.Timestamp("2020-01-31"), pd.NaT]),
        "b": [True, False],
    }
)
WANTED = {
    "x": [1.5, None],
    "n": [1, None],
    "c": ["hi", None],
    "u": ["b", "a"],
    "s": ["a", None],
    "d": ["2020-01-31T00:00:00", None],
    "b": [True, False],
}


@pytest.mark.parametrize("kind", ["frame", "parquet", "feather", "arrow", "stream"])
def test_frames_and_binary_formats(tmp_path: Path, kind: str) -> None:
    table = Table.from_pandas(FRAME) if kind == "frame" else _through_a_file(tmp_path, kind)
    assert {name: entries(column) for name, column in table.columns.items()} == WANTED
    assert table.column("c").categories == ("lo", "hi")
    assert table.column("u").categories is None


def _through_a_file(folder: Path, kind: str) -> Table:
    """The frame, written and read again."""
    import pyarrow as pa

    if kind in ("parquet", "feather"):
        path = folder / f"t.{kind}"
        getattr(FRAME, f"to_{kind}")(path)
        return read_table(path)
    arrow = pa.Table.from_pandas(FRAME)
    new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
    with new(folder / "t.arrow", arrow.schema) as sink:
        sink.write_table(arrow)
    return read_table("t.arrow", folder)


def test_a_stored_index_is_left_out(tmp_path: Path) -> None:
    pd.DataFrame({"x": [1, 2]}, index=[5, 7]).to_parquet(tmp_path / "t.parquet")
    assert list(read_table("t.parquet", tmp_path).columns) == ["x"]


def test_nan_in_a_binary_file_is_no_missing_entry(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.table({"x": [1.0, float("nan"), None]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="column `x` holds NaN in row 2\n"):
        read_table("t.parquet", tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "`t.csv` is empty"),
        ("\n\n", "`t.csv` is empty"),
        ("x,y\n", "t.csv has no rows"),
        ("x,x\n1,2\n", "t.csv has two columns named `x`"),
        ("\u00e9,e\u0301\n1,2\n", "two columns named `é`"),
        ("x,y\n1,2\n3\n", "`t.csv`, line 3: 1 cell where the header has 2 columns"),
        ('x,y\n1,"a\nb"\n\n3,4,5\n', "`t.csv`, line 5: 3 cells where the header has 2 columns"),
        ("x\n1\nNaN\n", "column `x` holds NaN in row 2 (line 3)"),
        ("x,y\n1,a\n\n-inf,b\n", "column `x` holds -Inf in row 2 (line 4)"),
        (b"x\nok\n\xe9\n", "`t.csv`, line 3: this is not UTF-8 text"),
        ("x\n1\n".encode("utf-16"), "is in UTF-16"),
        ('"x,y\n1,2\n', "is not in the .csv format"),
    ],
)
def test_bad_text(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(DataError) as caught:
        written(tmp_path, content)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["t.parquet", "t.feather", "t.arrow"])
@pytest.mark.parametrize("content", [b"", b"abc", b"PAR1" * 20, b"ARROW1\0\0" * 20, bytes(range(256))])
def test_bad_binary(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(DataError, match=f"`{name}` is not in the|has no"):
        written(tmp_path, content, name)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame(), "has no columns"),
        (pd.DataFrame({"x": []}), "has no rows"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "two columns named `x`"),
        (pd.DataFrame({"x": [1, "a"]}), "column x"),
        (pd.DataFrame({"x": [1.0, np.inf]}), "column `x` holds Inf in row 2"),
        (pd.DataFrame({"x": [[1], [2]]}), "column `x` holds values of type list"),
    ],
)
def test_bad_frames(frame: pd.DataFrame, words: str) -> None:
    with pytest.raises(DataError) as caught:
        Table.from_pandas(frame)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({}, "the data has no columns"),
        ({"x": []}, "the data has no rows"),
        ({"x": [1], "y": [1, 2]}, "the columns have different lengths: `x` 1, `y` 2"),
        ({"x": np.ones((2, 2))}, "column `x` has 2 dimensions"),
        ({"x": [1.0, float("nan")]}, "holds NaN in row 2"),
    ],
)
def test_bad_mappings(columns: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as caught:
        Table.from_mapping(columns)
    assert words in str(caught.value)


def test_columns_by_name() -> None:
    table = Table.from_mapping({"background": ["a"], "é": [1], "y": [2]})
    assert entries(table.column("e\u0301")) == [1]
    with pytest.raises(DataError, match="the data has no column `backgruond`\n  hint: did you mean `background`"):
        table.column("backgruond")
    with pytest.raises(DataError, match="hint: its columns: background, é, y"):
        table.column("zzz")


def test_describe() -> None:
    ordered = pd.Categorical(["mid", "low", "mid", None], ["low", "mid", "high"], ordered=True)
    table = Table.from_pandas(pd.DataFrame({"n": [4, 1, 2, 1], "x": [0.5, None, 1.5, 4.0], "c": ordered}))
    assert table.describe() == [
        ColumnSummary("n", "whole number", 4, 0, 1.0, 2.0, 1.5, 4.0, 3, ("1", "2", "4")),
        ColumnSummary("x", "number", 4, 1, 0.5, 2.0, 1.5, 4.0, 3, ("0.5", "1.5", "4.0")),
        ColumnSummary("c", "text", 4, 1, None, None, None, None, 2, ("low", "mid")),
    ]


def test_pandas_and_pyarrow_are_imported_when_needed() -> None:
    code = "import sys, mlmdsl.data.tables; print({'pandas', 'pyarrow', 'torch', 'urllib.request'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
