"""Tables as people have them: missing groups, gaps in an outcome, labels that nearly agree, odd names, teams twice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import mlmdsl
from mlmdsl.cli import app

NORMAL = "y .~ Normal(0, 1)\n"


def spec(folder: Path, table: str, block: str, arguments: str, body: str = NORMAL) -> mlmdsl.Spec:
    (folder / "d.csv").write_text(table, encoding="utf-8")
    (folder / "m.mlm").write_text(f'@data "d.csv" begin\n{block}\nend\n@model function m({arguments})\n{body}end\n')
    return mlmdsl.load(folder / "m.mlm")


def test_a_missing_group_is_refused_with_what_keeps_its_row(tmp_path: Path) -> None:
    table = "clinic,bp\nA,121\n,119\nB,125\nA,118\nNA,130\n"
    with pytest.raises(mlmdsl.DataError, match=r"`levels`: `clinic` has missing entries \(rows 2, 5\)") as raised:
        spec(tmp_path, table, "g = levels(clinic)\ny = bp", "g, y").bind()
    hint = raised.value.diagnostics[0].hint or ""
    assert '`coalesce.(clinic, "unknown")`' in hint
    kept = spec(tmp_path, table, 'g = levels(coalesce.(clinic, "unknown"))\ny = bp', "g, y").bind()
    assert kept.arguments[0].labels == (("A", "B", "unknown"),)


@pytest.mark.parametrize("use", ["mean(y)", "std(y)", "maximum(y)", "sum(y)"])
def test_a_hint_in_a_model_has_the_models_names(tmp_path: Path, use: str) -> None:
    body = f"μ ~ Normal({use}, 1)\nfor i in eachindex(y)\ny[i] ~ Normal(μ, 1)\nend\n"
    with pytest.raises(mlmdsl.MlmError) as raised:
        spec(tmp_path, "v\n1\n2\nNA\n4\n", "y = v", "y", body).bind()
    (found,) = raised.value.diagnostics
    assert found.message == f"`{use[:-3]}`: `y` has missing entries (row 3)"
    assert found.hint == "use skipmissing(y) to leave the missing entries out"
    assert spec(tmp_path, "v\n1\n2\nNA\n4\n", "y = v", "y", body.replace(use, f"{use[:-3]}(skipmissing(y))")).bind()


def test_a_hint_in_the_block_has_the_columns_names(tmp_path: Path) -> None:
    with pytest.raises(mlmdsl.DataError) as raised:
        spec(tmp_path, "v\n1\n2\nNA\n4\n", "y = v ./ mean(v)", "y").bind()
    assert raised.value.diagnostics[0].hint == "use skipmissing(v) to leave the missing entries out"


def test_labels_that_nearly_agree_are_told(tmp_path: Path) -> None:
    table = "site,v\nnorth,1\nnorth ,2\nNorth,3\nsouth,4\n south,5\neast,6\n"
    bound = spec(tmp_path, table, "g = levels(site)\nX = dummies(site)\ny = v", "g, X, y").bind()
    assert bound.notes == (
        "levels of `site` differ by case or spaces only, and are levels of their own: ` south`, `south`",
        "levels of `site` differ by case or spaces only, and are levels of their own: `North`, `north`, `north `",
    )
    shown = CliRunner().invoke(app, ["data", str(tmp_path / "m.mlm")])
    assert shown.output.count("note: levels of `site`") == 2
    described = json.loads(CliRunner().invoke(app, ["data", str(tmp_path / "m.mlm"), "--format", "json"]).output)
    assert described["notes"] == list(bound.notes)
    assert spec(tmp_path, "site,v\na,1\nb,2\n", "g = levels(site)\ny = v", "g, y").bind().notes == ()


def test_odd_names(tmp_path: Path) -> None:
    table = 'Group ID,% humidity (mean),1st value,"weird ""q"" name"\r\n007,0.5,1,\r\n7,0.2,0.4,\r\n10,0.4,0,z\r\n'
    block = 'g = levels(var"Group ID")\nx = var"% humidity (mean)"\ny = var"1st value"'
    bound = spec(tmp_path, table, block, "g, x, y").bind()
    assert bound.arguments[0].labels == (("7", "10"),)  # numbers, as in Julia
    assert bound.bound.values["x"].known.values.tolist() == [0.5, 0.2, 0.4]  # type: ignore[union-attr]


def test_standardize_leaves_gaps(tmp_path: Path) -> None:
    body = "for i in eachindex(x)\nx[i] ~ Normal(0, 1)\ny[i] ~ Normal(x[i], 1)\nend\n"
    table = "weight,milk\n50,2.5\nNA,4.1\n30,0.1\n45,1.2\n"
    bound = spec(tmp_path, table, "x = standardize(weight)\ny = milk", "x, y", body).bind()
    known = bound.bound.values["x"].known  # type: ignore[union-attr]
    weights = np.array([50.0, 30.0, 45.0])
    expected = (weights - weights.mean()) / weights.std(ddof=1)
    np.testing.assert_allclose(known.values[[0, 2, 3]], expected, rtol=1e-12)  # type: ignore[union-attr]
    assert known.missing.tolist() == [False, True, False, False]  # type: ignore[union-attr]
