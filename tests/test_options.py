"""Values of `--set` and `--centring`."""

from __future__ import annotations

import unicodedata

import click
import pytest

from mlmdsl.options import Setting, read_centring, read_settings, read_value

_COMMAND = click.Command("run")
_CONTEXT = click.Context(_COMMAND)
_PARAM = click.Option(["--set"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("-2", -2),
        ("1_000", 1000),
        ("2.5", 2.5),
        ("1e-3", 0.001),
        ("true", True),
        ("false", False),
        ("missing", None),
        ("logit", "logit"),
        ("αⱼ", "αⱼ"),
        ('"2"', "2"),
        ('"true"', "true"),
        ('""', ""),
        ('"', '"'),
        ("", ""),
        ("True", "True"),
    ],
)
def test_values(text: str, value: Setting) -> None:
    found = read_value(text)
    assert found == value
    assert type(found) is type(value)


def test_settings_by_name() -> None:
    pairs = ("n_gr=2", "link = logit", "n_gr=3", "formula=a=b")
    assert read_settings(_CONTEXT, _PARAM, pairs) == {"n_gr": 3, "link": "logit", "formula": "a=b"}


def test_names_are_composed_as_those_of_a_spec() -> None:
    decomposed = unicodedata.normalize("NFD", "é")
    assert list(read_settings(_CONTEXT, _PARAM, (f"{decomposed}=1",))) == ["é"]


@pytest.mark.parametrize("pair", ["n_gr", "=2", " =2", ""])
def test_no_pair(pair: str) -> None:
    with pytest.raises(click.BadParameter, match="is no NAME=VALUE"):
        read_settings(_CONTEXT, _PARAM, (pair,))


def test_centring_of_all_and_of_one() -> None:
    decomposed = unicodedata.normalize("NFD", "é")
    found = read_centring(_CONTEXT, _PARAM, ["noncentred", "αⱼ = centred", f"{decomposed}=auto"])
    assert found == {"": "noncentred", "αⱼ": "centred", "é": "auto"}
    assert read_centring(_CONTEXT, _PARAM, []) == {}


@pytest.mark.parametrize("text", ["half", "αⱼ=half", "=centred", "αⱼ", ""])
def test_what_is_no_centring(text: str) -> None:
    with pytest.raises(click.BadParameter, match="none of auto, centred, noncentred"):
        read_centring(_CONTEXT, _PARAM, [text])
