"""Every driver is held to `runtimes/README.md`, on the loopback: ready line, the table of operations, its own words, and its manners.

A runtime whose toolchain is missing is skipped, with the reason. What a language cannot do has to be declared in its `runtime.toml`.
"""

from __future__ import annotations

import json
import math
import select
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from faultlab.driver import PROTOCOL
from faultlab.errnos import name_of
from faultlab.errors import RuntimeUnavailable
from faultlab.lab import show
from faultlab.runtimes import Runtime, all_runtimes
from faultlab.scenario import Expected, Observation

HOME = "127.0.0.1"
ANSWER_WITHIN = 30.0
Answer = dict[str, Any]


class Conversation:
    """A driver as a plain subprocess. `ask` is one request and its answer; `begin` and `take` are the two halves."""

    def __init__(self, runtime: Runtime) -> None:
        driver = runtime.prepare()
        self.runtime, self._id, self._buffer = runtime, 0, b""
        self.waiting: dict[int, Answer] = {}
        self.process = subprocess.Popen(
            driver.argv, env=dict(driver.env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.hello = self.line()

    def line(self) -> Answer:
        assert self.process.stdout is not None
        fd, end = self.process.stdout, time.monotonic() + ANSWER_WITHIN
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([fd], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"the {self.runtime.name} driver said nothing for {ANSWER_WITHIN:g} s"
            chunk = fd.read1(65536)  # type: ignore[attr-defined]
            assert chunk, f"the {self.runtime.name} driver ended"
            self._buffer += chunk
        text, _, self._buffer = self._buffer.partition(b"\n")
        answer = json.loads(text.decode("utf-8"))
        assert isinstance(answer, dict)
        return answer

    def begin(self, op: str, **parameters: Any) -> int:
        assert self.process.stdin is not None
        self._id += 1
        request = {"id": self._id, "op": op, **{k: v for k, v in parameters.items() if v is not None}}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        return self._id

    def take(self, number: int) -> Answer:
        while number not in self.waiting:
            answer = self.line()
            self.waiting[answer["id"]] = answer
        return self.waiting.pop(number)

    def ask(self, op: str, **parameters: Any) -> Answer:
        answer = self.take(self.begin(op, **parameters))
        assert answer["op"] == op
        assert answer["outcome"] in ("ok", "eof", "timeout", "error", "unsupported")
        if answer["outcome"] != "unsupported":  # then nothing was done that takes time
            assert abs(answer["t"] - time.time()) < 60, "t is wall-clock seconds since 1970"
            assert math.isfinite(answer["elapsed"]) and 0 <= answer["elapsed"] < 60
        return answer

    def end(self) -> int:
        """End its standard input; returns its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(10)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


RUNTIMES = {name: runtime for name, runtime in all_runtimes().items() if runtime.kind == "tcp"}


@pytest.fixture(scope="module", params=list(RUNTIMES))
def runtime(request: pytest.FixtureRequest) -> Runtime:
    found = RUNTIMES[request.param]
    try:
        found.prepare()
    except RuntimeUnavailable as e:
        pytest.skip(str(e))
    return found


@pytest.fixture
def driver(runtime: Runtime) -> Iterator[Conversation]:
    talk = Conversation(runtime)
    yield talk
    talk.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((HOME, 0)) as sock:
        sock.settimeout(ANSWER_WITHIN)
        yield sock


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken and where nobody listens: whoever connects is refused, and nobody else can get it meanwhile."""
    with socket.socket() as sock:
        sock.bind((HOME, 0))
        yield sock.getsockname()[1]


@pytest.fixture
def peer(driver: Conversation, listener: socket.socket) -> Iterator[socket.socket]:
    """The other end of the driver's connection `a`."""
    port = listener.getsockname()[1]
    answer = driver.ask("connect", sock="a", address=HOME, port=port)
    sock, address = listener.accept()
    with sock:
        sock.settimeout(ANSWER_WITHIN)
        assert answer["outcome"] == "ok"
        assert answer["remote"] == [HOME, port]
        assert answer["local"] == list(address)
        yield sock


def as_expected(driver: Conversation, want: Expected, answer: Answer, **facts: str) -> None:
    """The answer is in the words that the runtime's rules have for it."""
    names = ("errno", "type", "message")
    saw = Observation(op=answer["op"], outcome=answer["outcome"], elapsed=answer["elapsed"], facts={"when": "", **facts})
    words = driver.runtime.wording(want, saw, {})
    assert (answer["outcome"], name_of(answer.get("errno")), *(answer.get(n) for n in names[1:])) == (
        words.outcome,
        *(getattr(words, n) for n in names),
    )
    assert tuple(answer.get("chain", ())) in words.chains or words.outcome != "error"


def ends(local: list[Any], remote: list[Any]) -> dict[str, str]:
    return {"local": show((local[0], local[1])), "remote": show((remote[0], remote[1]))}


# ---- the conversation ----------------------------------------------------------------------------------------------


def test_ready(driver: Conversation) -> None:
    assert (driver.hello["v"], driver.hello["event"]) == (PROTOCOL, "ready")
    assert driver.hello["runtime"] and driver.hello["version"]


def test_ends_with_its_standard_input(driver: Conversation) -> None:
    assert driver.end() == 0
    assert driver.process.stderr is not None and driver.process.stderr.read() == b""


def test_ends_although_an_operation_is_blocked(driver: Conversation, peer: socket.socket) -> None:
    driver.begin("recv", sock="a", background=True)
    assert driver.end() == 0


def test_invented_operation(driver: Conversation) -> None:
    answer = driver.ask("levitate", sock="a", height=3)
    assert answer["outcome"] == "unsupported" and answer["message"]
    assert driver.ask("levitate")["outcome"] == "unsupported"  # and it goes on


def test_invented_option(driver: Conversation, peer: socket.socket) -> None:
    assert driver.ask("option", sock="a", name="warp", value=9)["outcome"] == "unsupported"
    assert driver.ask("send", sock="a", data="still here")["outcome"] == "ok"


def test_answers_have_their_request_s_number(driver: Conversation) -> None:
    numbers = [driver.begin("levitate") for _ in range(20)]
    assert [driver.line()["id"] for _ in numbers] == numbers


# ---- operations ----------------------------------------------------------------------------------------------------


def test_exchange(driver: Conversation, peer: socket.socket) -> None:
    """connect, send, recv, end of stream, close."""
    sent = driver.ask("send", sock="a", data="ping")
    assert (sent["outcome"], sent["bytes"]) == ("ok", 4)
    assert peer.recv(100) == b"ping"
    peer.sendall(b"pong!")
    got = driver.ask("recv", sock="a")
    assert (got["outcome"], got["bytes"], got["data"]) == ("ok", 5, "pong!")
    peer.shutdown(socket.SHUT_WR)
    assert driver.ask("recv", sock="a")["outcome"] == "eof"
    assert driver.ask("recv", sock="a")["outcome"] in ("eof", "error")
    assert driver.ask("close", sock="a")["outcome"] == "ok"
    assert peer.recv(100) == b""


def test_send_all_of_a_size(driver: Conversation, peer: socket.socket) -> None:
    number = driver.begin("send", sock="a", size=1_000_000, background=True)
    got = 0
    while got < 1_000_000:
        got += len(peer.recv(1 << 16))
    assert driver.take(number)["bytes"] == got == 1_000_000


def test_recv_no_more_than_asked(driver: Conversation, peer: socket.socket) -> None:
    peer.sendall(b"abcdef")
    peer.close()
    got = driver.ask("recv", sock="a", max=4)
    assert (got["bytes"], got["data"]) == (4, "abcd")
    assert driver.ask("recv", sock="a", max=4)["data"] == "ef"


def test_no_data_beyond_1024_bytes(driver: Conversation, peer: socket.socket) -> None:
    peer.sendall(b"x" * 5000)
    peer.close()
    total = 0
    while (got := driver.ask("recv", sock="a", max=5000))["outcome"] == "ok":
        assert got["bytes"] <= 1024 or "data" not in got
        total += got["bytes"]
    assert (total, got["outcome"]) == (5000, "eof")


def test_listen_and_accept(driver: Conversation) -> None:
    answer = driver.ask("listen", sock="l", address=HOME, port=0)
    assert answer["outcome"] == "ok"
    host, port = answer["local"]
    assert host == HOME and port > 0
    with socket.create_connection((HOME, port), ANSWER_WITHIN) as peer:
        got = driver.ask("accept", sock="l", **{"as": "b"})
        assert (got["outcome"], got["local"], got["remote"]) == ("ok", [HOME, port], list(peer.getsockname()))
        peer.sendall(b"hi")
        assert driver.ask("recv", sock="b")["data"] == "hi"
        assert driver.ask("close", sock="b")["outcome"] == "ok"
        assert peer.recv(10) == b""
    assert driver.ask("close", sock="l")["outcome"] == "ok"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOME, port), ANSWER_WITHIN)


def test_background(driver: Conversation, peer: socket.socket) -> None:
    """An operation that runs beside the others is answered when it ends."""
    reading = driver.begin("recv", sock="a", background=True)
    assert driver.ask("send", sock="a", data="meanwhile")["outcome"] == "ok"
    assert peer.recv(100) == b"meanwhile"
    peer.sendall(b"now")
    assert driver.take(reading)["data"] == "now"


def test_half_close(driver: Conversation, peer: socket.socket) -> None:
    answer = driver.ask("shutdown", sock="a", how="wr")
    if answer["outcome"] == "unsupported":
        assert {"shutdown", "shutdown.how"} & driver.runtime.unsupported.keys()
        pytest.skip(answer["message"])
    assert peer.recv(10) == b""
    peer.sendall(b"late")
    peer.close()
    assert driver.ask("recv", sock="a")["data"] == "late"


def test_ipv6(driver: Conversation) -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as e:
        pytest.skip(f"no IPv6 here: {e}")
    with server:
        port = server.getsockname()[1]
        answer = driver.ask("connect", sock="a", address="::1", port=port)
        assert (answer["outcome"], answer["remote"], answer["local"][0]) == ("ok", ["::1", port], "::1")


# ---- errors, by the runtime's own rules ----------------------------------------------------------------------------


def test_refused(driver: Conversation, closed_port: int) -> None:
    answer = driver.ask("connect", sock="a", address=HOME, port=closed_port)
    facts = {"remote": show((HOME, closed_port)), "remote_ip": HOME, "remote_port": str(closed_port)}
    as_expected(driver, Expected("connect", "ECONNREFUSED"), answer, **facts)


def test_reset(driver: Conversation, peer: socket.socket) -> None:
    local, remote = list(peer.getpeername()), list(peer.getsockname())
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    reading = driver.begin("recv", sock="a", background=True)
    peer.close()
    as_expected(driver, Expected("recv", "ECONNRESET"), driver.take(reading), **ends(local, remote))


def test_port_in_use(driver: Conversation, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    answer = driver.ask("listen", sock="l", address=HOME, port=port)
    facts = {"local": show((HOME, port)), "local_ip": HOME, "local_port": str(port), "when": ""}
    as_expected(driver, Expected("listen", "EADDRINUSE"), answer, **facts)


def test_own_timer(driver: Conversation, peer: socket.socket) -> None:
    local, remote = list(peer.getpeername()), list(peer.getsockname())
    answer = driver.ask("deadline", sock="a", seconds=0.05, which="recv")
    if answer["outcome"] == "unsupported":
        assert {"deadline", "deadline.seconds", "deadline.which"} & driver.runtime.unsupported.keys()
        pytest.skip(answer["message"])
    got = driver.ask("recv", sock="a")
    as_expected(driver, Expected("recv", "DEADLINE"), got, **ends(local, remote))
    assert 0.04 <= got["elapsed"] < 5


def test_use_after_close(driver: Conversation, peer: socket.socket) -> None:
    local, remote = list(peer.getpeername()), list(peer.getsockname())
    assert driver.ask("close", sock="a")["outcome"] == "ok"
    answer = driver.ask("send", sock="a", data="more")
    if answer["outcome"] == "unsupported":
        assert "closed" in driver.runtime.unsupported
        pytest.skip(answer["message"])
    as_expected(driver, Expected("send", "CLOSED"), answer, **{**ends(local, remote), "when": "closed"})


def test_a_socket_nobody_made(driver: Conversation) -> None:
    """The lab never asks that; whatever the driver says, it says it and goes on."""
    assert driver.ask("recv", sock="nobody")["outcome"] in ("error", "unsupported")
    assert driver.ask("levitate")["outcome"] == "unsupported"
