"""A testbed for the harness's own tests, and drivers and agents that lie on purpose.

`Loopback` is a backend without namespaces: one real agent serves the machine's own loopback as both hosts, without capture and without
settings. So the whole conversation with agent and drivers is the real one, and needs neither root nor a network. It is no place for a
fault: whatever is played on it may only use addresses 127.0.0.0/8 and ports that the kernel picks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import faultlab
from faultlab import identity
from faultlab.catalogue import Entry
from faultlab.errors import BackendUnavailable
from faultlab.play import Play, Player
from faultlab.remote import Channel, RemoteHost, RemoteTestbed, interrupt_safe_popen
from faultlab.runtimes import Driver, Runtime, all_runtimes
from faultlab.scenario import Expected, Scenario
from faultlab.testbed import Plan

ADDRESSES = {"client": ("127.0.0.1", "::1"), "server": ("127.0.0.2", "::1")}
PACKAGE = str(Path(faultlab.__file__).parents[1])


def channel(argv: list[str], name: str = "agent") -> Channel:
    """The pipe to an agent, or to a program that pretends to be one."""
    path = os.pathsep.join(filter(None, [PACKAGE, os.environ.get("PYTHONPATH")]))
    return Channel(
        interrupt_safe_popen(argv, env={**os.environ, "PYTHONPATH": path, identity.VARIABLE: identity.own()}, start_new_session=True), name
    )


class Loopback:
    """A backend whose hosts are this machine's own loopback."""

    name: ClassVar[str] = "loopback"
    virtual: ClassVar[bool] = False
    foreign: ClassVar[bool] = False
    parallel: ClassVar[bool] = False

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self.beds = 0

    def check(self) -> None:
        """It is always there."""

    def close(self) -> None:
        """End the agent."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def agent(self) -> Channel:
        """The session's agent; a new one after a channel broke."""
        if self._channel is not None and self._channel.broken:
            self.close()
        if self._channel is None:
            self._channel = channel([sys.executable, "-m", "faultlab.agent"], "loopback agent")
            self._channel.read(30)
        return self._channel

    @contextmanager
    def testbed(self, plan: Plan) -> Iterator[RemoteTestbed]:
        """Both hosts on the loopback; the drivers are ended on exit."""
        agent = self.agent()
        self.beds += 1
        try:
            hosts = {}
            for name, addresses in ADDRESSES.items():
                interfaces = agent.ask("adopt", host=name, capture=False)
                hosts[name] = RemoteHost(name, agent, addresses, interfaces, interface="lo")
            yield RemoteTestbed(plan, [agent], hosts, f"linux-{os.uname().release}")
        finally:
            if not agent.broken:
                agent.ask("teardown")


class Nowhere:
    """A backend that is not available anywhere."""

    name: ClassVar[str] = "nowhere"
    virtual: ClassVar[bool] = False
    foreign: ClassVar[bool] = False
    parallel: ClassVar[bool] = False

    def check(self) -> None:
        """Say so."""
        raise BackendUnavailable(self.name, "it is a test's", "none is needed")

    @contextmanager
    def testbed(self, plan: Plan) -> Iterator[RemoteTestbed]:
        """Never called."""
        yield from ()
        raise AssertionError("a backend that is not available was used")

    def close(self) -> None:
        """Nothing is kept."""


READY = """
import json, os, signal, sys
def say(text): os.write(1, text.encode() + b"\\n")
def answer(outcome, **more):
    say(json.dumps({"id": request["id"], "op": request["op"], "outcome": outcome, "t": 1.0, "elapsed": 0.001, **more}))
"""
SERVE = 'say(\'{"v": 1, "event": "ready", "runtime": "liar", "version": "1"}\')\nfor line in sys.stdin:\n    request = json.loads(line)\n'


def liar(body: str, *, ready: bool = True) -> Driver:
    """A driver whose answer to each request is `body`; or, not ready, a program that is `body`."""
    text = READY + (SERVE + "".join(f"    {line}\n" for line in body.splitlines()) if ready else body)
    return Driver((sys.executable, "-I", "-S", "-c", text), {}, "1")


def honest() -> Driver:
    """The Python driver, which needs no build and therefore no cache."""
    return Driver((sys.executable, "-I", "-S", str(all_runtimes()["python"].folder / "driver.py")), {}, "1")


def runtime(name: str = "liar", **config: Any) -> Runtime:
    """A runtime that spells everything as Python does, with some of its folder's data changed."""
    python = all_runtimes()["python"]
    return Runtime(name, python.folder, {**python.config, "unsupported": {}, **config})


def play(
    backend: Loopback, story: Callable[[Any], None], *expected: Expected, driver: Driver | None = None, peer: Driver | None = None,
    **more: Any,
) -> tuple[Play, Exception | None]:  # fmt: skip
    """Play a story on the loopback with these two drivers; an honest one where none is given."""
    scenario = Scenario(title="a test's", spec="#", expected=expected, **more)
    observed, other = runtime(), runtime("peer")
    player = Player(slow=10, peer=other)
    player._drivers |= {"liar": driver or honest(), "peer": peer or honest()}
    return player.play(Entry("a-test", "connect", scenario, story, "A test.", Path(__file__)), observed, backend)
