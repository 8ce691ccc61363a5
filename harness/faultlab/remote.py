"""A testbed reached through the pipes of its agents. What backends differ in is how such a pipe is opened."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from faultlab import wire
from faultlab.errors import AgentError, Unavailable, WaitTimedOut
from faultlab.testbed import PINNED, Finished, Plan

ANSWER_WITHIN = 30.0
"""Real seconds an agent may take for a request that does not wait for anything."""


class Channel:
    """The pipe to one agent: a request, then its answer. `grace` real seconds are allowed on top of what a wait asks for."""

    def __init__(self, process: subprocess.Popen[bytes], name: str, *, virtual: bool = False) -> None:
        assert process.stdin is not None and process.stdout is not None
        self.process, self.name, self.virtual = process, name, virtual
        self._in, self._out = process.stdin.fileno(), process.stdout.fileno()
        self._buffer = b""
        self._id = 0
        self.broken = False

    def ask(self, verb: str, within: float = ANSWER_WITHIN, /, **request: Any) -> Any:
        """Make a request and return its value. Raises AgentError when the agent refuses, breaks off or is late."""
        return self.finish(self.begin(verb, **request), verb, within)

    def begin(self, verb: str, /, **request: Any) -> int:
        """Make a request; its answer has to be taken before anything else is done with this testbed."""
        self._id += 1
        with self._whole():
            self._send(json.dumps({"id": self._id, "do": verb, **request}).encode() + b"\n")
        return self._id

    def finish(self, number: int, verb: str, within: float = ANSWER_WITHIN) -> Any:
        """Take the answer to a request, in the order they were made."""
        with self._whole():
            answer = self.read(within)
        if answer.get("id") != number:
            self.broken = True
            raise AgentError(f"{self.name}: answered {answer.get('id')} when asked {number} ({verb})")
        if "error" in answer:
            raise AgentError(f"{self.name}: {answer['error']}")
        return answer.get("value")

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except BaseException as e:
            self.broken = True  # an answer may be on its way: this channel cannot be used for another request
            if isinstance(e, BrokenPipeError):
                raise AgentError(f"{self.name}: the agent ended{self._last_words()}") from e
            raise

    def ready(self) -> bool:
        """Whether an answer is here in part or whole; to be asked before `fileno` is waited for."""
        return bool(self._buffer)

    def fileno(self) -> int:
        """What becomes readable when the agent answers."""
        return self._out

    def _send(self, payload: bytes) -> None:
        while payload:
            payload = payload[os.write(self._in, payload) :]

    def read(self, within: float) -> dict[str, Any]:
        """Read one line. Raises AgentError when the agent ends or says nothing in time."""
        end = time.monotonic() + within
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._out], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise AgentError(f"{self.name}: no answer within {within:g} s of real time")
            chunk = os.read(self._out, 1 << 18)
            if not chunk:
                raise AgentError(f"{self.name}: the agent ended{self._last_words()}")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError as e:
            raise AgentError(f"{self.name}: babbled {line[:200]!r}") from e
        if not isinstance(answer, dict):
            raise AgentError(f"{self.name}: babbled {line[:200]!r}")
        return answer

    def _last_words(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        words = ""
        if self.process.stderr is not None and self.process.poll() is not None:
            words = self.process.stderr.read().decode(errors="replace").strip()
        return f" with status {self.process.returncode}" + (f": {words}" if words else "")

    def close(self) -> None:
        """End the agent by ending its standard input; insist after ten seconds."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        if self.process.stderr is not None:
            self.process.stderr.close()


@dataclass(slots=True)
class RemoteHost:
    """A host behind a channel."""

    name: str
    channel: Channel
    addresses: tuple[str, str]
    interfaces: Mapping[str, Mapping[str, Any]]
    next_hop: str = ""
    """Link address of the neighbour, for injected packets."""
    interface: str = "eth0"
    forged: set[bytes] = field(default_factory=set)

    def address(self, family: int) -> str:
        """Its address; family is 4 or 6."""
        return self.addresses[0 if family == 4 else 1]

    def run(self, *argv: str, stdin: str | None = None) -> Finished:
        """Run a command to its end; raise AgentError when it cannot be run or fails."""
        done = self.channel.ask("run", host=self.name, argv=list(argv), stdin=stdin)
        if done["status"] != 0:
            raise AgentError(f"{' '.join(argv)} at {self.name} ended with {done['status']}: {done['stderr'].strip()}")
        return Finished(**done)

    def inject(self, packet: bytes) -> None:
        """Put an IP packet on the wire, past the host's own stack and packet filter."""
        self.forged.add(packet)
        encoded = base64.b64encode(packet).decode()
        self.channel.ask("inject", host=self.name, interface=self.interface, mac=self.next_hop, packet=encoded)

    def sockets(self, family: int) -> Sequence[Mapping[str, Any]]:
        """Its TCP sockets with state, addresses and queues; none of them is in the middle of a system call's change."""
        found: Sequence[Mapping[str, Any]] = self.channel.ask("sockets", host=self.name, family=2 if family == 4 else 10)
        return found

    def counters(self) -> Mapping[str, int]:
        """Its SNMP counters that are not zero, named as nstat names them."""
        found: Mapping[str, int] = self.channel.ask("counters", host=self.name)
        return found

    def sysctl(self, name: str, value: int | str | None = None) -> str:
        """Read a setting, set it where a value is given; the old one comes back."""
        return str(self.channel.ask("sysctl", host=self.name, name=name, value=value))

    def route(self, verb: str, dst: str, **wish: str) -> None:
        """Add or delete a route."""
        self.channel.ask("route", host=self.name, verb=verb, dst=dst, **wish)

    def lookup(self, dst: str) -> Mapping[str, Any]:
        """Which route the kernel would take; `errno` where it has none."""
        found: Mapping[str, Any] = self.channel.ask("lookup", host=self.name, dst=dst)
        return found

    def link(self, **wish: Any) -> None:
        """Change its interface towards the peer."""
        self.channel.ask("link", host=self.name, interface=self.interface, **wish)

    def file(self, path: str, text: str) -> None:
        """Put a file in the place of another, for the programs of this testbed alone."""
        self.channel.ask("file", path=path, text=text)

    def place(self) -> str:
        """A new folder for the programs of this testbed alone."""
        return str(self.channel.ask("place"))

    def destroy(self, family: int, local: tuple[str, int], remote: tuple[str, int]) -> None:
        """Destroy a socket as an administrator does."""
        number = 2 if family == 4 else 10
        self.channel.ask("destroy", host=self.name, family=number, local=list(local), remote=list(remote))


@dataclass(slots=True)
class RemoteProgram:
    """A program at a host; what it says waits in `lines`."""

    name: str
    channel: Channel
    lines: list[tuple[float, str]] = field(default_factory=list)
    ended: tuple[int, str] | None = None
    """Exit status and standard error, once it has ended."""

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        self.channel.ask("tell", name=self.name, line=line)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.channel.ask("signal", name=self.name, number=int(number))

    def asleep(self, seconds: float) -> None:
        """Wait until none of its threads has anything to do; raises WaitTimedOut."""
        grace = ANSWER_WITHIN * 4 if self.channel.virtual else seconds + ANSWER_WITHIN
        if not self.channel.ask("asleep", grace, name=self.name, seconds=seconds):
            raise WaitTimedOut(f"rest of {self.name}'s program", seconds, "a thread that runs")

    def still(self, threads: Sequence[str]) -> None:
        """Have its threads of these names stand still."""
        self.channel.ask("still", name=self.name, threads=list(threads))

    def limit(self, limit: str, value: int | None = None) -> int:
        """Set one of its limits (`RLIMIT_NOFILE`) while it runs; None: no descriptor is left. The old value comes back."""
        return int(self.channel.ask("limit", name=self.name, limit=limit, value=value))


class RemoteTestbed:
    """Hosts behind channels, with one stream of events."""

    def __init__(self, plan: Plan, channels: Sequence[Channel], hosts: Mapping[str, RemoteHost], stack: str) -> None:
        self.plan, self.channels, self.hosts, self.stack = plan, list(dict.fromkeys(channels)), dict(hosts), stack
        self.virtual = channels[0].virtual
        self.family = 4
        self._packets: list[wire.Packet] = []
        self.programs: dict[str, RemoteProgram] = {}
        self._watchers: list[Callable[[wire.Packet], None]] = []
        self.drivers: Mapping[str, Mapping[str, Any]] | None = None
        """The drivers that its hosts have of their own, as `faultlab.runtimes` writes them down; None: those of this machine."""
        self.blind = ""
        """Why neither wire nor counters can be seen; empty where they can."""
        self.ports: Callable[[int], int] = int
        """Which port stands for one that a story names: the same, unless the hosts share their ports with others."""

    def host(self, name: str) -> RemoteHost:
        """The host of that name."""
        return self.hosts[name]

    @property
    def packets(self) -> Sequence[wire.Packet]:
        """Everything captured so far, in order. Raises Unavailable where nothing can be."""
        if self.blind:
            raise Unavailable("what the wire carried", self.blind, "play it on another backend: --backend netns")
        return self._packets

    @property
    def names(self) -> dict[str, str]:
        """Address -> host."""
        found = {address: name for name, host in self.hosts.items() for address in host.addresses}
        if "router" in self.hosts:
            found |= dict.fromkeys(self.plan.far_side, "router")
        if self.plan.published:
            found[self.plan.gateway] = "engine"
        return found

    @property
    def forged(self) -> frozenset[bytes]:
        """Every packet the lab has put on the wire itself."""
        return frozenset(raw for host in self.hosts.values() for raw in host.forged)

    def spawn(
        self, host: str, name: str, argv: Sequence[str], env: Mapping[str, str], limits: Mapping[str, int] | None = None,
        without: Sequence[str] = (),
    ) -> RemoteProgram:  # fmt: skip
        """Start a program at a host, with limits of its own and without some capabilities."""
        channel = self.hosts[host].channel
        wish = {"argv": list(argv), "env": dict(env), "limits": dict(limits or {}), "without": list(without)}
        channel.ask("spawn", host=host, name=name, **wish)
        self.programs[name] = RemoteProgram(name, channel)
        return self.programs[name]

    @contextmanager
    def watching(self, watcher: Callable[[wire.Packet], None]) -> Iterator[None]:
        """Call the watcher for each packet as it is seen, while the block lasts."""
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    def wait(self, seconds: float) -> float:
        """Let time pass until something happens, at most so long; returns the testbed's clock."""
        answers = [self._ask_wait(self.channels[0], seconds)] if len(self.channels) == 1 else self._ask_all(seconds)
        events = [event for answer in answers for event in answer["events"]]
        if len(answers) > 1:  # each agent tells its own in order
            events.sort(key=lambda event: float(event["t"]))
        self._take(events)
        return max(float(answer["now"]) for answer in answers)

    def _ask_all(self, seconds: float) -> list[Mapping[str, Any]]:
        """Have all agents wait; the first that has news ends the waiting of the others, because a request does."""
        try:
            asked = [(channel, channel.begin("wait", seconds=seconds)) for channel in self.channels]
            if seconds > 0:
                if not any(channel.ready() for channel in self.channels):
                    select.select(self.channels, [], [], seconds + ANSWER_WITHIN)
                asked += [(channel, channel.begin("wait", seconds=0.0)) for channel in self.channels]
            return [channel.finish(number, "wait") for channel, number in asked]
        except BaseException:
            for channel in self.channels:  # answers of the others are on their way, too
                channel.broken = True
            raise

    @staticmethod
    def _ask_wait(channel: Channel, seconds: float) -> dict[str, Any]:
        # In virtual time a wait of hours takes milliseconds; real time bounds it from outside all the same, a day at a time.
        seconds = min(seconds, 86400.0) if channel.virtual else seconds
        real = ANSWER_WITHIN * 2 if channel.virtual else seconds + ANSWER_WITHIN
        answer: dict[str, Any] = channel.ask("wait", real, seconds=seconds)
        return answer

    def _take(self, events: Sequence[Mapping[str, Any]]) -> None:
        for event in events:
            if event["event"] == "packet":
                packet = wire.decode(
                    base64.b64decode(event["data"]), event["protocol"],
                    t=event["t"], at=event["host"], interface=event["interface"], out=event["out"],
                )  # fmt: skip
                if packet is not None:
                    self._packets.append(packet)
                    for watcher in tuple(self._watchers):
                        watcher(packet)
            elif (program := self.programs.get(event["program"])) is None:
                continue
            elif event["event"] == "line":
                program.lines.append((event["t"], event["line"]))
            else:
                program.ended = (event["status"], event["stderr"])

    def wait_for(self, what: str, done: Callable[[], bool], seconds: float, last_seen: Callable[[], str]) -> None:
        """Let time pass until `done`; raises WaitTimedOut with what was last seen."""
        now = self.wait(0.0)
        end = now + seconds
        while not done():
            if now >= end:
                raise WaitTimedOut(what, seconds, last_seen())
            now = self.wait(end - now)

    def until(
        self, host: str, local: tuple[str, int], remote: tuple[str, int] | None, states: Sequence[str], seconds: float, unread: int = 0
    ) -> str:
        """Wait until a socket of a host is in one of the states, and has so many bytes that nobody has read.

        Raises WaitTimedOut with the state last seen.
        """
        channel = self.hosts[host].channel
        answer = channel.ask(
            "until", (ANSWER_WITHIN * 4 if channel.virtual else seconds + ANSWER_WITHIN), host=host,
            family=10 if ":" in local[0] else 2, local=list(local), remote=list(remote) if remote else None,
            states=list(states), seconds=seconds, unread=unread,
        )  # fmt: skip
        self.wait(0.0)
        if not answer["reached"]:
            raise WaitTimedOut(" or ".join(states), seconds, answer["seen"])
        return str(answer["seen"])

    def begin_account(self) -> str | None:
        """Have the kernel tell its own account from here on; why it does not, where it does not."""
        why: str | None = self.channels[0].ask("account", begin=True)
        return why

    def account(self) -> Mapping[str, Any]:
        """What the kernel has told since: `events` in order, and how many were `lost`."""
        told: Mapping[str, Any] = self.channels[0].ask("account", begin=False)
        return told

    def kernel(self, name: str, value: int | str | None = None) -> Mapping[str, str]:
        """Read and set what all hosts of a kernel of the lab's own share: its old `value`, and the kernel's `log` since the last time."""
        told: Mapping[str, str] = self.channels[0].ask("kernel", name=name, value=value)
        return told

    def lost_packets(self) -> int:
        """How many packets the captures missed; a capture with holes proves nothing."""
        return sum(int(channel.ask("dropped")) for channel in self.channels)


def topology(plan: Plan) -> dict[str, Any]:
    """What an agent is asked to build for a plan: hosts, links and routes."""
    settings = {**PINNED, **plan.settings}
    hosts = {
        name: {"sysctls": settings, "capture": name != "server" or plan.router or plan.published} for name in ("client", "server")
    }  # both ends of a bare wire see the same; the client's is enough
    ends: list[dict[str, Any]] = []
    routes: dict[str, list[dict[str, Any]]] = {}
    c4, c6 = plan.addresses("client")
    s4, s6 = plan.addresses("server")
    if not plan.router:
        ends.append({"ends": {"client": _end(0, c4, c6), "server": _end(1, s4, s6)}})
    else:
        forwarding = {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1}
        hosts["router"] = {"sysctls": {**settings, **forwarding}, "capture": False}
        r4, r6 = plan.addresses("router")
        f4, f6 = plan.far_side
        ends.append({"ends": {"client": _end(0, c4, c6), "router": _end(2, r4, r6, "eth0")}})
        ends.append({"ends": {"router": _end(3, f4, f6, "eth1"), "server": _end(1, s4, s6)}})
        routes = {
            "client": [{"dst": "203.0.113.0/24", "via": r4}, {"dst": "2001:db8:2::/64", "via": r6}],
            "server": [{"dst": "198.51.100.0/24", "via": f4}, {"dst": "2001:db8:1::/64", "via": f6}],
        }
    return {"hosts": hosts, "links": ends, "routes": routes}


def _end(number: int, ipv4: str, ipv6: str, name: str = "eth0") -> dict[str, Any]:
    return {"name": name, "mac": f"02:fa:b1:00:00:{number:02x}", "addresses": [f"{ipv4}/24", f"{ipv6}/64"]}


@contextmanager
def built(channel: Channel, plan: Plan, stack: str) -> Iterator[RemoteTestbed]:
    """A testbed that one agent builds out of namespaces; undone on exit."""
    if plan.published:
        raise Unavailable("a published port", "only a container engine publishes ports", "--backend docker")
    interfaces = channel.ask("build", **topology(plan))
    try:
        hosts = {}
        for name, found in interfaces.items():
            hop = "router" if plan.router and name != "router" else {"client": "server"}.get(name, "client")
            mac = interfaces[hop]["eth1" if hop == "router" and name == "server" else "eth0"]["mac"]
            hosts[name] = RemoteHost(name, channel, plan.addresses(name), found, next_hop=mac)
        yield RemoteTestbed(plan, [channel], hosts, stack)
    finally:
        if not channel.broken:
            channel.ask("teardown")


def interrupt_safe_popen(argv: Sequence[str], **kwargs: Any) -> subprocess.Popen[bytes]:
    """Start a process that Ctrl-C does not reach: it ends when its standard input does."""
    return subprocess.Popen(list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)

