"""Drivers and agents that hang, crash, babble or lie: each ends as the named error, soon, and the next play is not harmed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from fakes import Loopback, channel, honest, liar, play, runtime

from faultlab import driver as driver_module
from faultlab import lab as lab_module
from faultlab.errors import (
    AgentError,
    Disagreement,
    DriverBabbled,
    DriverCrashed,
    DriverHung,
    DriverNotReady,
    ForbiddenTarget,
    LabError,
    PeerFailed,
    Unsupported,
)
from faultlab.lab import Lab
from faultlab.runtimes import Driver
from faultlab.scenario import Expected
from faultlab.testbed import refuse_foreign

REFUSED = Expected("connect", "ECONNREFUSED")


def connects(lab: Lab) -> None:
    lab.client.connect(1)


LIARS: list[tuple[str, Driver, type[Exception], str]] = [
    ("never-answers", liar("pass"), DriverHung, "no answer to connect within 0.3 s"),
    ("exits", liar("sys.stderr.write('out of luck'); sys.exit(3)"), DriverCrashed, "ended with status 3: out of luck"),
    ("exits-before-ready", liar("sys.exit(4)", ready=False), DriverCrashed, "ended with status 4"),
    ("killed-before-ready", liar("os.kill(os.getpid(), 9)", ready=False), DriverCrashed, "ended by signal 9"),
    ("killed", liar("os.kill(os.getpid(), signal.SIGABRT)"), Disagreement, "'ConnectionRefusedError' expected, 'signal 6' seen"),
    ("ready-babble", liar("say('hello'); sys.stdin.read()", ready=False), DriverBabbled, "said 'hello'"),
    ("ready-other", liar("say('{\"v\": 2, \"event\": \"ready\"}'); sys.stdin.read()", ready=False), DriverBabbled, "not with a ready line"),
    ("not-json", liar("say('connected!')"), DriverBabbled, "said 'connected!'"),
    ("empty-line", liar("say('')"), DriverBabbled, "said ''"),
    ("not-an-object", liar("say('[1, 2]')"), DriverBabbled, "said '[1, 2]'"),
    ("deep", liar("say('[' * 100000)"), DriverBabbled, "said '[[["),
    ("not-utf-8", liar("os.write(1, b'\\xff\\xfe\\n')"), DriverBabbled, "said"),
    ("wrong-id", liar("request['id'] = 99; answer('ok')"), DriverBabbled, "answered request 99, which was not asked"),
    ("no-id", liar("say('{\"outcome\": \"ok\"}')"), DriverBabbled, "answered request None"),
    ("answers-twice", liar("say(chr(10).join([json.dumps({'id': 1, 'outcome': 'ok'})] * 2))"), DriverBabbled, "request 1"),
    ("unknown-outcome", liar("answer('fine')"), DriverBabbled, "'fine'"),
    ("no-outcome", liar("say(json.dumps({'id': request['id']}))"), DriverBabbled, "answered connect with"),
    ("elapsed-is-text", liar("answer('ok', elapsed='soon')"), DriverBabbled, "'soon'"),
    ("elapsed-is-nan", liar("answer('ok', elapsed=float('nan'))"), DriverBabbled, "nan"),
    ("chain-is-a-number", liar("answer('error', chain=5)"), DriverBabbled, "5"),
    ("message-is-a-list", liar("answer('error', message=[])"), DriverBabbled, "[]"),
    ("local-is-one", liar("answer('ok', local=['127.0.0.1'])"), DriverBabbled, "local"),
    ("no-newline", liar("os.write(1, b'x' * (3 << 20))"), DriverBabbled, "said 'xxx"),
    ("floods", liar("while True: say('{}')"), DriverBabbled, "request None"),
    ("stdout-closed", liar("os.close(1)"), DriverHung, "no answer"),
    ("always-ok", liar("answer('ok')"), Disagreement, "ECONNREFUSED expected, ok seen"),
    ("eof-of-a-connect", liar("answer('eof')"), Disagreement, "ECONNREFUSED expected, eof seen"),
    ("wrong-errno", liar("answer('error', errno=104)"), Disagreement, "'ECONNREFUSED' expected, 'ECONNRESET' seen"),
    ("no-such-errno", liar("answer('error', errno=999)"), Disagreement, "'E999' seen"),
    ("wrong-words", liar("answer('error', errno=111, message='refused')"), Disagreement, "'refused' seen"),
    ("unsupported", liar("answer('unsupported', message='no idea')"), LabError, "names none of connect"),
]  # fmt: skip


@pytest.mark.parametrize(("driver", "error", "words"), [pytest.param(*rest, id=name) for name, *rest in LIARS])
def test_liar(loopback: Loopback, driver: Driver, error: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if error is DriverHung:
        monkeypatch.setattr(lab_module, "PATIENCE", 0.3)
    began = time.monotonic()
    seen, problem = play(loopback, connects, REFUSED, driver=driver)
    assert type(problem) is error
    assert words in str(problem)
    assert seen.verdict == ("differs" if error is Disagreement else "lab-error")
    assert time.monotonic() - began < lab_module.PATIENCE + 10


def test_never_ready(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "READY_WITHIN", 0.2)
    _, problem = play(loopback, connects, REFUSED, driver=liar("sys.stdin.read()", ready=False))
    assert type(problem) is DriverNotReady
    assert "no ready line within 0.2 s" in str(problem)


def test_declared_gap_is_no_lie(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakes.runtime", lambda name="liar": runtime(name, unsupported={"connect": "a test's"}))
    seen, problem = play(loopback, connects, REFUSED, driver=liar("answer('unsupported', message='no idea')"))
    assert (type(problem), seen.verdict) == (Unsupported, "unsupported")


PEERS: list[tuple[str, Driver, type[Exception], str]] = [
    ("fails", liar("answer('error', errno='EADDRINUSE', message='taken')"), PeerFailed, "the peer's listen failed: taken"),
    ("gives-up", liar("answer('timeout')"), PeerFailed, "the peer's listen failed: timeout"),
    ("dies", liar("os.kill(os.getpid(), 9)"), DriverCrashed, "the peer driver at server ended by signal 9"),
    ("cannot", liar("answer('unsupported', message='no idea')"), PeerFailed, "the peer's listen is beyond its language: no idea"),
]


@pytest.mark.parametrize(("peer", "error", "words"), [pytest.param(*rest, id=name) for name, *rest in PEERS])
def test_peer_lies(loopback: Loopback, peer: Driver, error: type[Exception], words: str) -> None:
    """What the peer does has to succeed: its failure is never blamed on the program under observation."""
    seen, problem = play(loopback, lambda lab: lab.server.listen(0), peer=peer)
    assert type(problem) is error
    assert seen.verdict == "lab-error"
    assert words in str(problem)


def test_an_honest_play_after_all_that(loopback: Loopback) -> None:
    def story(lab: Lab) -> None:
        listener = lab.server.listen(0)
        assert listener.local is not None
        conn = lab.client.connect(listener.local[1])
        peer = lab.server.accept()
        conn.send(b"hello")
        peer.recv()
        peer.close()
        conn.until("CLOSE_WAIT")
        conn.recv()

    seen, problem = play(loopback, story, Expected("connect"), Expected("send", bytes=5), Expected("recv", "eof"))
    assert problem is None
    assert seen.verdict == "match"
    assert [o.symbol for o in seen.peer] == ["ok", "ok", "ok", "ok"]
    assert seen.peer[2].data == "hello"


def test_a_story_that_waits_in_vain(loopback: Loopback) -> None:
    def story(lab: Lab) -> None:
        listener = lab.server.listen(0)
        assert listener.local is not None
        lab.client.connect(listener.local[1]).until("CLOSE_WAIT", seconds=0.1)

    seen, _ = play(loopback, story, Expected("connect"))
    assert seen.reason == "WaitTimedOut: no CLOSE_WAIT within 0.1 s; last seen: ESTABLISHED"


def test_a_story_broken_off_by_what_the_program_saw(loopback: Loopback) -> None:
    """That the next step cannot be played is the consequence; what the program saw is the news."""

    def story(lab: Lab) -> None:
        lab.client.connect(1).until("ESTABLISHED")

    seen, problem = play(loopback, story, Expected("connect"), Expected("recv"))
    assert type(problem) is Disagreement
    assert seen.differences[0].startswith("step 1 (connect): ok expected, ECONNREFUSED seen")
    assert seen.differences[1].startswith("so the story was broken off: ")
    assert len(seen.differences) == 2


def test_a_mistake_in_a_story(loopback: Loopback) -> None:
    seen, problem = play(loopback, lambda lab: lab.client.levitate(), Expected("connect"))
    assert type(problem) is AttributeError
    assert seen.verdict == "lab-error"


# ---- targets -------------------------------------------------------------------------------------------------------

FOREIGN = ["8.8.8.8", "192.0.2.1", "10.0.0.1", "169.254.1.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "fec0::1", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", FOREIGN)
@pytest.mark.parametrize("does", ["connect", "connect-from", "listen", "bind"])
def test_foreign_target(loopback: Loopback, address: str, does: str) -> None:
    """Refused before the program is told anything: the driver here would say ok to everything."""
    stories: dict[str, Callable[[Lab], Any]] = {
        "connect": lambda lab: lab.client.connect(80, address=address),
        "connect-from": lambda lab: lab.client.connect(80, local=(address, 0)),
        "listen": lambda lab: lab.client.listen(80, address=address),
        "bind": lambda lab: lab.client.bind(80, address=address),
    }
    told: list[str] = []

    def tell(op: str, **parameters: object) -> int:
        told.append(op)
        return len(told)

    def story(lab: Lab) -> None:
        lab.client.driver.begin = tell  # type: ignore[method-assign]
        stories[does](lab)

    seen, problem = play(loopback, story, Expected("connect"))
    assert type(problem) is ForbiddenTarget
    assert address in str(problem)
    assert not told and not seen.observations


@pytest.mark.parametrize(
    "address", ["198.51.100.77", "203.0.113.1", "2001:db8::5", "127.0.0.1", "::1", "fe80::1%eth0", "0.0.0.0", "a.example"]
)
def test_target_of_the_lab(address: str) -> None:
    refuse_foreign(address)


# ---- agents --------------------------------------------------------------------------------------------------------

AGENTS = [
    ("ends", "sys.stderr.write('no luck'); sys.exit(7)", "the agent ended with status 7: no luck"),
    ("killed", "os.kill(os.getpid(), 9)", "the agent ended with status -9"),
    ("wrong-id", 'say(\'{"id": 5, "value": 1}\')', "answered 5 when asked 1 (counters)"),
    ("no-id", "say('{}')", "answered None when asked 1"),
    ("babbles", "say('segmentation fault')", "babbled b'segmentation fault'"),
    ("not-an-object", "say('3')", "babbled b'3'"),
    ("silent", "pass", "no answer within 0.2 s"),
    ("half-a-line", "os.write(1, b'{\"id\": 1')", "no answer within 0.2 s"),
]


@pytest.mark.parametrize(("body", "words"), [pytest.param(*rest, id=name) for name, *rest in AGENTS])
def test_lying_agent(body: str, words: str) -> None:
    agent = channel([*honest().argv[:3], "-c", f"import os, sys\ndef say(t): os.write(1, t.encode() + b'\\n')\nfor _ in sys.stdin: {body}"])
    try:
        with pytest.raises(AgentError) as caught:
            agent.ask("counters", 0.2 if "no answer" in words else 10, host="client")
        assert words in str(caught.value)
        assert agent.broken
    finally:
        agent.close()


def test_agent_that_is_gone_already() -> None:
    agent = channel([sys.executable, "-I", "-S", "-c", ""])
    try:
        agent.process.wait(10)
        with pytest.raises(AgentError, match="the agent ended with status 0"):
            agent.ask("counters", host="client")
        assert agent.broken
    finally:
        agent.close()


def test_agent_that_refuses_is_not_broken(loopback: Loopback) -> None:
    agent = loopback.agent()
    with pytest.raises(AgentError, match="counters: KeyError: 'nobody'"):
        agent.ask("counters", host="nobody")
    assert not agent.broken
    assert agent.ask("dropped") == 0


def test_agent_dies_in_a_play(loopback: Loopback) -> None:
    """The play is an error of the lab, and the next one gets an agent of its own."""

    def story(lab: Lab) -> None:
        lab.client.host.channel.process.kill()
        lab.client.connect(1)

    seen, problem = play(loopback, story, REFUSED)
    assert type(problem) is AgentError
    assert seen.verdict == "lab-error"
    first = loopback.agent()
    assert play(loopback, connects, REFUSED)[1] is None
    assert loopback.agent() is first
