"""Which name an error offers: one that the author may have meant, of the kind that stands there, else none."""

from __future__ import annotations

from pathlib import Path

import pytest

import mlmdsl
from mlmdsl.language.errors import nearest

NEAR = [
    ("sigm", ["sigma", "sign"], "sigma"),
    ("Sigma", ["tau", "sigma"], "sigma"),
    ("maen", ["mad", "mean", "median"], "mean"),
    ("Norml", ["norm", "Normal"], "Normal"),
    ("lenght", ["length", "levels"], "length"),
    ("bernouli", ["Bernoulli", "BernoulliLogit"], "Bernoulli"),
    ("σ", ["similar", "s", "τ"], None),
    ("a", ["b", "α", "A"], "A"),
    ("foo", ["floor", "for"], "for"),
    ("to_submodel", ["MixtureModel", "Model"], None),
    ("Days", ["Dirac", "dates", "day"], "day"),
    ("Days", ["Dirac", "dates"], None),
    ("x1", ["x2", "x12"], None),
    ("name", ["name"], None),
    ("", ["a"], None),
]


@pytest.mark.parametrize(("name", "candidates", "wanted"), NEAR)
def test_nearest(name: str, candidates: list[str], wanted: str | None) -> None:
    assert nearest(name, candidates) == wanted


def hint_of(body: str, helpers: str = "") -> str | None:
    """The hint of the one error of a model."""
    with pytest.raises(mlmdsl.SpecError) as raised:
        mlmdsl.parse(f"{helpers}\n@model function m(speed, y)\n{body}\nend\n").check()
    return raised.value.diagnostics[0].hint


KINDS = [
    ("y ~ Normal(0, σ)", "", None),  # no function is a value
    ("y ~ Normal(sizes, 1)", "", None),
    ("y ~ Normal(sped, 1)", "", "did you mean `speed`?"),
    ("y ~ Normal(sped(y), 1)", "", None),  # and no value is a function
    ("y ~ Normal(helpr(y), 1)", "helper(x) = 2x", "did you mean `helper`?"),
    ("y ~ Normal(helpr, 1)", "helper(x) = 2x", None),
    ("y ~ Normal(half(y), 1)", "half(x) = halv(x)", None),  # nor a helper what it calls
    ("y ~ Poison(2)", "", "did you mean `Poisson`?"),
    ("beta_1 ~ Normal(0, 1)\ny ~ Normal(beta_2, 1)", "", "did you mean `beta_1`?"),
]


@pytest.mark.parametrize(("body", "helpers", "hint"), KINDS)
def test_a_name_of_the_right_kind_is_offered(body: str, helpers: str, hint: str | None) -> None:
    assert hint_of(body, helpers) == hint


def test_columns_and_files_are_offered_for_their_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = '@data "sleep.csv" begin\nx = Dayz\nend\n@model function m(x)\nx .~ Normal(0, 1)\nend\n'
    (tmp_path / "sleep.mlm").write_text(text)
    (tmp_path / "slep.csv.bak").write_text("")
    with pytest.raises(mlmdsl.DataError, match="there is no file `sleep.csv`") as raised:
        mlmdsl.load("sleep.mlm").bind()
    assert raised.value.diagnostics[0].hint is None
    (tmp_path / "sleeps.csv").write_text("Days,dose\n1,2\n")
    with pytest.raises(mlmdsl.DataError, match="did you mean `sleeps.csv`"):
        mlmdsl.load("sleep.mlm").bind()
    with pytest.raises(mlmdsl.DataError, match="has no column `Dayz`") as raised:
        mlmdsl.load("sleep.mlm").bind("sleeps.csv")
    assert raised.value.diagnostics[0].hint == "did you mean `Days`?"
    for wrong, right in [("slep.mlm", "sleep.mlm"), ("slep", None), ("varying_intercept", "cheese/varying_intercept")]:
        with pytest.raises(mlmdsl.SpecError) as missing:
            mlmdsl.load(wrong)
        hint = missing.value.diagnostics[0].hint
        assert hint == (f"did you mean `{right}`?" if right else "`mlmdsl list` shows the shipped specs")
