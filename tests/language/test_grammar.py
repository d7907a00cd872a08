"""The parser's tables: what is kept parses as what is made, and nothing that is kept can run."""

from __future__ import annotations

import json
import pickle
import tempfile
from pathlib import Path

import pytest

from mlmdsl.language.grammar import build_parser
from mlmdsl.language.lexer import Lexicon, scan
from mlmdsl.library import shipped


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mlmdsl" / "grammar"


def test_kept_tables_parse_as_made_ones(cache: Path) -> None:
    made = build_parser()
    (kept,) = cache.iterdir()
    assert set(json.loads(kept.read_text())) == {"data", "memo"}
    before = kept.stat().st_mtime_ns
    restored = build_parser()
    assert kept.stat().st_mtime_ns == before
    assert made.source_path != restored.source_path == "<deserialized>"
    lexicon = Lexicon(restored.terminals)
    assert [terminal.name for terminal in made.terminals] == [terminal.name for terminal in restored.terminals]
    for spec in shipped():
        tokens = scan(spec.path.read_text(encoding="utf-8"), lexicon).tokens
        assert made.parse(tokens) == restored.parse(tokens)  # type: ignore[arg-type]


class _Hostile:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return open, (str(self.path), "w")


def _damaged(text: bytes) -> list[bytes]:
    whole = json.loads(text)
    return [
        b"",
        b"\xff\xfe",
        b"{}",
        b"[]",
        text[: len(text) // 2],
        json.dumps(whole | {"memo": {}}).encode(),
        json.dumps({**whole, "data": {**whole["data"], "parser": []}}).encode(),
        json.dumps({**whole, "data": {**whole["data"], "rules": [{"@": 10**9}]}}).encode(),
    ]


def test_what_is_damaged_is_made_anew(cache: Path, tmp_path: Path) -> None:
    build_parser()
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    for damaged in [*_damaged(whole), pickle.dumps(_Hostile(tmp_path / "HACKED"))]:
        kept.write_bytes(damaged)
        assert build_parser().source_path != "<deserialized>"
        assert build_parser().source_path == "<deserialized>"
    assert not (tmp_path / "HACKED").exists()


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_can_write_to_is_not_used(mode: int, cache: Path) -> None:
    build_parser()
    (kept,) = cache.iterdir()
    kept.write_text("{}")
    cache.chmod(mode)
    assert build_parser().terminals
    assert kept.read_text() == "{}"  # in a folder of the user's own it would have been made anew
