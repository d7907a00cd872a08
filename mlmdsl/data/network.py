"""What an `http(s)://` address answers with: whole or not at all, in bounded time, and never anything but http(s).

The answer is taken by a thread, so that nothing a server does (sending byte by byte, resolving for ever, stalling in a
handshake) keeps the caller longer than its patience; what is slow but goes on is given more time with what has come.
A user name and password in an address go to that server alone, and into no message.
"""

from __future__ import annotations

import os
import queue
import re
import threading
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from mlmdsl.language.errors import DataError, Diagnostic, without_passwords

SWITCH = "MLMDSL_NO_NETWORK"
"""The environment variable that forbids addresses, unless it is empty or 0."""

_STEP = 2**20


@dataclass(frozen=True)
class Patience:
    """How long an answer may take: `start` seconds, and one more for each `rate` bytes, `most` in all; `pause` without any
    byte."""

    start: float = 60.0
    rate: float = 50_000.0
    pause: float = 60.0
    most: float = 7200.0

    def ends(self, received: int) -> float:
        """The seconds that an answer of which so much has come may have taken."""
        return min(self.start + received / self.rate, self.most)


PATIENCE = Patience()


def network_forbidden(allowed: bool = True) -> str | None:
    """What forbids an address, if anything does."""
    if not allowed:
        return "--no-network"
    return f"{SWITCH}={os.environ[SWITCH]}" if os.environ.get(SWITCH, "") not in ("", "0") else None


def download(url: str, patience: Patience = PATIENCE) -> Iterator[bytes]:
    """The bytes of an address, in pieces.

    Raises:
        DataError: it cannot be reached, answers with an error, redirects to something else than http(s), breaks off
            before its end, or takes too long.
    """
    started, received = monotonic(), 0
    fetch = _Fetch(url, patience)
    try:
        while True:
            remaining = started + patience.ends(received) - monotonic()
            try:
                piece = fetch.pieces.get(timeout=max(remaining, 0.0))
            except queue.Empty:
                raise _fault(
                    url, f"it took longer than {patience.ends(received):.0f} s, with {received} bytes"
                ) from None
            if isinstance(piece, BaseException):
                raise _fault(url, _reason(piece)) from None
            if piece is None:
                return
            received += len(piece)
            yield piece
    finally:
        fetch.abandoned.set()


def _fault(url: str, reason: str) -> DataError:
    return DataError([Diagnostic(without_passwords(f"`{url}` cannot be fetched: {reason}"))])


def _reason(error: BaseException) -> str:
    if isinstance(error, URLError) and not isinstance(error, HTTPError):
        return str(error.reason)
    return str(error) or type(error).__name__


class _Fetch:
    """A thread that puts pieces of an answer into a queue: bytes, then None at the end, or what went wrong."""

    def __init__(self, url: str, patience: Patience) -> None:
        self.url, self.patience = url, patience
        self.pieces: queue.Queue[bytes | BaseException | None] = queue.Queue(maxsize=4)
        self.abandoned = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            for piece in _pieces(self.url, self.patience.pause):
                self._put(piece)
                if self.abandoned.is_set():
                    return
            self._put(None)
        except Exception as error:  # whatever the libraries raise belongs to the thread that waits
            self._put(error)

    def _put(self, piece: bytes | BaseException | None) -> None:
        while not self.abandoned.is_set():
            try:
                self.pieces.put(piece, timeout=0.1)
            except queue.Full:
                continue
            return


def _pieces(url: str, pause: float) -> Iterator[bytes]:
    """The body as it comes. ValueError where it ends before the length that it announced."""
    with _opener().open(_request(url), timeout=pause) as answer:
        announced = answer.headers.get("Content-Length", "")
        received = 0
        while piece := answer.read1(_STEP):
            received += len(piece)
            yield piece
        chunked = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()
        if announced.isdigit() and received < int(announced) and not chunked:
            raise ValueError(f"the answer broke off after {received} of {announced} bytes")


def _request(url: str) -> Any:
    """A request of an address, its user name and password as the header that they are."""
    from urllib.request import Request

    parts = urlsplit(url)
    user, mark, host = parts.netloc.rpartition("@")
    path, query = (quote(part, safe="%/:=&?~+!$,;'@()*[]") for part in (parts.path, parts.query))
    request = Request(urlunsplit(SplitResult(parts.scheme, host, path, query, "")))
    if mark:
        request.add_unredirected_header("Authorization", f"Basic {b64encode(unquote(user).encode()).decode()}")
    return request


def _opener() -> Any:
    """What opens http and https, and nothing else; a redirect may go to https, or stay where it is."""
    from urllib import request

    class Redirects(request.HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            scheme = urlsplit(newurl).scheme.lower()
            if "@" in urlsplit(newurl).netloc:
                raise URLError("it redirects to an address with a user name")
            if scheme not in ("https", req.type):
                raise URLError(f"it redirects from {req.type} to {scheme or 'no'} address")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler, request.HTTPHandler, request.HTTPSHandler, request.HTTPDefaultErrorHandler,
        Redirects, request.HTTPErrorProcessor, request.UnknownHandler,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener


def scheme_of(where: str) -> str | None:
    """The scheme of an address, `ftp` of `ftp://…`; None for a path."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", where)
    return found[1].lower() if found else None
