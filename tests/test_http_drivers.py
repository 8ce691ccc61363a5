"""Every HTTP client is held to `runtimes/README.md`, on the loopback: ready line, fetch, its own words, and its manners."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from test_drivers import ANSWER_WITHIN, HOME, Conversation, closed_port, listener

from faultlab.errnos import name_of
from faultlab.errors import RuntimeUnavailable
from faultlab.lab import show
from faultlab.runtimes import Runtime, all_runtimes, playing
from faultlab.scenario import Expected, Observation

__all__ = ["closed_port", "listener"]  # fixtures
RUNTIMES = {name: runtime for name, runtime in all_runtimes().items() if runtime.kind == "http"}


@pytest.fixture(params=list(RUNTIMES))
def client(request: pytest.FixtureRequest) -> Iterator[Conversation]:
    try:
        talk = Conversation(RUNTIMES[request.param])
    except RuntimeUnavailable as e:
        pytest.skip(str(e))
    yield talk
    talk.close()


def answer(sock: socket.socket, data: bytes) -> bytes:
    """Take a request, to the end of its body, and answer it; returns the request."""
    conn, _ = sock.accept()
    with conn:
        conn.settimeout(ANSWER_WITHIN)
        got = b""
        while not got.endswith(b"\r\n\r\nhello"):
            got += conn.recv(4096)
        conn.sendall(data)
    return got


def test_manners(client: Conversation) -> None:
    assert (client.hello["v"], client.hello["event"]) == (1, "ready")
    assert client.ask("levitate")["outcome"] == client.ask("connect", sock="a", address=HOME, port=9)["outcome"] == "unsupported"
    assert client.end() == 0


def test_fetch(client: Conversation, listener: socket.socket) -> None:
    url = f"http://{HOME}:{listener.getsockname()[1]}/some/where"
    number = client.begin("fetch", sock="a", method="POST", url=url, data="hello", background=True)
    request = answer(listener, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
    assert request.startswith(b"POST /some/where HTTP/1.1\r\n") and request.endswith(b"\r\n\r\nhello")
    got = client.take(number)
    assert (got["outcome"], got["status"], got["bytes"], got["data"]) == ("ok", 200, 3, "yes")


def test_refused(client: Conversation, closed_port: int) -> None:
    url = f"http://{HOME}:{closed_port}/"
    got = client.ask("fetch", sock="a", method="GET", url=url)
    facts = {"when": "", "url": url, "path": "/", "verb": "Get", "remote": show((HOME, closed_port)), "remote_ip": HOME}
    saw = Observation(
        op="fetch", outcome="error", elapsed=0, message=got.get("message"), facts={**facts, "remote_port": str(closed_port)}
    )  # fmt: skip
    words = client.runtime.wording(Expected("fetch", "ECONNREFUSED", during="connect"), saw, {})
    assert (got["type"], got.get("message"), got.get("cause")) == (words.type, words.message, words.cause)
    assert tuple(got["chain"]) in words.chains and name_of(got.get("errno")) == words.errno


def test_who_plays_what() -> None:
    """The kinds do not mix, unless somebody asks for it; then the play says why it cannot be."""
    both: dict[str, Runtime] = all_runtimes()
    assert {both[n].kind for n in playing("tcp", None)} == {"tcp"} and set(playing("http", None)) == set(RUNTIMES)
    assert playing("http", ["go", "curl"]) == ["curl"] and playing("http", ["go"]) == ["go"]
