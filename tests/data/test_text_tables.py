"""How text tables are written: separators, decimal commas, what is missing, identifiers, cells that are no numbers."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import pytest

import mlmdsl
from mlmdsl.data.dialect import Writing
from mlmdsl.data.tables import DataError, read_table


def read(tmp_path: Path, text: str, name: str = "t.csv", **said: Any) -> dict[str, list[Any]]:
    """The columns of a table, missing entries as None."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    table = read_table(tmp_path / name, writing=Writing(**said))
    return {
        key: [
            None if column.missing is not None and column.missing[k] else v
            for k, v in enumerate(column.values.tolist())
        ]
        for key, column in table.columns.items()
    }


WRITTEN: dict[str, tuple[str, str, dict[str, list[Any]]]] = {
    "semicolons and decimal commas": ("t.csv", "a;b\n1,5;x\n2,0;y\n", {"a": [1.5, 2.0], "b": ["x", "y"]}),
    "after a byte order mark": ("t.csv", "\ufeffort;ertrag\nKöln;3,25\n", {"ort": ["Köln"], "ertrag": [3.25]}),
    "semicolons and points": ("t.csv", "a;b\n1.5;2\n2.0;3\n", {"a": [1.5, 2.0], "b": [2, 3]}),
    "semicolons and whole numbers": ("t.csv", "a;b\n1;2\n3;4\n", {"a": [1, 3], "b": [2, 4]}),
    "tabs in a .csv": ("t.csv", "a\tb\n1\t2,5\n", {"a": [1], "b": [2.5]}),
    "bars": ("t.csv", "a|b\n1|x\n", {"a": [1], "b": ["x"]}),
    "semicolons in a .tsv": ("t.tsv", "a;b\n1;2\n", {"a": [1], "b": [2]}),
    "negative and small decimals": ("t.csv", "a;b\n-1,5;,25\n+2,5e3;0,5\n", {"a": [-1.5, 2500.0], "b": [0.25, 0.5]}),
    "a comma in a quoted header": ("t.csv", '"a, b";c\n1,5;2\n', {"a, b": [1.5], "c": [2]}),
    "semicolons in the cells of a comma table": ("t.csv", "a,b\nx;y,1\nz;w,2\n", {"a": ["x;y", "z;w"], "b": [1, 2]}),
    "one column": ("t.csv", "v\n1\n2\n", {"v": [1, 2]}),
    "one column of texts with a comma": ("t.csv", 'v\n"1,5"\n"x"\n', {"v": ["1,5", "x"]}),
    "commas, as ever": ("t.csv", "a,b\n1,5\n2,7\n", {"a": [1, 2], "b": [5, 7]}),
    "points beside commas: nothing is decimal": ("t.csv", "a;b\n1.5;2,5\n", {"a": [1.5], "b": ["2,5"]}),
    "thousands, or thousandths": ("t.csv", "a;b\n1,234;x\n2,500;y\n", {"a": ["1,234", "2,500"], "b": ["x", "y"]}),
    "one comma that is no thousand tells of all": ("t.csv", "a;b\n1,234;0,5\n", {"a": [1.234], "b": [0.5]}),
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "columns"), WRITTEN.values(), ids=WRITTEN.keys())
def test_how_a_table_is_written_is_found(tmp_path: Path, name: str, text: str, columns: dict[str, list[Any]]) -> None:
    assert read(tmp_path, text, name) == columns


SAID: dict[str, tuple[str, dict[str, Any], dict[str, list[Any]]]] = {
    "decimal": ("a;b\n1,234;2\n", {"decimal": ","}, {"a": [1.234], "b": [2]}),
    "decimal in quotes": ('a,b\n"1,5",2\n', {"decimal": ","}, {"a": [1.5], "b": [2]}),
    "decimal that separates": ("a,b\n1,5\n", {"decimal": ","}, {}),
    "delimiter": ("a;b,c\n1;2,3\n", {"delimiter": ";"}, {"a": [1], "b,c": [2.3]}),
    "the other delimiter": ("a;b,c\n1;2,3\n", {"delimiter": ","}, {"a;b": ["1;2"], "c": [3]}),
    "missing": ("a,b\nn/a,.\n1,2\n", {"missing": ("n/a", ".")}, {"a": [None, 1], "b": [None, 2]}),
    "missing numbers": ("a,b\n-999,x\n1,y\n", {"missing": ("-999",)}, {"a": [None, 1], "b": ["x", "y"]}),
    "missing in quotes": (
        'a,b\n"n/a","NA"\n"1","x"\n"",z\n',
        {"missing": ("n/a",)},
        {"a": [None, 1, None], "b": [None, "x", "z"]},
    ),
    "quotes make a text, where nothing is said": ('a,b\n"NA",""\nx,y\n', {}, {"a": ["NA", "x"], "b": ["", "y"]}),
    "missing NaN": ("a,b\nNaN,x\n1.5,NA\n", {"missing": ("NaN",)}, {"a": [None, 1.5], "b": ["x", None]}),
}


@pytest.mark.parametrize(("text", "said", "columns"), SAID.values(), ids=SAID.keys())
def test_what_the_author_says_counts(
    tmp_path: Path, text: str, said: dict[str, Any], columns: dict[str, list[Any]]
) -> None:
    if not columns:
        with pytest.raises(DataError, match="cannot both separate cells and be the decimal mark"):
            read(tmp_path, text, **said)
    else:
        assert read(tmp_path, text, **said) == columns


def test_two_separators_that_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its cells may be separated by `,` and `;`, both fit") as raised:
        read(tmp_path, "a;b,c\n1;2,3\n4;5,6\n")
    assert "delim=','" in str(raised.value)


def test_a_ragged_row_names_the_separator(tmp_path: Path) -> None:
    rows = "".join(f"{k};{k}\n" for k in range(50))
    with pytest.raises(DataError, match="line 52: 3 cells where the header has 2 columns") as raised:
        read(tmp_path, f"a;b\n{rows}1;2;3\n")
    assert "`;` separates cells here" in str(raised.value)


IDENTIFIERS: dict[str, tuple[str, list[Any]]] = {
    "past 53 bits": ("9007199254740993\n9007199254740992", [9007199254740993, 9007199254740992]),
    "with a missing cell": ("9007199254740993\nNA", [9007199254740993, None]),
    "past 64 bits": ("12345678901234567890\n12345678901234567891", ["12345678901234567890", "12345678901234567891"]),
    "past 64 bits, missing, small": ("12345678901234567890\nNA\n5", ["12345678901234567890", None, "5"]),
    "beside a decimal": ("9007199254740993\n1.5", ["9007199254740993", "1.5"]),
    "large numbers that are floats": ("1e20\n9007199254740992.0", [1e20, 9007199254740992.0]),
    "a whole number that a float holds": ("100000000000000000000\n1.5", [1e20, 1.5]),
}


@pytest.mark.parametrize(("cells", "values"), IDENTIFIERS.values(), ids=IDENTIFIERS.keys())
@pytest.mark.parametrize("far", [False, True])
def test_whole_numbers_are_never_rounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: str, values: list[Any], far: bool
) -> None:
    """Nor where the first piece of the file shows nothing of them."""
    from mlmdsl.data import text

    before = [1] * 40 if far else []
    monkeypatch.setattr(text, "BLOCK", 64 if far else text.BLOCK)
    found = read(tmp_path, "id,x\n" + "".join(f"{k},0\n" for k in [*before, *cells.split("\n")]))["id"]
    kind = next(type(value) for value in values if value is not None)
    assert found == [*(map(kind, before)), *values]
    assert {type(value) for value in found} <= {kind, type(None)}


def test_identifiers_past_64_bits_are_levels(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,y\n12345678901234567891,1\n12345678901234567890,2\n")
    text = '@data "t.csv" begin\ng = levels(id)\ny = {}\nend\n@model function m(g, y)\ny .~ Normal(0, 1)\nend'
    (tmp_path / "m.mlm").write_text(text.format("y"))
    assert mlmdsl.load(tmp_path / "m.mlm").bind().arguments[0].labels == (
        ("12345678901234567890", "12345678901234567891"),
    )
    (tmp_path / "m.mlm").write_text(text.format("id .+ 1"))
    with pytest.raises(DataError, match="`id` holds whole numbers that do not fit in 64 bits, and are kept as text"):
        mlmdsl.load(tmp_path / "m.mlm").bind()


# ── cells that are no numbers ────────────────────────────────────────────────────────────────────────────────────────

USES = {
    "observed": "y = value", "log": "y = log.(value)", "sum": "y = value .+ 1", "mean": "y = value ./ mean(value)",
    "standardize": "y = standardize(value)", "hcat": "y = hcat(1, value) * [1, 1]", "product": "y = 2 * value",
}  # fmt: skip


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_odd_cells_are_named(tmp_path: Path, use: str) -> None:
    rows = [f"{k}.5,a" for k in range(400)]
    rows[15], rows[29] = "<0.5,a", "0-7,a"
    (tmp_path / "t.csv").write_text("value,g\n" + "\n".join(rows) + "\nNA,b\n")
    spec = f'@data "t.csv" missing=["."] begin\n{use}\nend\n@model function m(y)\nfor i in eachindex(y)\ny[i] ~ Normal(0, 1)\nend\nend\n'
    (tmp_path / "m.mlm").write_text(spec)
    with pytest.raises(DataError) as raised:
        mlmdsl.load(tmp_path / "m.mlm").bind()
    text = str(raised.value)
    assert "2 of 400 cells of `value` are not numbers: row 16 (line 17) `<0.5`, row 30 (line 31) `0-7`" in text
    assert 'say that they are missing: `@data "t.csv" missing=[".", "<0.5", "0-7"] begin`' in text


def test_decimal_commas_that_are_not_taken_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('value\n"1,5"\n"2,5"\n')
    (tmp_path / "m.mlm").write_text(
        '@data "t.csv" begin\ny = value\nend\n@model function m(y)\ny .~ Normal(0, 1)\nend\n'
    )
    with pytest.raises(DataError, match="2 of 2 cells of `value` are not numbers: row 1 .line 2. `1,5`") as raised:
        mlmdsl.load(tmp_path / "m.mlm").bind()
    assert "where the comma is decimal, say so:" in str(raised.value)


def test_a_column_of_text_is_still_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("g,y\na,1\nb,2\n3,3\n")
    (tmp_path / "m.mlm").write_text(
        '@data "t.csv" begin\ng = levels(g)\ny = y\nend\n@model function m(g, y)\ny .~ Normal(0, 1)\nend\n'
    )
    assert mlmdsl.load(tmp_path / "m.mlm").bind().arguments[0].labels == (("3", "a", "b"),)


def test_options_of_the_block_reach_every_text_table(tmp_path: Path) -> None:
    """That of its own path, and one given in its place."""
    for name in ("own.csv", "given.csv"):
        (tmp_path / name).write_text("x;y\n1,234;.\n2,345;n/a\n9,876;5\n")
    options = "delim=';' decimal=',' missing=[\"n/a\", \".\"]"
    (tmp_path / "m.mlm").write_text(
        f'@data "own.csv" {options} begin\nx = x\ny = y\nend\n@model function m(x, y)\ny .~ Normal(0, 1)\nend\n'
    )
    spec = mlmdsl.load(tmp_path / "m.mlm")
    for bound in (spec.bind(), spec.bind(tmp_path / "given.csv")):
        x, y = (bound.table.columns[name] for name in "xy")  # type: ignore[union-attr]
        assert x.values.tolist() == [1.234, 2.345, 9.876]
        assert y.missing is not None
        assert y.missing.tolist() == [True, True, False]


@pytest.mark.parametrize(
    "cell", ["1d5", "1_000", "１２", "−5", "0x10", "TRUE", "$5", "5%", "2.5\u00a0", "1 000", "<0.5", "1.5.2"]
)
def test_what_is_no_number_is_odd_among_numbers(tmp_path: Path, cell: str) -> None:
    (tmp_path / "t.csv").write_text(f"v,w\n1.5,a\n{cell},b\n3.5,c\n", encoding="utf-8")
    odd = read_table(tmp_path / "t.csv").column("v").odd
    assert odd is not None
    assert odd[0] == f"1 of 3 cells of `v` is not a number: row 2 (line 3) `{cell}`"


@pytest.mark.parametrize("cell", [" 2.5", "2.5 ", "+2.5", "02.50", "2.5e0", "25E-1"])
def test_what_is_a_number_is_taken(tmp_path: Path, cell: str) -> None:
    assert read(tmp_path, f"v,w\n1.5,a\n{cell},b\n")["v"] == [1.5, 2.5]


def _column(choose: random.Random, decimal: str, rows: int) -> list[tuple[Any, str]]:
    """Values, and how they are written."""
    kind = choose.choice(["whole", "tenths", "thousandths", "gaps", "text"])
    values: list[Any] = [
        {
            "whole": choose.randint(-5, 9999),
            "tenths": round(choose.uniform(-50, 50), 1),
            "thousandths": choose.randint(1000, 999999) / 1000,
            "gaps": choose.choice([1.5, 7.25, None]),
            "text": choose.choice(["a", "b;c", "d,e", "x y", "n|m"]),
        }[kind]
        for _ in range(rows)
    ]
    digits = ".3f" if kind == "thousandths" else ""
    return [
        (v, "" if v is None else v if isinstance(v, str) else format(v, digits).replace(".", decimal)) for v in values
    ]


@pytest.mark.parametrize("seed", range(10))
def test_no_number_is_misread(tmp_path: Path, seed: int) -> None:
    """Tables of two columns or more, in every dialect: a column is its numbers, or the text that stands there."""
    choose = random.Random(seed)
    for _ in range(30):
        delimiter, decimal = choose.choice(",;\t|"), choose.choice(".,")
        rows = choose.randint(1, 6)
        columns = [_column(choose, decimal, rows) for _ in range(choose.randint(2, 4))]
        with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            writer.writerow([f"c{k}" for k in range(len(columns))])
            writer.writerows([column[row][1] for column in columns] for row in range(rows))
        found = read_table(tmp_path / "t.csv")
        assert found.names == tuple(f"c{k}" for k in range(len(columns)))
        for got, column in zip(found.columns.values(), columns, strict=True):
            gone = [False] * rows if got.missing is None else got.missing.tolist()
            entries = [None if lost else value for value, lost in zip(got.values.tolist(), gone, strict=True)]
            texts = [text or None for _, text in column]
            assert entries == (texts if got.values.dtype == object else [value for value, _ in column])
