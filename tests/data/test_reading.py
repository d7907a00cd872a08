"""Files and addresses: endings, encodings, lines, and the nearest name."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mlmdsl.data.dialect import dialect_of
from mlmdsl.data.reading import ending, read_bytes
from mlmdsl.data.tables import read_table
from mlmdsl.data.text import line_of_row
from mlmdsl.language.errors import DataError


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("a.csv", ".csv"),
        ("data/A.TSV", ".tsv"),
        ("a.csv.gz", ".csv"),
        ("http://x.org/a.parquet?raw=1.zip", ".parquet"),
        ("https://x.org/a%2Ecsv", ".csv"),
        ("a.b.feather", ".feather"),
    ],
)
def test_endings(where: str, wanted: str) -> None:
    assert ending(where) == wanted


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("a.xlsx", "unknown ending `.xlsx`\n  hint: save the sheet as .csv"),
        ("a.txt", "unknown ending `.txt`\n  hint: known endings: .csv .tsv .parquet .feather .arrow"),
        ("table", "the file name has no ending"),
        ("a.zip.gz", "unknown ending `.zip`"),
        ("http://[/a.csv", "is not an address"),
    ],
)
def test_unknown_endings(where: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        ending(where)
    assert words in str(caught.value)


@pytest.mark.parametrize(("row", "line"), [(1, 2), (2, 4), (3, 7), (4, None)])
def test_lines_count_blank_ones_and_line_breaks_in_quotes(row: int, line: int | None) -> None:
    content = b'x,y\n1,2\n\n3,"a\nb"\n\n5,6\n'
    assert line_of_row(content, dialect_of(content, "a.csv"), row) == line


def test_files_are_found_from_the_base(tmp_path: Path) -> None:
    (tmp_path / "cheese.csv").write_text("x\n1\n")
    assert read_bytes("cheese.csv", tmp_path) == b"x\n1\n"
    assert read_bytes(str(tmp_path / "cheese.csv"), Path("/elsewhere")) == b"x\n1\n"


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("cheeze.csv", "there is no file `cheeze.csv`\n  hint: did you mean `cheese.csv`?"),
        ("none/cheese.csv", "hint: there is no folder"),
        ("folder.csv", "`folder.csv` is not a file"),
        ("plain.csv.gz", "is not a gzip file"),
        ("cut.csv.gz", "is not a gzip file"),
        ("x" * 5000 + ".csv", "cannot be read"),
        ("a\0.csv", "a\0.csv"),
        ("http://127.0.0.1:1/a.csv", "cannot be fetched"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, where: str, words: str) -> None:
    (tmp_path / "cheese.csv").write_text("x\n1\n")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "plain.csv.gz").write_bytes(b"x\n1\n")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"x\n1\n" * 100)[:20])
    with pytest.raises(DataError) as caught:
        read_bytes(where, tmp_path)
    assert words in str(caught.value)


class _Answer(BaseHTTPRequestHandler):
    """Answers /a.csv with a table, anything else with 404."""

    def do_GET(self) -> None:
        found = self.path == "/a.csv"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(b"x\n1\n2\n" if found else b"")

    def log_message(self, format: str, *args: object) -> None:
        """No line on stderr."""


@pytest.fixture
def address() -> Iterator[str]:
    """A server on this machine."""
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_addresses(address: str) -> None:
    assert read_table(f"{address}/a.csv").column("x").values.tolist() == [1, 2]
    with pytest.raises(DataError, match="cannot be fetched: HTTP Error 404"):
        read_table(f"{address}/b.csv")
