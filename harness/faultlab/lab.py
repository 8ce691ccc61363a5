"""The one object a story talks to.

A story names no runtime, no backend and no address: it tells the two sides what to do, applies faults, and waits for events.
What the observed side's program returns is noted, in order, for the comparison that follows the story. What the peer does has to
succeed, or there is no story.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from faultlab.driver import DriverSession
from faultlab.errnos import name_of
from faultlab.errors import DriverCrashed, PeerFailed, Unavailable, Unsupported, WaitTimedOut
from faultlab.remote import RemoteHost, RemoteTestbed
from faultlab.scenario import Observation, Scenario
from faultlab.scripted import ScriptedPeer, scripted
from faultlab.testbed import Fault, refuse_foreign
from faultlab.wire import Packet, Segment, describe, fits, segments

PORT = 9000
PATIENCE = 25.0
"""Seconds after which an operation that was not given its own bound counts as hanging."""
VIRTUAL_PATIENCE = 40 * 86400.0
"""The same where time is virtual: longer than any timer of the kernel that a scenario plays."""

Endpoint = tuple[str, int]


def show(endpoint: Endpoint | None) -> str:
    """`198.51.100.2:7` or `[2001:db8::2]:7`."""
    if endpoint is None:
        return ""
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Pending:
    """An operation that was started and goes on beside the story."""

    def __init__(self, conn: Handle, op: str, number: int, facts: Mapping[str, str]) -> None:
        self._handle, self._op, self._number, self._facts = conn, op, number, facts

    def result(self) -> Observation:
        """Wait for its end."""
        side = self._handle.side
        seen = side.collect(self._op, self._number, self._facts)
        if self._op == "connect" and self._handle.local is None:
            self._handle.local = _endpoint(seen, "local")
        return seen

    def waiting(self) -> None:
        """Wait until the program is in the middle of it and sleeps: no thread of it has anything else to do."""
        self._handle.side.idle()

    def blocked(self, seconds: float) -> Observation:
        """Let that much time pass and note that it is still blocked then; raises WaitTimedOut when it ended instead."""
        return self._handle.side.still_blocked(self._op, self._number, seconds, self._facts)


class Handle:
    """A socket of one side, by its name at the driver."""

    def __init__(self, side: Side, sock: str, local: Endpoint | None = None, remote: Endpoint | None = None) -> None:
        self.side, self.sock, self.local, self.remote = side, sock, local, remote

    # ---- operations ------------------------------------------------------------------------------------------------

    def send(self, data: bytes | str | None = None, *, size: int | None = None, to: Endpoint | None = None, **more: Any) -> Observation:
        """Write all of it; a datagram may say to whom."""
        if to is not None:
            refuse_foreign(to[0])
            to = (to[0], self.side.port(to[1]))
            facts = self._facts() | _end_facts("remote", to)
            return self.side.perform("send", facts, sock=self.sock, data=_text(data), size=size, to=list(to), **more)
        return self._do("send", data=_text(data), size=size, **more)

    def recv(self, max: int | None = None, **more: Any) -> Observation:
        """Read once."""
        return self._do("recv", max=max, **more)

    def shutdown(self, how: str = "wr") -> Observation:
        """Shut one direction down: wr, rd or rdwr."""
        return self._do("shutdown", how=how)

    def close(self) -> Observation:
        """Close it in the usual way."""
        return self._do("close")

    def option(self, name: str, value: object) -> Observation:
        """Set a socket option; see `runtimes/README.md`."""
        return self._do("option", name=name, value=value)

    def deadline(self, seconds: float | None, which: str = "both") -> Observation:
        """Set the program's own timer for reads and writes."""
        return self._do("deadline", seconds=seconds, which=which)

    def error(self) -> Observation:
        """Take the pending error (getsockopt(SO_ERROR))."""
        return self._do("error")

    def connect(self, port: int | None = None, *, address: str | None = None, deadline: float | None = None) -> Observation:
        """Connect this very socket."""
        return self.side.dial(self.sock, port, address, deadline=deadline)[1]

    def listen(self, backlog: int | None = None) -> Observation:
        """Make this bound socket listen."""
        return self._do("listen", backlog=backlog)

    def accept(self, deadline: float | None = None, **more: Any) -> Handle:
        """Accept one connection on this listener."""
        return self.side.accept(self, deadline=deadline, **more)

    def start(self, op: str, **parameters: Any) -> Pending:
        """Start an operation and go on with the story."""
        if "data" in parameters:
            parameters["data"] = _text(parameters["data"])
        facts = self._facts()
        number = self.side.begin(op, sock=self.sock, **{"background": True, **parameters})
        return Pending(self, op, number, facts)

    def _do(self, op: str, **parameters: Any) -> Observation:
        return self.side.perform(op, self._facts(), sock=self.sock, **parameters)

    def _facts(self) -> dict[str, str]:
        facts = _facts(self.local, self.remote)
        marks = {"listener": self.remote is None and self.local is not None, "closed": self.sock in self.side.closed}
        return facts | {"when": " ".join([facts["when"], *(name for name, true in marks.items() if true)])}

    # ---- what the kernel says --------------------------------------------------------------------------------------

    def until(self, *states: str, seconds: float = 10.0) -> str:
        """Wait until the socket is in one of these TCP states (`CLOSE` is also: gone)."""
        assert self.local is not None
        lab = self.side.lab
        return lab.bed.until(self.side.host.name, self.local, self.remote, states, lab.patience(seconds))

    def until_unread(self, count: int, seconds: float = 10.0) -> None:
        """Wait until so many bytes have come that the program has not read: they lie in the kernel's queue."""
        assert self.local is not None
        lab = self.side.lab
        lab.bed.until(self.side.host.name, self.local, self.remote, ("ESTABLISHED", "CLOSE_WAIT"), lab.patience(seconds), count)

    @property
    def far_end(self) -> Handle:
        """The peer's end of this connection, which its kernel may know before its program does."""
        return Handle(self.side.peer, "", self.remote, self.local)

    def until_fin(self, seconds: float = 10.0) -> str:
        """Wait until the peer's FIN is here; a program that closes at once by itself is further on already."""
        return self.until("CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", seconds=seconds)

    def destroy(self) -> None:
        """Destroy it as an administrator's `ss -K` does."""
        assert self.local is not None and self.remote is not None
        self.side.host.destroy(self.side.lab.family, self.local, self.remote)


class Side:
    """One of the two ends: its host, and the program that runs there."""

    def __init__(self, lab: Lab, host: RemoteHost, driver: DriverSession, observed: bool) -> None:
        self.lab, self.host, self.driver, self.observed = lab, host, driver, observed
        self.observations: list[Observation] = []
        self.closed: set[str] = set()
        self.failed: set[str] = set()
        self.known: set[str] = set()
        self.listeners: set[str] = set()
        self._asked: dict[int, frozenset[str]] = {}
        self._socks: dict[int, str] = {}
        self._networks: dict[str, str] = {}
        self._count = 0
        self._listener: Handle | None = None

    @property
    def address(self) -> str:
        """Its address in this play's family."""
        return self.host.address(self.lab.family)

    @property
    def peer(self) -> Side:
        """The other end."""
        return self.lab.server if self is self.lab.client else self.lab.client

    def port(self, number: int | None) -> int:
        """The port that stands for one of the story's; the usual one where the story names none."""
        number = PORT if number is None else number
        return number if number in self.lab.real_ports else self.lab.bed.ports(number)

    def name(self) -> str:
        """A name for another socket."""
        self._count += 1
        return f"s{self._count}"

    # ---- operations ------------------------------------------------------------------------------------------------

    def connect(self, port: int | None = None, *, address: str | None = None, deadline: float | None = None,
                local: Endpoint | None = None, options: Mapping[str, object] | None = None, **more: Any) -> Handle:  # fmt: skip
        """Connect to the peer, or to another address of the lab; whether it worked is noted."""
        return self.dial(self.name(), port, address, deadline=deadline, local=local, options=options, **more)[0]

    def dial(
        self, sock: str, port: int | None, address: str | None, *, local: Endpoint | None = None, **more: Any
    ) -> tuple[Handle, Observation]:
        """Connect a socket of that name."""
        local = local and (local[0], self.port(local[1]))
        target, facts = self._target(port, address, local)
        local_list = list(local) if local else None
        seen = self.perform("connect", facts, sock=sock, address=target[0], port=target[1], local=local_list, **more)
        handle = Handle(self, sock, _endpoint(seen, "local") or local, _endpoint(seen, "remote") or target)
        return handle, seen

    def start_connect(
        self, port: int | None = None, *, address: str | None = None, local: Endpoint | None = None, **more: Any
    ) -> tuple[Handle, Pending]:
        """Start to connect and go on with the story."""
        local = local and (local[0], self.port(local[1]))
        target, facts = self._target(port, address, local)
        handle = Handle(self, self.name(), local, target)
        local_list = list(local) if local else None
        number = self.begin("connect", sock=handle.sock, address=target[0], port=target[1], local=local_list, background=True, **more)
        return handle, Pending(handle, "connect", number, facts)

    def _target(self, port: int | None, address: str | None, local: Endpoint | None) -> tuple[Endpoint, dict[str, str]]:
        target = (self.peer.address if address is None else address, self.port(port))
        for asked in (target, local):
            if asked is not None:
                refuse_foreign(asked[0])
        facts = _facts(local, target)
        when = facts["when"].split()
        if local is not None:
            when += ["bound"] if local[1] else ["bound", "any-port"]
        if address is not None and not (":" in address or "/" in address or address.replace(".", "").isdigit()):
            when.append("named")
            facts["name"] = address
            facts |= {f"remote{family}": show((self.peer.host.address(family), target[1])) for family in (4, 6)}
        facts["when"] = " ".join(when)
        facts["resolver"] = show((self.peer.host.address(4), 53))
        return target, facts

    def listen(self, port: int | None = None, *, address: str | None = None, backlog: int | None = None, **more: Any) -> Handle:
        """Listen at its own address, or another one."""
        local = (self.address if address is None else address, self.port(port))
        refuse_foreign(local[0])
        sock = self.name()
        facts = _facts(local, None)
        facts["when"] = " ".join([facts["when"], *([] if local[1] else ["any-port"]), *(more.get("options") or ())])
        seen = self.perform("listen", facts, sock=sock, address=local[0], port=local[1], backlog=backlog, **more)
        self._listener = Handle(self, sock, local if local[1] else _endpoint(seen, "local"))  # port 0: the kernel picks one
        return self._listener

    def bind(self, port: int | None = None, *, address: str | None = None, sock: str | None = None, **more: Any) -> Handle:
        """Bind a socket and do no more."""
        local = (self.address if address is None else address, self.port(port))
        refuse_foreign(local[0])
        sock = sock or self.name()
        seen = self.perform("bind", _facts(local, None), sock=sock, address=local[0], port=local[1], **more)
        return Handle(self, sock, _endpoint(seen, "local") or local)

    def socket(self, kind: str = "stream", **more: Any) -> Handle:
        """A socket that is neither bound nor connected."""
        sock = self.name()
        self.perform("socket", _facts(None, None), sock=sock, family=self.lab.family, type=kind, **more)
        return Handle(self, sock)

    def accept(self, listener: Handle | None = None, *, deadline: float | None = None, **more: Any) -> Handle:
        """Accept one connection on the last listener."""
        listener = listener or self._listener
        assert listener is not None, "the story has to listen before it accepts"
        name = self.name()
        seen = self.perform("accept", _facts(listener.local, None), sock=listener.sock, **{"as": name, "deadline": deadline, **more})
        return Handle(self, name, _endpoint(seen, "local"), _endpoint(seen, "remote"))

    def resolve(self, name: str, family: int | None = None) -> Observation:
        """Ask the runtime's ordinary resolver."""
        facts = {"name": name, "when": "empty-label" if ".." in name else "", "resolver": show((self.peer.host.address(4), 53))}
        return self.perform("resolve", facts, name=name, family=family)

    def compiles(self, source: str) -> Observation:
        """Have its language's compiler look at a source file, where the lab itself runs: no program does this, and no host."""
        began = self.lab.bed.wait(0.0)
        assert self.observed and self.lab.compiler is not None, "only the observed program's language is asked for its compiler"
        said = self.lab.compiler(source)
        elapsed = self.lab.bed.wait(0.0) - began
        answer = ("ok", None, ()) if said is None else ("error", "compiler", ("compiler",))
        seen = Observation(op="compile", outcome=answer[0], type=answer[1], chain=answer[2], message=said, elapsed=elapsed, t=began)
        self.observations.append(seen)
        return seen

    def handle(self, number: int, *, restart: bool = False) -> Observation:
        """Have the program handle a signal by doing nothing; `restart` asks for SA_RESTART."""
        return self.perform("handle", {"when": ""}, signal=number, restart=restart or None)

    def signal(self, number: int) -> None:
        """Send the program a signal."""
        self.driver.program.signal(number)

    def idle(self) -> None:
        """Wait until the program has nothing to do: what it reads in the background has been read."""
        self.driver.program.asleep(self.lab.patience(10.0))

    def place(self) -> str:
        """A path for a Unix socket, where nothing is yet."""
        return self.host.place() + "/socket"

    def limit(self, limit: str, value: int | None = None) -> int:
        """Set a limit of the running program; None: no descriptor is left. The old value comes back."""
        return self.driver.program.limit(limit, value)

    def fork(self) -> Observation:
        """Have the program fork a child that holds everything it has open, until `reap`."""
        return self.perform("fork", {"when": ""})

    def reap(self) -> Observation:
        """Have the program end that child."""
        return self.perform("reap", {"when": ""})

    def kill(self) -> None:
        """Kill the program as `kill -9` does, and wait until it is gone."""
        self.driver.program.signal(9)
        self.lab.bed.wait_for("end of the program", lambda: self.driver.program.ended is not None, 10, lambda: "running")

    # ---- the conversation ------------------------------------------------------------------------------------------

    def perform(self, op: str, facts: Mapping[str, str], **parameters: Any) -> Observation:
        """Have the program perform an operation and note what it returned."""
        return self.collect(op, self.begin(op, **parameters), facts)

    def begin(self, op: str, **parameters: Any) -> int:
        """Have the program begin an operation; returns its number."""
        sock = parameters.get("sock")
        number = self.driver.begin(op, **parameters)
        asked = {f"{op}.{name}" for name, value in parameters.items() if value is not None}
        asked |= {f"{op}.{parameters.get('name')}"} if op == "option" else set()
        asked |= {f"option.{name}" for name in parameters.get("options") or ()}
        asked |= {name for name, socks in (("closed", self.closed), ("failed", self.failed)) if sock in socks}
        asked |= {f"{op}.again"} if sock in self.known else set()
        asked |= {f"{op}.busy"} if any(self._socks[n] == sock for n in self.driver.asked if n != number) else set()
        asked |= {f"{op}.listener"} if sock in self.listeners else set()
        self._asked[number] = frozenset(asked | {op})
        self._socks[number] = sock = str(sock)
        self.known.add(sock)
        if parameters.get("network") is not None:
            self._networks[sock] = str(parameters["network"])
        if op == "close":
            self.closed.add(sock)
        if op == "listen":
            self.listeners.add(sock)
        return number

    def collect(self, op: str, number: int, facts: Mapping[str, str]) -> Observation:
        """Wait for an operation's end and note what it returned."""
        try:
            answer = self.driver.result(number, self.lab.patience(PATIENCE))
        except DriverCrashed:
            if self.driver.program.ended is None or self.driver.program.ended[0] >= 0 or not self.observed:
                raise
            # Killed by a signal in the middle of an operation: what the program's user sees is the signal.
            answer = {"outcome": "error", "errno": None, "type": f"signal {-self.driver.program.ended[0]}", "elapsed": 0.0, "t": 0.0}
        return self._note(op, number, answer, facts)

    def still_blocked(self, op: str, number: int, seconds: float, facts: Mapping[str, str]) -> Observation:
        """Note that an operation is still blocked after so many seconds."""
        bed = self.lab.bed
        began = bed.wait(0.0)
        try:
            bed.wait_for(f"answer to {op}", lambda: self.driver.done(number), seconds, lambda: "blocked")
        except WaitTimedOut:
            return self._note(op, number, {"outcome": "blocked", "elapsed": seconds, "t": began}, facts)
        return self._note(op, number, self.driver.answers.pop(number), facts)

    def _note(self, op: str, number: int, answer: Mapping[str, Any], facts: Mapping[str, str]) -> Observation:
        outcome = answer["outcome"]
        known = {**facts}
        if network := self._networks.get(self._socks.get(number, "")):
            known["when"] = f"{known.get('when', '')} {network}".strip()
        for end in ("local", "remote"):  # what the socket really got, where it was not known before
            if answer.get(end):
                self.lab.real_ports.add(answer[end][1])
                known |= _end_facts(end, (answer[end][0], answer[end][1]))
        message = "" if self.lab.bed.blind else str(answer.get("message"))
        if "resolver" in known and ":" in message:  # the port a question came from: one that did ask
            own = (self.host.address(4), "127.0.0.1", "::1")
            asked = [p for p in self.lab.bed.packets if p.proto == "udp" and p.dport == 53 and p.src in own]
            known |= next((_end_facts("local", (p.src, p.sport)) for p in asked if show((p.src, p.sport)) in message), {})
        seen = Observation(
            op=op, outcome=outcome, elapsed=float(answer.get("elapsed", 0.0)), t=float(answer.get("t", 0.0)),
            errno=name_of(answer.get("errno")), type=answer.get("type"), chain=tuple(answer.get("chain") or ()),
            message=answer.get("message"), bytes=answer.get("bytes"), data=answer.get("data"), facts=known,
            status=answer.get("status"), cause=answer.get("cause"),
        )  # fmt: skip
        if outcome == "unsupported":
            if self.observed:
                self.lab.gap(self._asked[number], seen)
                raise Unsupported(f"{self.driver.runtime} cannot {op}: {seen.message}")
            if self.lab.bed.blind:  # the peer is what this system can build, and not every system has everything
                raise Unavailable(f"a peer that can {op}", str(seen.message), "play it on another backend")
            raise PeerFailed(f"the peer's {op} is beyond its language: {seen.message}")
        self.observations.append(seen)
        if op in ("connect", "listen") and outcome != "ok":
            self.failed.add(self._socks[number])
        if not self.observed and outcome in ("error", "timeout"):
            raise PeerFailed(f"the peer's {op} failed: {seen.message or seen.symbol}")
        return seen


class Lab:
    """What a story has in its hands."""

    def __init__(
        self,
        bed: RemoteTestbed,
        scenario: Scenario,
        drivers: Mapping[str, DriverSession],
        variant: str | None,
        gap: Callable[[frozenset[str], Observation], None],
        compiler: Callable[[str], str | None] | None = None,
    ) -> None:
        self.bed, self.scenario, self.variant, self.gap, self.compiler = bed, scenario, variant, gap, compiler
        self.family = bed.family
        sides = {name: Side(self, bed.host(name), drivers[name], scenario.observe == name) for name in ("client", "server")}
        self.client, self.server = sides["client"], sides["server"]
        self.evidence: dict[str, Any] = {}
        self.real_ports: set[int] = set()
        """Ports that sockets were seen to have, which no others stand for."""

    @property
    def loopback(self) -> str:
        """The loopback address of this play's family, where the hosts have others to reach each other by."""
        self._apart()
        return "127.0.0.1" if self.family == 4 else "::1"

    def _apart(self) -> None:
        if ipaddress.ip_address(self.client.address).is_loopback:
            raise Unavailable("an address beyond the loopback", "both hosts are this machine's loopback", "play it on another backend")

    @property
    def broadcast(self) -> str:
        """The address of everybody on the link between the hosts: IPv4's broadcast, or the multicast address of all nodes."""
        self._apart()
        if self.family == 6:
            return "ff02::1"
        return str(ipaddress.ip_network(f"{self.client.address}/24", strict=False).broadcast_address)

    @property
    def observed(self) -> Side:
        """The side whose program is under observation."""
        return self.client if self.client.observed else self.server

    @property
    def published(self) -> str:
        """The address at which a container engine publishes the server's port."""
        return self.bed.plan.gateway

    def connected(self, **more: Any) -> tuple[Handle, Handle]:
        """An established connection: the client's end, dialled with what more is asked, and the server's."""
        self.server.listen()
        conn = self.client.connect(**more)
        return conn, self.server.accept()

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[Mapping[str, Any]]:
        """Apply a fault for the length of the block; when it ends, the fault proves that it acted."""
        self._between(f"the fault {type(fault).__name__}")
        with fault.applied(self.bed) as evidence:
            try:
                yield evidence
            finally:
                self.evidence[repr(fault)] = evidence

    def scripted(
        self, at: str = "server", *, port: int = PORT, local_port: int = 40001, timestamps: bool = False
    ) -> AbstractContextManager[ScriptedPeer]:
        """Take a host's TCP away and say its part yourself: see `scripted`. `local_port` is the one a scripted client dials from."""
        self._between("a scripted peer")
        return scripted(self.bed, at, port, local_port, timestamps, self.patience)

    def _between(self, what: str) -> None:
        """Raise Unavailable where nothing can be changed between the hosts."""
        if self.bed.blind:
            reason = "nothing can be put between the hosts: both are this machine's own loopback"
            raise Unavailable(what, reason, "play it on another backend: --backend netns, --backend docker, --backend uml")

    def until_wire(self, pattern: str, seconds: float = 10.0, times: int = 1) -> Segment:
        """Wait until the wire has shown such a segment (so often) since the play began; returns the last one."""

        def hits() -> list[Segment]:
            return [s for s in self.segments(self.bed.packets) if fits(pattern, s)]

        def last_seen() -> str:
            return describe(self.segments(self.bed.packets))

        self.bed.wait_for(f"{pattern!r} on the wire", lambda: len(hits()) >= times, self.patience(seconds), last_seen)
        return hits()[times - 1]

    def pause(self, seconds: float) -> None:
        """Let the testbed's clock run on, where the mechanism is that nothing happens for so long."""
        end = self.bed.wait(0.0) + seconds
        while (now := self.bed.wait(0.0)) < end:
            self.bed.wait(end - now)

    def segments(self, packets: Sequence[Packet]) -> list[Segment]:
        """Packets as the evidence shows them."""
        return segments(packets, self.bed.names, packets[0].t if packets else 0.0, self.bed.forged)

    def patience(self, seconds: float) -> float:
        """The bound of a wait on this testbed's clock."""
        return max(seconds, VIRTUAL_PATIENCE) if self.bed.virtual else seconds


def _facts(local: Endpoint | None, remote: Endpoint | None) -> dict[str, str]:
    either = remote or local
    facts = {"when": "ipv6" if either and ":" in either[0] else ""}
    for end, endpoint in (("local", local), ("remote", remote)):
        if endpoint is not None:
            facts |= _end_facts(end, endpoint)
    return facts


def _end_facts(end: str, endpoint: Endpoint) -> dict[str, str]:
    address, port = endpoint
    return {end: show(endpoint), f"{end}_ip": address, f"{end}_port": str(port), f"{end}_bytes": str(len(address.encode()))}


def _endpoint(seen: Observation, end: str) -> Endpoint | None:
    if f"{end}_ip" not in seen.facts or seen.outcome != "ok":
        return None
    return seen.facts[f"{end}_ip"], int(seen.facts[f"{end}_port"])


def _text(data: bytes | str | None) -> str | None:
    return data.decode("latin-1") if isinstance(data, bytes) else data
