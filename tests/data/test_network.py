"""Addresses: answers that break off, drip, redirect or need a password, from servers on this machine."""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest
from click.testing import CliRunner

import mlmdsl
from mlmdsl.cli import app
from mlmdsl.data.network import Patience, download
from mlmdsl.data.tables import DataError, read_table

TABLE = b"x\n1\n2\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nConnection: close\r\n"
Talk = Callable[[socket.socket, bytes], None]
"""What a server says to one request, and on which connection."""


@contextmanager
def server(talk: Talk) -> Iterator[str]:
    """A server on this machine that answers each connection by itself, until the block ends."""
    stopped = threading.Event()

    def serve() -> None:
        while not stopped.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                request = connection.recv(2**16)
                try:
                    talk(connection, request)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        stopped.set()


def says(answer: bytes) -> Talk:
    return lambda connection, _: connection.sendall(answer)


def length(count: int) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % count


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
WHOLE = {
    "as long as it says": HEAD + length(len(TABLE)) + TABLE,
    "of unknown length": HEAD + b"\r\n" + TABLE,
    "in chunks": CHUNKED + b"2\r\nx\n\r\n4\r\n1\n2\n\r\n0\r\n\r\n",
}
CUT = {
    "shorter than it says": HEAD + length(100) + TABLE,
    "in the middle of a chunk": CHUNKED + b"6\r\nx\n1\n",
    "between chunks": CHUNKED + b"2\r\nx\n\r\n4\r\n1\n2\n\r\n",
    "in the head": b"HTTP/1.1 200",
    "at once": b"",
}


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE.keys())
def test_a_whole_answer_is_read(answer: bytes) -> None:
    with server(says(answer)) as address:
        assert read_table(f"{address}/a.csv").column("x").values.tolist() == [1, 2]


@pytest.mark.parametrize("answer", CUT.values(), ids=CUT.keys())
def test_an_answer_that_breaks_off_is_an_error(answer: bytes) -> None:
    with server(says(answer)) as address, pytest.raises(DataError, match="cannot be fetched|is empty"):
        read_table(f"{address}/a.csv")


@pytest.mark.parametrize("start", [HEAD + length(10**6), HEAD + b"X-Slow: ", b""], ids=["body", "head", "nothing"])
def test_a_server_that_drips_is_bounded_in_total(start: bytes) -> None:
    def drip(connection: socket.socket, _: bytes) -> None:
        connection.sendall(start)
        for _second in range(200):
            if start:
                connection.sendall(b"a")
            threading.Event().wait(0.05)

    began = monotonic()
    with server(drip) as address, pytest.raises(DataError, match="took longer than"):
        list(download(f"{address}/a.csv", Patience(start=0.4, rate=1000.0, pause=5.0)))
    assert monotonic() - began < 5  # the server goes on for ten seconds


def test_what_comes_buys_time() -> None:
    patience = Patience(start=2.0, rate=100.0, most=20.0)
    assert patience.ends(0) == 2.0
    assert patience.ends(1000) == 12.0
    assert patience.ends(10**9) == 20.0  # nobody sends for ever


@pytest.mark.parametrize(
    "target", ["ftp://127.0.0.1/a.csv", "file:///etc/passwd", "data:text/csv,x%0A1", "gopher://x/a.csv"]
)
def test_no_redirect_leaves_http(target: str) -> None:
    answer = b"HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: " + target.encode() + b"\r\n" + length(0)
    with server(says(answer)) as address, pytest.raises(DataError, match="cannot be fetched"):
        read_table(f"{address}/a.csv")


def test_a_redirect_within_http_is_followed() -> None:
    def talk(connection: socket.socket, request: bytes) -> None:
        if request.startswith(b"GET /b.csv"):
            connection.sendall(WHOLE["in chunks"])
        else:
            connection.sendall(b"HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: /b.csv\r\n" + length(0))

    with server(talk) as address:
        assert read_table(f"{address}/a.csv").rows == 2


def test_a_password_goes_to_the_server_and_nowhere_else(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def talk(connection: socket.socket, request: bytes) -> None:
        asked.append(request)
        connection.sendall(WHOLE["in chunks"] if b"/a.csv" in request else b"HTTP/1.1 404 No\r\n" + length(0))

    with server(talk) as address:
        secret = address.replace("://", "://ann:s3cret@")
        table = read_table(f"{secret}/a.csv")
        assert b"Authorization: Basic " + b64encode(b"ann:s3cret") in asked[0]
        assert (table.name, table.rows) == (f"{address.replace('://', '://***@')}/a.csv", 2)
        faults = [
            f"{secret}/b.csv",
            f"{secret}/b.xlsx",
            f"{secret}/b",
            "http://ann:s3cret@127.0.0.1:1/a.csv",
            "ftp://ann:s3cret@h/a.csv",
        ]
        for where in faults:
            spec = tmp_path / "m.mlm"
            spec.write_text(f'@data "{where}" begin\nx = x\nend\n@model function m(x)\nx .~ Normal(0, 1)\nend\n')
            for failing in (lambda w=where: read_table(w), lambda s=spec: mlmdsl.load(s).bind()):
                with pytest.raises(DataError) as raised:
                    failing()
                assert "s3cret" not in str(raised.value)


def test_the_table_is_not_fetched_where_addresses_are_forbidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spec = tmp_path / "m.mlm"
    asked: list[bytes] = []
    with server(lambda connection, request: asked.append(request)) as address:
        spec.write_text(f'@data "{address}/a.csv" begin\nx = x\nend\n@model function m(x)\nx .~ Normal(0, 1)\nend\n')
        for command in (["data", str(spec)], ["run", str(spec)], ["data", str(spec), "--data", f"{address}/b.csv"]):
            done = CliRunner().invoke(app, [*command, "--no-network"])
            assert done.exit_code == 2
            assert "--no-network forbids addresses" in done.output
        with pytest.raises(DataError, match="--no-network forbids addresses"):
            mlmdsl.load(spec, network=False).bind()
        monkeypatch.setenv("MLMDSL_NO_NETWORK", "1")
        with pytest.raises(DataError, match="MLMDSL_NO_NETWORK=1 forbids addresses"):
            mlmdsl.load(spec).bind()
    assert asked == []


@pytest.mark.parametrize("where", ["ftp://x.org/a.csv", "file:///a.csv", "s3://bucket/a.csv"])
def test_other_schemes_are_refused(where: str) -> None:
    with pytest.raises(DataError, match="neither a file nor an http"):
        read_table(where)
