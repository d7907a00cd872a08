"""Tables larger than memory: read and computed in parts they give what they give at once, and the same errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import mlmdsl
from mlmdsl.cli import app
from mlmdsl.compiler.values import Tensor
from mlmdsl.data import reading, text
from mlmdsl.data.tables import read_table
from mlmdsl.language import rows
from mlmdsl.language.errors import DataError
from mlmdsl.language.types import Array

N = 200
RNG = np.random.default_rng(1)
FRAME = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "n": RNG.integers(0, 5, N),
        "y": RNG.normal(size=N),
        "g": RNG.choice(["low", "mid", "high"], N),
        "h": RNG.choice(["a", "b"], N),
        "b": RNG.normal(size=N) > 0,
        "z": np.where(np.arange(N) % 7 == 3, np.nan, RNG.normal(size=N)),
        "unused": [f"remark {k}" for k in range(N)],
    }
)
BLOCK = """    a = standardize(x)
    c = center(n)
    d = dummies(g; drop="mid")
    e = levels(g, h)
    f = log1p.(abs.(x)) .+ n .* 2
    i = ifelse.(b, x, y)
    j = levels(ifelse.(b, g, h))
    k = hcat(1, x, d, coalesce.(z, 0.0))
    l = coalesce.(lag(x, 2), 0.0)
    m = g .== "low"
    o = coalesce.(standardize(z), 9.0)
    p = [mean(x), std(y), var(n), median(x), quantile(y, 0.3), mad(x), sum(n), maximum(x), length(unique(n))]
    q = unique(n)
    r = zscore(x)
    s = fill(1.0, nrow())
    y = y
"""
NAMES = [line.split("=")[0].strip() for line in BLOCK.splitlines()]
MODEL = f"@model function m({', '.join(NAMES)})\n μ ~ Normal(0, 1)\n y .~ Normal(μ, 1)\nend\n"


def written(folder: Path, kind: str) -> mlmdsl.Spec:
    """The frame in a file, and a spec that reads it."""
    if kind.startswith("csv"):
        FRAME.to_csv(folder / f"t.{kind}", index=False)
    else:
        getattr(FRAME, f"to_{kind}")(folder / f"t.{kind}")
    path = folder / "m.mlm"
    path.write_text(f'@data "t.{kind}" begin\n{BLOCK}end\n{MODEL}')
    return mlmdsl.load(path)


def arguments(bound: mlmdsl.Bound) -> dict[str, Any]:
    """The arguments' values, their missing entries, and the labels of their axes."""
    known = {name: value.known for name, value in bound.bound.values.items() if isinstance(value, Tensor)}
    arrays = {name: value for name, value in known.items() if isinstance(value, Array)}
    assert list(arrays) == NAMES
    return {name: (a.values, a.missing, a.axes, a.levels) for name, a in arrays.items()}


def shrink(monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    """Every array is long, every piece small."""
    monkeypatch.setattr(rows, "LONG", 100)
    monkeypatch.setattr(rows, "PART", part)
    monkeypatch.setattr(reading, "PIECE", 17)
    monkeypatch.setattr(text, "BLOCK", 400)


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "feather"])
@pytest.mark.parametrize("part", [rows.PART, 13])
def test_parts_give_what_the_whole_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, part: int) -> None:
    """To the last bit; where sums are over parts of 13 entries, to rounding of 200 terms."""
    spec = written(tmp_path, kind)
    whole = arguments(spec.bind())
    shrink(monkeypatch, part)
    bound = spec.bind()
    for name, (values, missing, axes, levels) in arguments(bound).items():
        wanted = whole[name]
        np.testing.assert_allclose(values, wanted[0], rtol=0 if part == rows.PART and part > N else 1e-13, atol=1e-13)
        np.testing.assert_array_equal(missing, wanted[1])
        assert (axes, levels) == wanted[2:]
    assert bound.table is not None
    assert set(bound.table.columns) == set(FRAME.columns) - {"unused"}
    bound.compiled()()


def test_only_what_is_used_is_read(tmp_path: Path) -> None:
    """A column that is no data, and one with NaN, are nobody's business unless the block names them."""
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(
        pa.table({"lists": [[1], [2]], "nan": [1.0, float("nan")], "y": [1.0, 2.0]}), tmp_path / "t.parquet"
    )
    table = read_table("t.parquet", tmp_path, {"y", "absent"})
    assert (list(table.columns), table.names, table.rows) == (["y"], ("lists", "nan", "y"), 2)
    with pytest.raises(DataError, match="column `lists` holds values of type list"):
        read_table("t.parquet", tmp_path)


def test_a_table_has_rows_though_no_column_is_used(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n1\n2\n")
    (tmp_path / "m.mlm").write_text(
        '@data "t.csv" begin\n y = ones(nrow())\nend\n' + MODEL.replace(", ".join(NAMES), "y")
    )
    assert mlmdsl.load(tmp_path / "m.mlm").bind().bound.values["y"].known.values.tolist() == [1.0, 1.0]  # type: ignore[union-attr]


def test_names_of_columns_that_were_not_read_are_offered(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("weight,y\n1,2\n")
    (tmp_path / "m.mlm").write_text('@data "t.csv" begin\n y = wieght\nend\n' + MODEL.replace(", ".join(NAMES), "y"))
    with pytest.raises(DataError, match="did you mean `weight`"):
        mlmdsl.load(tmp_path / "m.mlm").bind()


def test_data_describes_every_column(tmp_path: Path) -> None:
    written(tmp_path, "parquet")
    done = CliRunner().invoke(app, ["data", str(tmp_path / "m.mlm")])
    assert done.exit_code == 0, done.output
    assert "unused" in done.stdout and "remark 0" in done.stdout


CELLS = {
    "whole then real": ["1"] * 30 + ["1.5"],
    "whole then text": ["007"] * 30 + ["x"],
    "nothing then whole": [""] * 30 + ["3"],
    "nothing then date": ["NA"] * 30 + ["2020-01-31"],
    "truth then 0": ["true"] * 30 + ["0"],
    "0 then truth": ["0"] * 30 + ["true"],
    "2 then truth": ["2"] * 30 + ["true"],
    "date then time": ["2020-01-31"] * 30 + ["2020-01-31T10:00:00"],
    "date then text": ["2020-01-31"] * 30 + ["today"],
    "real then truth": ["1.5"] * 30 + ["true"],
    "quoted": ['"1"'] * 30 + ['"a ""b"", c"', '""', "", "NA", '"NA"'],
    "large whole then real": ["9007199254740993"] * 30 + ["0.5"],
}


@pytest.mark.parametrize("name", CELLS)
def test_types_are_those_of_the_whole_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "t.csv").write_text("".join(f"{cell},1\n" for cell in ["c", *CELLS[name]]))
    whole = read_table("t.csv", tmp_path).column("c")
    monkeypatch.setattr(text, "BLOCK", 64)
    parts = read_table("t.csv", tmp_path).column("c")
    assert (parts.values.dtype, parts.values.tolist().__repr__()) == (
        whole.values.dtype,
        whole.values.tolist().__repr__(),
    )
    np.testing.assert_array_equal(parts.missing, whole.missing)


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (b"nan,a\n", "column `x` holds NaN in row 101 (line 102)"),
        (b"1,a\n3\n", "`t.csv`, line 103: 1 cell where the header has 2 columns"),
        (b"1,\xe9\n", "`t.csv`, line 102: this is not UTF-8 text"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: bytes, words: str) -> None:
    shrink(monkeypatch, 13)
    monkeypatch.setattr(text, "BLOCK", 64)
    (tmp_path / "t.csv").write_bytes(b"x,y\n" + "2.5,é\n".encode() * 100 + last)
    with pytest.raises(DataError) as caught:
        read_table("t.csv", tmp_path)
    assert words in str(caught.value)


UNDER_A_LIMIT = """
import re, resource, sys
import mlmdsl, pyarrow.parquet, pyro, torch
from mlmdsl.data.tables import read_table

mlmdsl.load(sys.argv[1] + "/small.mlm").bind().compiled()  # all that is loaded late is loaded
torch.set_num_threads(1)
used = int(re.search(r"VmData:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + 160 * 2**20,) * 2)
bound = mlmdsl.load(sys.argv[1] + "/large.mlm").bind()
print(bound.table.rows)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is counted as Linux does")
def test_a_table_larger_than_memory_is_bound(tmp_path: Path) -> None:
    """360 MB of columns, and as much that is made of them, where a process may have 160 MiB more than it has."""
    import pyarrow as pa
    from pyarrow import parquet

    def table(n: int) -> pa.Table:
        rng = np.random.default_rng(0)
        columns = {name: rng.normal(size=n) for name in ("a", "b", "c", "y")}
        return pa.table({**columns, "g": pa.array(np.array(["x", "y", "z"])[rng.integers(0, 3, n)])})

    parquet.write_table(table(100), tmp_path / "small.parquet")
    with parquet.ParquetWriter(tmp_path / "large.parquet", table(1).schema, compression="none") as file:
        for _ in range(20):
            file.write_table(table(500_000))
    for name in ("small", "large"):
        (tmp_path / f"{name}.mlm").write_text(
            f'@data "{name}.parquet" begin\n X = hcat(standardize(a), log1p.(abs.(b)), c)\n i = levels(g)\n y = y\nend\n'
            "@model function m(X, i, y)\n β ~ filldist(Normal(0, std(y)), size(X, 2))\n"
            " y ~ MvNormal(X * β .+ mean(y), I)\nend\n"
        )
    command = [sys.executable, "-c", UNDER_A_LIMIT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "10000000", done.stderr
