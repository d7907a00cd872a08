"""Groups are met by label: one effect has one numbering, and an ordered outcome an order that somebody gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import mlmdsl
from tests.compiler.density import log_density

GAMES = {
    "home": ["ant", "ant", "bee", "bee", "cat", "cat", "dog"],
    "away": ["bee", "cat", "cat", "dog", "dog", "eel", "eel"],
    "margin": [1.0, 2.31, 1.22, 2.22, 1.49, 1.64, 0.81],
}
APART = "home = levels(home); away = levels(away)"
SHARED = "home, away = levels(home, away; shared=true)"
BOTH = "home, away, y; J=length(unique(home))"
EACH = "home, away, y; J=length(unique(home)), K=length(unique(away))"
EFFECT = "s ~ filldist(Normal(0, 2), J)\n"
LAST = "y ~ MvNormal(s[home] .- s[away], 0.09 * I)"


def bound(block: str, arguments: str, body: str, helpers: str = "") -> mlmdsl.Bound:
    text = f"@data begin\n{block}\ny = margin\nend\n{helpers}\n@model function m({arguments})\n{body}\nend\n"
    return mlmdsl.parse(text, "m.mlm").bind(GAMES)


MEETINGS = {
    "vectorised": (BOTH, LAST),
    "loop": (BOTH, "for i in eachindex(y)\ny[i] ~ Normal(s[home[i]] - s[away[i]], 1)\nend"),
    "names": (BOTH, "for i in eachindex(y)\nh = home[i]; a = away[i]\ny[i] ~ Normal(s[h] - s[a], 1)\nend"),
    "comprehension": (BOTH, "μ = [s[home[i]] - s[away[i]] for i in 1:length(y)]\ny ~ MvNormal(μ, 1.0 * I)"),
    "zip": (BOTH, "μ = [s[h] - s[a] for (h, a) in zip(home, away)]\ny ~ MvNormal(μ, 1.0 * I)"),
    "map": (BOTH, "μ = map((h, a) -> s[h] - s[a], home, away)\ny ~ MvNormal(μ, 1.0 * I)"),
    "view": (BOTH, "y ~ MvNormal(view(s, home) .- (@view s[away]), 1.0 * I)"),
    "helper": (BOTH, "y ~ MvNormal(gap(s, home, away), 1.0 * I)"),
    "derived": (BOTH, "t = 2 .* s\ny ~ MvNormal(t[home] .- t[away], 1.0 * I)"),
    "store": (BOTH, "n = zeros(J)\nfor i in eachindex(y)\nn[home[i]] += 1.0\nend\ny ~ MvNormal(n[away], 1.0 * I)"),
    "branch": (BOTH, "for i in eachindex(y)\nif home[i] == away[i]\ny[i] ~ Normal(0, 1)\nend\nend"),
    "ifelse": (BOTH, "y ~ MvNormal(s[ifelse.(y .> 0, home, away)], 1.0 * I)"),
    "vcat": (BOTH, "all = vcat(home, away)\ny ~ MvNormal(s[all[1:7]], 1.0 * I)"),
    "derived of a number": (
        BOTH,
        "z ~ filldist(Normal(0, 1), 5)\nt = 2 .* z\ny ~ MvNormal(z[home] .- t[away], 1.0 * I)",
    ),
    "made of a part": (
        BOTH,
        "z ~ filldist(Normal(0, 1), 3)\nt = vcat(0.0, z)\ny ~ MvNormal(t[home] .- t[away], 1.0 * I)",
    ),
    "sum of two": (EACH, "b ~ filldist(Normal(0, 1), K)\nc = s .+ b\ny ~ MvNormal(c[home], 1.0 * I)"),
    "sequential": (
        BOTH,
        "m = zeros(length(y))\nfor i in 2:length(y)\nm[i] = m[i - 1] + s[home[i]] - s[away[i]]\nend\ny ~ MvNormal(m, 1.0 * I)",
    ),
}


@pytest.mark.parametrize(("arguments", "body"), MEETINGS.values(), ids=MEETINGS.keys())
def test_columns_numbered_apart_do_not_meet(arguments: str, body: str) -> None:
    with pytest.raises(mlmdsl.MlmError, match="two numberings of groups meet") as raised:
        bound(APART, arguments, EFFECT + body, "gap(s, h, a) = s[h] .- s[a]")
    text = str(raised.value)
    assert "1 is `ant` by `home` and `bee` by `away`: only `home` has `ant` and only `away` has `eel`" in text
    assert "`home, away = levels(home, away; shared=true)`" in text


@pytest.mark.parametrize("axes", ["4", "5", "J, 2", "2, J", "J, J"])
def test_no_axis_is_indexed_by_two_numberings(axes: str) -> None:
    parts = {"J, 2": ("home, 1", "away, 2"), "2, J": ("1, home", "2, away"), "J, J": ("home, 1", "1, away")}
    one, other = parts.get(axes, ("home", "away"))
    body = f"s ~ filldist(Normal(0, 2), {axes})\ny ~ MvNormal(s[{one}] .- s[{other}], 1.0 * I)"
    with pytest.raises(mlmdsl.MlmError, match="two numberings of groups meet at `s`"):
        bound(APART, BOTH, body)


@pytest.mark.parametrize(
    "made",
    ["[h for h in home]", "[home[i] for i in 1:7]", "map(identity, home)", "reverse(home)", "copy(home)", "home[1:7]",
     "vec(Matrix(home))", "ifelse.(margin .> 9, home, home)", "repeat(home, 1)", "vcat(home[1:3], home[4:7])"],
)  # fmt: skip
def test_codes_keep_their_labels(made: str) -> None:
    with pytest.raises(mlmdsl.MlmError, match="two numberings of groups meet at `s`"):
        bound(f"{APART}\nz = {made}", "z, away, y; J=5", EFFECT + "y ~ MvNormal(s[z] .- s[away], 1.0 * I)")


@pytest.mark.parametrize("used", ["s[X[:, 1]] .- s[X[:, 2]]", "s[X[:, 1]] .- s[away]", "vec(sum(s[X]; dims=2))"])
def test_a_matrix_of_codes_keeps_the_labels_of_each_column(used: str) -> None:
    arguments = "X, away, y; J=5"
    block = f"{APART}\nX = hcat(home, away)"
    with pytest.raises(mlmdsl.MlmError, match="two numberings of groups meet"):
        bound(block, arguments, EFFECT + f"y ~ MvNormal({used}, 1.0 * I)")
    two = EFFECT + "b ~ filldist(Normal(0, 2), J)\ny ~ MvNormal(s[X[:, 1]] .- b[X[:, 2]], 1.0 * I)"
    assert bound(block, arguments, two).model_name == "m"


ALLOWED = {
    "two made alike": (
        APART,
        BOTH,
        "a ~ filldist(Normal(0, 1), 3)\nb ~ filldist(Normal(0, 1), 3)\nc = vcat(0.0, a)\nd = vcat(0.0, b)\n"
        "y ~ MvNormal(c[home] .- d[away], 1.0 * I)",
    ),
    "an effect for each": (APART, EACH, EFFECT + "b ~ filldist(Normal(0, 1), K)\ny ~ MvNormal(s[home] .- b[away], 1.0 * I)"),
    "two of one size": (
        APART,
        BOTH,
        "a ~ filldist(Normal(0, 1), 4)\nb ~ filldist(Normal(0, 1), 4)\ny ~ MvNormal(a[home] .- b[away], 1.0 * I)",
    ),
    "arithmetic": (APART, BOTH, EFFECT + "y ~ MvNormal(s[home] .- s[away .+ 0], 1.0 * I)"),
    "integers": (f"{APART}; k = [1, 2, 2, 3, 3, 4, 4]", f"k, {BOTH}", EFFECT + "y ~ MvNormal(s[home] .- s[k], 1.0 * I)"),
    "the first of more": ("home = levels(home); two = levels(home[1:3])", "two, y; J=4", EFFECT + "y[1:3] ~ MvNormal(s[two], 1.0 * I)"),
}  # fmt: skip


@pytest.mark.parametrize(("block", "arguments", "body"), ALLOWED.values(), ids=ALLOWED.keys())
def test_what_mixes_no_groups_is_taken(block: str, arguments: str, body: str) -> None:
    assert bound(block, arguments, body).model_name == "m"


def test_each_of_two_effects_of_one_size_has_its_own_labels() -> None:
    _, arguments, body = ALLOWED["two of one size"]
    labels = dict(bound(APART, arguments, body).lowered.model.labels)
    assert labels["a[1:of_4]"] == ("ant", "bee", "cat", "dog")
    assert labels["b[1:of_4]"] == ("bee", "cat", "dog", "eel")
    assert not labels["of_4"]


def test_each_axis_of_a_matrix_has_its_own_labels() -> None:
    body = "B ~ filldist(Normal(0, 1), 4, 4)\nfor i in eachindex(y)\ny[i] ~ Normal(B[home[i], away[i]], 1)\nend"
    labels = dict(bound(APART, "home, away, y", body).lowered.model.labels)
    assert labels["B[1:of_4]"] == ("ant", "bee", "cat", "dog")
    assert labels["B[2:of_4]"] == ("bee", "cat", "dog", "eel")


def test_columns_that_share_levels_have_the_density_by_label() -> None:
    model = bound(SHARED, "home, away, y; J=length(unique(vcat(home, away)))", EFFECT + LAST)
    teams = ["ant", "bee", "cat", "dog", "eel"]
    s = np.array([0.3, -1.0, 0.7, 2.0, -0.4])
    strength = dict(zip(teams, s, strict=True))
    mean = [strength[h] - strength[a] for h, a in zip(GAMES["home"], GAMES["away"], strict=True)]
    expected = stats.norm(0, 2).logpdf(s).sum() + stats.norm(mean, 0.3).logpdf(GAMES["margin"]).sum()
    assert log_density(model, {"s": s}) == pytest.approx(expected, rel=1e-10)
    assert model.arguments[0].labels == (tuple(teams),)


def test_shared_levels_are_checked_without_data() -> None:
    text = f"@data begin\n{SHARED}\ny = margin\nend\n@model function m({BOTH})\n{EFFECT}{LAST}\nend\n"
    mlmdsl.parse(text).check()
    with pytest.raises(mlmdsl.MlmError, match="expected 3 values for 3 names, found a tuple"):
        mlmdsl.parse(text.replace("home, away =", "home, away, third =")).bind(GAMES)
    with pytest.raises(mlmdsl.MlmError, match="this gives 2 values for the one name `both`") as raised:
        mlmdsl.parse(text.replace("home, away =", "both =")).bind(GAMES)
    assert "give each a name: `a, b = levels(a, b; shared=true)`" in str(raised.value)
    with pytest.raises(mlmdsl.MlmError, match="5 levels"):
        mlmdsl.parse(text).bind(GAMES)  # sized by the column that has four of the five


# ── ordered outcomes ─────────────────────────────────────────────────────────────────────────────────────────────────

RATINGS = {"rating": ["poor", "fair", "good", "fair"], "stars": [3, 1, 2, 1], "text": ["3", "1", "2", "1"]}
OBSERVED = ["y .~ OrderedLogistic(0.0, c)", "for i in eachindex(y)\ny[i] ~ OrderedLogistic(0.0, c)\nend",
            "@addlogprob! sum(logpdf.(OrderedLogistic(0.0, c), y))"]  # fmt: skip


def ordinal(outcome: str, observed: str = OBSERVED[0]) -> mlmdsl.Bound:
    text = f"@data begin\ny = {outcome}\nend\n@model function m(y)\nc ~ Bijectors.ordered(MvNormal(zeros(2), 4 * I))\n{observed}\nend"
    return mlmdsl.parse(text, "m.mlm").bind(RATINGS)


@pytest.mark.parametrize("observed", OBSERVED)
@pytest.mark.parametrize("outcome", ["levels(rating)", "levels(text)", 'levels(rating; reference="poor")'])
def test_an_ordered_outcome_needs_an_order(outcome: str, observed: str) -> None:
    with pytest.raises(mlmdsl.DataError, match="the outcome of OrderedLogistic is ordered, and nobody ordered"):
        ordinal(outcome, observed)


@pytest.mark.parametrize(
    ("outcome", "codes"),
    [
        ('levels(rating; order=["poor", "fair", "good"])', [1, 2, 3, 2]),
        ("levels(stars)", [3, 1, 2, 1]),
        ("stars", [3, 1, 2, 1]),
    ],
)
def test_an_order_that_is_given_is_the_outcomes(outcome: str, codes: list[int]) -> None:
    c = np.array([-0.5, 1.0])
    below = np.array([0.0, *(1 / (1 + np.exp(-c))), 1.0])
    expected = np.log(np.diff(below)[np.array(codes) - 1]).sum() + stats.multivariate_normal(
        [0, 0], 4 * np.eye(2)
    ).logpdf(c)
    model = ordinal(outcome)
    values = {"c": c}
    assert log_density(model, values) == pytest.approx(expected, rel=1e-10)


def test_nothing_is_no_option() -> None:
    block = "g = levels(home; order=nothing, reference=nothing); X = dummies(home; drop=nothing)"
    model = bound(block, "g, X, y", "y ~ MvNormal(zeros(7), 1.0 * I)")
    assert model.arguments[0].labels == (("ant", "bee", "cat", "dog"),)
    assert model.arguments[1].labels == (None, ("ant", "bee", "cat", "dog"))


def test_ordered_dictionaries_bring_their_order(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    codes = pa.array([0, 1, 2, 1], pa.int8())
    for ordered in (True, False):
        column = pa.DictionaryArray.from_arrays(codes, ["poor", "fair", "good"], ordered=ordered)
        parquet.write_table(pa.table({"rating": column}), tmp_path / "t.parquet")
        block = "@data begin\ny = levels(rating)\nend\n@model function m(y)\ny .~ Poisson(1.0)\nend"
        model = mlmdsl.parse(block).bind(tmp_path / "t.parquet")
        expected = ("poor", "fair", "good") if ordered else ("fair", "good", "poor")
        assert model.arguments[0].labels == (expected,)


def test_the_reference_is_shown() -> None:
    text = '@data begin\nX = hcat(1, dummies(rating; drop="poor"))\ny = stars\nend\n@model function m(X, y)\ny .~ Poisson(1.0)\nend'
    model = mlmdsl.parse(text).bind(RATINGS)
    assert model.arguments[0].reference == "poor"
    from mlmdsl.describe import data_table

    assert "1 fair good (reference: poor)" in data_table(model)
    ordered = ordinal('levels(rating; order=["poor", "fair", "good"])')
    assert "poor < fair < good" in data_table(ordered)
    assert (ordered.arguments[0].ordered, model.arguments[0].ordered) == (True, False)


@pytest.mark.parametrize("used", ["(D .- E) * s", "D * s .- E * s", "dummies"])
def test_dummies_numbered_apart_do_not_meet(used: str) -> None:
    block = "D = dummies(home); E = dummies(away)" + ("; F = D .- E" if used == "dummies" else "")
    body = f"s ~ filldist(Normal(0, 1), n)\ny ~ MvNormal({used if used != 'dummies' else 'F * s'}, 1.0 * I)"
    with pytest.raises(mlmdsl.MlmError, match="two numberings of groups meet"):
        bound(block, f"{'F' if used == 'dummies' else 'D, E'}, y; n=4", body)


def test_axes_that_share_labels_at_other_places_are_not_aligned() -> None:
    """Unless all is data, where columns may be paired as one likes."""
    text = """
    @data begin
        X = hcat(a, b)
        Z = hcat(b, a)
        y = y
    end
    @model function m(X, Z, y; n=size(X, 2))
        β ~ filldist(Normal(0, 1), n)
        y ~ MvNormal({0}, 1.0 * I)
    end
    """
    table = {"a": [1.0, 2.0], "b": [0.5, 1.5], "y": [0.0, 1.0]}
    assert mlmdsl.parse(text.format("(X .* Z) * β")).bind(table).model_name == "m"
    with pytest.raises(mlmdsl.MlmError, match="two numberings of groups meet at `\\*`"):
        mlmdsl.parse(text.format("Z * β")).bind(table)
