"""`@data "f.csv" delim=';' decimal=',' missing=["n/a", "."] begin`: read, printed, and what is wrong with it."""

from __future__ import annotations

import pytest

from mlmdsl.language.errors import SpecError
from mlmdsl.language.parse import parse, to_text
from mlmdsl.language.source import Source

BLOCK = "\n  y = y\nend\n"

HEADS = {
    """@data "f.csv" delim=';' decimal=',' missing=["n/a", "."] begin""": (";", ",", ("n/a", ".")),
    '@data delim=";" begin': (";", None, ()),
    "@data \"f.csv\" delim='\\t' begin": ("\t", None, ()),
    '@data "f.csv" missing="-" begin': (None, None, ("-",)),
    "@data \"f.csv\" missing=['.', '\"', '\\''] begin": (None, None, (".", '"', "'")),
    "@data \"f.csv\" delim = '|' decimal = ',' begin": ("|", ",", ()),
    '@data "f.csv" begin': (None, None, ()),
}


@pytest.mark.parametrize("head", HEADS)
def test_options(head: str) -> None:
    spec = parse(Source(head + BLOCK))
    assert spec.data is not None
    delimiter, decimal, missing = HEADS[head]
    assert spec.data.option("delim") == (() if delimiter is None else (delimiter,))
    assert spec.data.option("decimal") == (() if decimal is None else (decimal,))
    assert spec.data.option("missing") == missing
    assert list(spec.data.sources) == ["y"]
    assert parse(Source(to_text(spec))) == spec


WRONG = [
    ('@data "f.csv" sep=";" begin', 'sep=";"', "a table has no option `sep`"),
    ('@data "f.csv" delim=";;" begin', 'delim=";;"', "`delim` is what separates cells, one character"),
    ('@data "f.csv" delim="\\n" begin', 'delim="\\n"', "`delim` is what separates cells, one character"),
    ('@data "f.csv" delim="é" begin', 'delim="é"', "`delim` is what separates cells, one character"),
    ('@data "f.csv" delim=[";"] begin', 'delim=[";"]', "`delim` is what separates cells, one character"),
    ('@data "f.csv" decimal=";" begin', 'decimal=";"', "`decimal` is the decimal mark, one character"),
    ('@data "f.csv" delim=";" delim="," begin', 'delim=","', "the option `delim` is given twice"),
    ('@data "f.csv" delim begin', "begin", "expected `=` after `delim`"),
    ('@data "f.csv" delim=5 begin', "5", "expected a value after `=`"),
    ('@data "f.csv" missing=[] begin', "]", "expected a value before `]`"),
]


@pytest.mark.parametrize(("head", "place", "words"), WRONG)
def test_wrong_options(head: str, place: str, words: str) -> None:
    source = Source(head + BLOCK)
    with pytest.raises(SpecError) as raised:
        parse(source)
    (found,) = raised.value.diagnostics
    assert words in found.message
    assert found.span is not None
    assert source.excerpt(found.span) == place


def test_characters_in_quotes_stand_in_options_alone() -> None:
    with pytest.raises(SpecError, match="characters in single quotes"):
        parse(Source("@data \"f.csv\" delim=';' begin\n y = 'a'\nend"))
