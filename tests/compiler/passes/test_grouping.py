"""Which effects are eliminated by groups: the proof that nothing mixes groups, and the choice of the factor."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest

import mlmdsl
from mlmdsl.compiler import ir
from mlmdsl.compiler.passes import marginalize
from mlmdsl.compiler.passes.grouping import column_counts, grouped_sizes
from mlmdsl.compiler.passes.marginalize import NotCollapsible, collapse

ROWS = 12
DATA = {
    "y": np.linspace(-1, 1, ROWS),
    "x": np.cos(np.arange(ROWS)),
    "g": np.arange(ROWS) % 4 + 1,
    "h": np.arange(ROWS) % 3 + 1,
    "upper": np.array([1, 2, 2, 1]),
    "next": np.array([2, 3, 4, 1]),
}
PRIORS = "σ ~ Exponential(1); τ ~ filldist(Exponential(1), 4); μ ~ Normal(0, 1)"
ALPHA = "a ~ filldist(Normal(μ, τ[1]), 4)"


def bound(body: str) -> mlmdsl.Bound:
    return mlmdsl.parse(f"@model function m({', '.join(DATA)})\n{PRIORS}\n{body}\nend").bind(**DATA)


def collapsed(body: str) -> ir.Collapsed:
    """The collapsed likelihood of a model."""
    model = collapse(bound(body).lowered.model)
    return next(node for node in model.body if isinstance(node, ir.Collapsed))


@pytest.fixture(autouse=True)
def always_by_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marginalize, "FEW_NORMALS", 0)


GROUPED = {
    "an intercept": (f"{ALPHA}\n y .~ Normal.(a[g], σ)", {"a": 0}, (1, 1), (0, 1)),
    "intercepts and slopes": (
        f"{ALPHA}; b ~ filldist(Normal(0, 1), 4)\n y .~ Normal.(a[g] .+ b[g] .* x, σ)", {"a": 0, "b": 0}, (1, 2), (0, 2)
    ),
    "columns of a matrix": (
        "z ~ filldist(Normal(0, 1), 2, 4); b = τ[1:2] .* z .+ μ\n y .~ Normal.(b[1, g] .+ b[2, g] .* x, σ)",
        {"z": 1}, (1, 2), (0, 2),
    ),
    "rows of a matrix": (
        "z ~ filldist(Normal(0, 1), 4, 2)\n y .~ Normal.(μ .+ z[g, 1] .+ z[g, 2] .* x, σ)", {"z": 0}, (1, 2), (1, 2)
    ),
    "the factor with more levels": (
        f"{ALPHA}; c ~ filldist(Normal(0, 1), 3)\n y .~ Normal.(a[g] .+ c[h], σ)", {"a": 0}, (4, 1), (3, 1)
    ),
    "levels of another factor within a group": (
        "c ~ filldist(Normal(0, 1), 4, 3)\n y .~ Normal.([c[g[i], h[i]] for i in 1:12], σ)", {"c": 0}, (0, 3), (0, 3)
    ),
    "an upper level reached by an index of the groups": (
        "u ~ filldist(Normal(μ, 1), 2); a ~ MvNormal(u[upper], τ[1]^2 * I)\n y .~ Normal.(a[g], σ)", {"a": 0}, (3, 1), (0, 1)
    ),
    "locations that are effects of the same group": (
        f"{ALPHA}; b ~ MvNormal(a, τ[2]^2 * I)\n y .~ Normal.(a[g] .+ b[g] .* x, σ)", {"a": 0, "b": 0}, (1, 2), (0, 2)
    ),
    "locations of another group": (
        f"{ALPHA}; b ~ MvNormal(a[next], τ[2]^2 * I)\n y .~ Normal.(b[g] .* x, σ)", {"b": 0}, (5, 1), (0, 1)
    ),
    "a sum over groups": (
        f"{ALPHA}; b ~ filldist(Normal(0, 1), 4)\n y .~ Normal.(b[g] .+ sum(a), σ)", {"b": 0}, (5, 1), (1, 1)
    ),
    "a matrix that mixes groups": (
        "z ~ filldist(Normal(0, 1), 4); b ~ filldist(Normal(0, 1), 4); a = (τ * τ') * z\n y .~ Normal.(a[g] .+ b[g] .+ μ, σ)",
        {"b": 0}, (5, 1), (1, 2),
    ),
    "groups in the order of a transpose": (
        "z ~ filldist(Normal(0, 1), 4, 2); b = z'\n y .~ Normal.(μ .+ b[1, g] .+ b[2, g] .* x, σ)", {"z": 0}, (1, 2), (1, 2)
    ),
    "columns joined": (
        f"{ALPHA}; b ~ filldist(Normal(0, 1), 4); c = hcat(a, b)\n y .~ Normal.(c[g, 1] .+ c[g, 2] .* x, σ)",
        {"a": 0, "b": 0}, (1, 2), (0, 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPED)
def test_what_is_grouped(name: str) -> None:
    body, places, normals, columns = GROUPED[name]
    node = collapsed(body)
    groups = cast(ir.Groups, node.groups)
    found = {e.name: place for e, place in zip(node.effects, groups.effects, strict=True) if place is not None}
    assert found == places
    assert grouped_sizes(node.effects, groups) == normals
    assert column_counts(node.terms, groups) == columns


def test_an_effect_for_each_row_is_a_group_of_one_row() -> None:
    node = collapsed("θ ~ filldist(Normal(μ, τ[1]), 12)\n y ~ arraydist(Normal.(θ, fill(0.5, 12) .+ x .^ 2))")
    assert cast(ir.Groups, node.groups).axis.size == ROWS
    assert node.known_scale is not None


def test_without_a_factor_there_are_no_groups() -> None:
    assert collapsed("b ~ Normal(0, 1)\n y .~ Normal.(μ .+ b .* x, σ)").groups is None


def test_few_effects_need_no_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marginalize, "FEW_NORMALS", 5)
    assert collapsed(f"{ALPHA}\n y .~ Normal.(a[g], σ)").groups is None


def test_crossed_factors_too_large_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is sampled then, and the message says how many effects are too many."""
    monkeypatch.setattr(marginalize, "MOST_NORMALS", 3)
    body = f"{ALPHA}; c ~ filldist(Normal(0, 1), 3)\n y .~ Normal.(a[g] .+ c[h], σ)"
    with pytest.raises(
        NotCollapsible, match="too many effects beside those of the 4 groups for dense algebra: 4, the most is 3"
    ):
        collapse(bound(body).lowered.model)
    assert bound(body).marginalized == ()


def test_too_many_products_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marginalize, "MOST_NUMBERS", 5)
    with pytest.raises(NotCollapsible, match="products a gradient"):
        collapse(bound(f"{ALPHA}\n y .~ Normal.(a[g], σ)").lowered.model)


def test_many_effects_without_a_factor_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marginalize, "MOST_NORMALS", 1)
    with pytest.raises(NotCollapsible, match="too many effects for dense algebra: 2"):
        collapse(bound("b ~ Normal(0, 1)\n y .~ Normal.(μ .+ b .* x, σ)").lowered.model)


def test_an_array_read_before_it_is_drawn_is_refused() -> None:
    body = "a = zeros(4)\n c = sum(a)\n a .~ Normal(μ, τ[1])\n y .~ Normal.(a[g] .+ c, σ)"
    with pytest.raises(NotCollapsible, match="a is read before it is drawn"):
        collapse(bound(body).lowered.model)
