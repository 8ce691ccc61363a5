"""Both ends on this machine's own loopback, with a user's ordinary rights: what any system can play of the catalogue.

There is no agent and no namespace. Programs are started directly, and all the lab can do to them is what a user can: talk to them, send
them signals, and read which connections there are (`connections`). So nothing can be thrown away, forged, captured or counted: a story
that asks for such a thing is not available here, and is found out by asking. What is left are the failures that the peer makes: a close, a
reset, an answer that never comes. The play says that the wire was not seen; its verdict is about what the programs saw, and proves no more.

Nothing leaves: an operation that would send anywhere but to the loopback, ask a name server, or listen where others can reach it is refused
before the program hears of it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import platform
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from faultlab import identity
from faultlab.connections import GVISOR, connections
from faultlab.errors import AgentError, BackendUnavailable
from faultlab.remote import ANSWER_WITHIN, Channel, RemoteHost, RemoteTestbed
from faultlab.testbed import Plan

WAYS_ON = "play it where hosts have networks of their own: --backend netns, --backend docker, --backend uml"
BLIND = "not seen: without privilege nothing on a loopback can be captured, and its counters are everybody's"
STACK = "FAULTLAB_STACK"
"""Environment: what the network stack is called, where the system does not say which version it is (gVisor)."""
PORTS = range(2000, 10000)
"""Below every system's ephemeral ports (FreeBSD's begin at 10000), so that none is given to a client between the look and the use."""
BLOCK = 500
"""So many of them a process takes at a time."""
NEEDS = {
    "run": "a packet filter of its own",
    "inject": "segments that no kernel sent",
    "sockets": "the sockets of one host apart from the other's",
    "sysctl": "kernel settings of its own",
    "route": "routes of its own",
    "lookup": "routes of its own",
    "link": "a link of its own",
    "address": "addresses of its own",
    "file": "files of its own in the place of the machine's",
    "destroy": "an administrator's right to destroy sockets",
}
TICK = 0.002 if sys.platform == "linux" else 0.02  # how often states are looked at: elsewhere that starts a program


def lacks(what: str) -> BackendUnavailable:
    """It cannot be played here, because it needs that."""
    return BackendUnavailable("native", f"it needs {what}", WAYS_ON)


class Native:
    """This machine's loopback."""

    name: ClassVar[str] = "native"
    virtual: ClassVar[bool] = False
    foreign: ClassVar[bool] = False
    parallel: ClassVar[bool] = False

    def check(self) -> None:
        """Raise BackendUnavailable where there is no loopback to listen at."""
        try:
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
        except OSError as e:
            raise BackendUnavailable(self.name, f"there is no loopback: {e}", "ip link set lo up") from e

    @contextmanager
    def testbed(self, plan: Plan) -> Iterator[RemoteTestbed]:
        """Two names for the same machine; on exit every program is gone."""
        if plan.settings:
            raise lacks(f"kernel settings of its own ({', '.join(sorted(plan.settings))})")
        if plan.router:
            raise lacks("a router between the two")
        if plan.published:
            raise lacks("a container engine that publishes a port")
        direct = Direct()
        try:
            hosts = {name: RemoteHost(name, direct, ("127.0.0.1", "::1"), {}, interface="lo") for name in ("client", "server")}
            bed = RemoteTestbed(plan, [direct], hosts, stack())
            bed.blind, bed.ports = BLIND, direct.port
            yield bed
        finally:
            direct.close()

    def close(self) -> None:
        """Nothing outlives a play."""


def stack() -> str:
    """The network stack of this system, as its plays name it."""
    if name := os.environ.get(STACK):
        return name
    system = "gvisor" if platform.version() == GVISOR else platform.system().lower()
    return f"{system}-{platform.version() if system == 'windows' else platform.release()}"


class Started:
    """A program that runs; what it says goes where all events go."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str], events: queue.SimpleQueue[dict[str, Any]]) -> None:
        self.name, self._events = name, events
        self.popen = subprocess.Popen(
            list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            env={**os.environ, **env, identity.VARIABLE: identity.own()}, start_new_session=True,
        )  # fmt: skip
        self._words: list[bytes] = []
        work: tuple[Callable[[], None], ...] = (self._lines, self._errors, self._end)
        self._threads = [threading.Thread(target=each, daemon=True) for each in work]
        for thread in self._threads:
            thread.start()

    def _lines(self) -> None:
        assert self.popen.stdout is not None
        partial = b""
        with suppress(OSError, ValueError):
            while chunk := self.popen.stdout.read(1 << 16):
                *whole, partial = (partial + chunk).split(b"\n")
                for line in whole:
                    self._tell({"event": "line", "line": line.decode(errors="replace").rstrip("\r")})

    def _errors(self) -> None:
        assert self.popen.stderr is not None
        with suppress(OSError, ValueError):
            while chunk := self.popen.stderr.read(1 << 16):
                self._words = [b"".join([*self._words, chunk])[-65536:]]

    def _end(self) -> None:
        status = self.popen.wait()
        for thread in self._threads[:2]:  # what it said before comes first; a child of it may hold the pipes open
            thread.join(1)
        self._tell({"event": "end", "status": status, "stderr": b"".join(self._words).decode(errors="replace")})

    def _tell(self, event: dict[str, Any]) -> None:
        self._events.put({"t": time.time(), "program": self.name, **event})

    def close(self) -> None:
        """Kill it with all it started, and wait for it."""
        if sys.platform != "win32":
            with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a group that is only zombies
                os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.kill()
        self.popen.wait()
        for thread in self._threads:
            thread.join(5)
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


class Ports:
    """Ports that no other process of the lab takes: it has blocks of them, and holds each by the first one, which it has bound itself."""

    def __init__(self, within: range = PORTS) -> None:
        self._within = within
        self._held: list[socket.socket] = []
        self._mine: deque[int] = deque()

    def take(self, ipv6: bool) -> int:
        """The next that is free. Raises BackendUnavailable where none is left."""
        while True:
            for _ in range(len(self._mine)):
                self._mine.rotate(-1)
                if _free(self._mine[0], ipv6):
                    return self._mine[0]
            self._claim()

    def _claim(self) -> None:
        for first in self._within[::BLOCK]:
            holder = socket.socket()
            try:
                holder.bind(("127.0.0.1", first))
            except OSError:
                holder.close()
                continue
            self._held.append(holder)
            self._mine.extend(range(first + 1, first + BLOCK))
            return
        raise lacks(f"a free port between {self._within[0]} and {self._within[-1]}")

    def close(self) -> None:
        """Give them back."""
        for holder in self._held:
            holder.close()


class Direct(Channel):
    """What an agent does, as far as a user may do it, in this very process."""

    _ports: ClassVar[Ports] = Ports()

    def __init__(self) -> None:
        self.name, self.virtual, self.broken = "this machine", False, False
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._programs: dict[str, Started] = {}
        self._places: list[str] = []
        self._given: dict[int, int] = {}
        self._holders: dict[int, str] = {}
        self._ipv6 = _loopback6()

    def ask(self, verb: str, within: float = ANSWER_WITHIN, /, **request: Any) -> Any:
        """Carry out a request. Raises BackendUnavailable where it takes more than a user's rights."""
        handler = getattr(self, f"do_{verb}", None)
        if handler is None:
            raise lacks(NEEDS.get(verb, f"an agent that can {verb}"))
        try:
            return handler(**request)
        except OSError as e:
            raise AgentError(f"{self.name}: {verb}: {e}") from e

    # ---- programs --------------------------------------------------------------------------------------------------

    def do_spawn(self, host: str, name: str, argv: list[str], env: dict[str, str], limits: dict[str, int], without: list[str]) -> None:
        """Start a program."""
        if without:
            raise lacks(f"programs without some capabilities ({', '.join(without)})")
        if limits:
            raise lacks(f"programs with limits of their own ({', '.join(limits)})")
        self._programs[name] = Started(name, argv, env, self._events)

    def do_tell(self, name: str, line: str) -> None:
        """Write a line to its standard input, unless what it asks for would leave this machine."""
        self._refuse(name, json.loads(line))
        stdin = self._programs[name].popen.stdin
        assert stdin is not None
        with suppress(BrokenPipeError, OSError):  # that it has ended comes as an event
            stdin.write(line.encode() + b"\n")

    def do_signal(self, name: str, number: int) -> None:
        """Send it a signal."""
        program = self._programs[name].popen
        if sys.platform != "win32":
            program.send_signal(number)
        elif number == 9:
            program.kill()
        else:
            raise lacks("signals")

    def do_wait(self, seconds: float) -> dict[str, Any]:
        """What has happened; if nothing has, wait so long for something."""
        events = []
        with suppress(queue.Empty):
            events.append(self._events.get(timeout=seconds) if seconds > 0 else self._events.get_nowait())
            while True:
                events.append(self._events.get_nowait())
        return {"events": events, "now": time.time()}

    def do_asleep(self, name: str, seconds: float) -> bool:
        """Wait until no thread of it has anything to do: the same threads asleep at two looks, none of which was woken between them."""
        end, before = time.monotonic() + seconds, None
        while time.monotonic() < end:
            now = _sleepers(self._programs[name].popen.pid)
            if now is not None and now == before:
                return True
            before = now
            if now is None:
                time.sleep(TICK)
        return False

    def do_limit(self, name: str, limit: str, value: int | None) -> int:
        """Set a limit of a running program; None leaves no descriptor free. The old value comes back."""
        if sys.platform != "linux":
            raise lacks("limits of a program that runs already")
        import resource

        pid, number = self._programs[name].popen.pid, getattr(resource, limit)
        old, hard = resource.prlimit(pid, number)
        if value is None:
            used = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
            value = next(fd for fd in range(len(used) + 1) if fd not in used)
        resource.prlimit(pid, number, (value, hard))
        return old

    def do_place(self) -> str:
        """Make an empty folder for the programs of this testbed."""
        self._places.append(str(identity.temporary_folder()))
        return self._places[-1]

    # ---- the network -----------------------------------------------------------------------------------------------

    def do_until(
        self, host: str, family: int, local: list[Any], remote: list[Any] | None, states: list[str], seconds: float, unread: int
    ) -> dict[str, Any]:
        """Wait until a connection is in one of the states, with so much unread; `CLOSE` is also: gone. `seen`: the last state."""
        end = time.monotonic() + seconds
        while True:
            seen = "CLOSE"
            for here, there, state, queued in connections():
                if here == tuple(local) and (there == tuple(remote) if remote is not None else there[1] == 0):
                    if unread and queued is None:
                        raise lacks("to know how much lies unread")
                    seen = state if (queued or 0) >= unread else f"{state} with {queued} bytes unread"
                    if seen in states:
                        break
            left = end - time.monotonic()
            if seen == "CLOSE" and seconds - left > 2 and platform.version() == GVISOR:
                raise lacks("to know of connections that no descriptor holds, and gVisor lists no others")
            if seen in states or left <= 0:
                return {"seen": seen, "reached": seen in states}
            time.sleep(min(left, max(TICK, (seconds - left) / 100)))

    def do_counters(self, host: str) -> dict[str, int]:
        """None: this machine's own counters count everybody's segments."""
        return {}

    def do_dropped(self) -> int:
        """There is no capture that could lose anything."""
        return 0

    def port(self, number: int) -> int:
        """The port that stands for one of a story's: free when the play began, and no other play's."""
        if not 1024 <= number <= 65535 or number in self._given.values():
            return number
        if number not in self._given:
            self._given[number] = self._ports.take(self._ipv6)
        return self._given[number]

    def _refuse(self, name: str, request: Mapping[str, Any]) -> None:
        """Raise BackendUnavailable for what would be heard or seen beyond the loopback, or where the hosts would be in each other's way."""
        op = str(request.get("op"))
        if op in ("listen", "bind") and request.get("port") and self._holders.setdefault(int(request["port"]), name) != name:
            raise lacks("addresses of its own for each host: both ask for the same port")
        if op == "connect" and request.get("local"):
            self._refuse_shared(request["local"][1])
        targets = [request.get("address"), (request.get("to") or [None])[0], request.get("name") if op == "resolve" else None]
        if op == "fetch":
            targets.append(urlsplit(str(request["url"])).hostname)
        for target in targets:
            if target is None or "/" in str(target):
                continue
            try:
                ip = ipaddress.ip_address(str(target).partition("%")[0])
            except ValueError:
                if target != "localhost":
                    raise lacks(f"a name server of its own: {target} would be asked of this machine's") from None
                continue
            if ip.version == 6 and not self._ipv6:
                raise lacks("IPv6 on the loopback")
            if ip.is_unspecified and op in ("listen", "bind"):
                raise lacks("a network of its own: a socket at all addresses could be reached from outside")
            if not (ip.is_loopback or ip.is_unspecified or op in ("listen", "bind")):
                raise lacks(f"somebody else's address ({ip}), and nothing may leave this machine")

    def _refuse_shared(self, port: int) -> None:
        """Raise BackendUnavailable where a connection of somebody else has the port, too: binding it would fail because of that one.

        The kernel gives a port to connections of several programs if they go to different places; one in TIME_WAIT is enough.
        """
        for here, there, state, _ in connections():
            if here[1] == port and not {here[1], there[1]} & set(self._given.values()):
                raise lacks(f"the local port to itself, and another connection of this machine has it ({state})")

    def close(self) -> None:
        """End every program and remove every folder."""
        for program in self._programs.values():
            program.close()
        for place in self._places:
            shutil.rmtree(place, ignore_errors=True)


def _loopback6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        return False
    return True


def _free(port: int, ipv6: bool) -> bool:
    """Whether nobody has that port, not even a connection that is over (TIME_WAIT)."""
    families = ((socket.AF_INET, "127.0.0.1"), *([(socket.AF_INET6, "::1")] if ipv6 else []))
    for family, address in families:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                with socket.socket(family, kind) as s:
                    s.bind((address, port))
            except OSError:
                return False
    return True


def _sleepers(pid: int) -> dict[str, str] | None:
    """Each thread of a process with how often it was switched to another; None where one of them is not asleep."""
    tasks = Path(f"/proc/{pid}/task")
    found = {}
    try:
        for thread in tasks.iterdir():
            status = (thread / "status").read_text(encoding="utf-8", errors="replace")
            if "voluntary_ctxt_switches" not in status:
                raise lacks("to know when a program sleeps")
            if "\nState:\tS" not in status:
                return None
            found[thread.name] = status[status.index("voluntary_ctxt_switches") :]
    except (FileNotFoundError, ProcessLookupError):
        if not tasks.is_dir():
            raise lacks("to know when a program sleeps") from None
        return None  # a thread ended meanwhile
    return found
