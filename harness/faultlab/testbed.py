"""What a testbed is to a story, a fault or a backend: protocols, addresses and the settings every host starts with."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from faultlab.errors import ForbiddenTarget
from faultlab.wire import Packet

LAB_NETWORKS = tuple(
    ipaddress.ip_network(n)
    for n in (
        "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32",  # documentation: RFC 5737, RFC 3849
        "127.0.0.0/8", "::1/128",  # loopback
        "0.0.0.0/32", "::/128", "255.255.255.255/32", "224.0.0.0/4", "ff00::/8", "fe80::/10",  # never leave a link
    )
)  # fmt: skip
"""The only addresses that may appear in a play."""

# Every host starts with these, whatever the machine outside has. Timers and limits are the kernel's own defaults unless a
# scenario says otherwise.
PINNED: dict[str, int | str] = {
    "net.ipv6.conf.all.accept_dad": 0,  # an address is usable at once
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.default.addr_gen_mode": 1,  # no link-local address that nobody asked for
    "net.ipv6.conf.default.accept_ra": 0,
    "net.ipv6.conf.default.router_solicitations": 0,
    "net.ipv6.conf.default.mldv1_unsolicited_report_interval": 0,
    "net.ipv4.ip_local_port_range": "40000 60999",  # a listener's port is never picked for a client by accident
    "net.ipv4.tcp_congestion_control": "reno",  # inherited from the machine outside; reno is in every kernel
    "net.ipv4.tcp_syncookies": 0,  # a short accept queue would switch to cookies in silence
    "net.ipv4.tcp_timestamps": 1,
    "net.ipv4.tcp_tw_reuse": 2,
    "net.ipv4.tcp_fastopen": 0,
    "net.ipv4.tcp_no_metrics_save": 1,  # no remembered peer
    "net.ipv4.tcp_abort_on_overflow": 0,
    "net.ipv4.tcp_syn_retries": 6,
    "net.ipv4.tcp_synack_retries": 5,
    "net.ipv4.tcp_retries1": 3,
    "net.ipv4.tcp_retries2": 15,
    "net.ipv4.tcp_orphan_retries": 0,
    "net.ipv4.tcp_fin_timeout": 60,
    "net.ipv4.tcp_keepalive_time": 7200,
    "net.ipv4.tcp_keepalive_intvl": 75,
    "net.ipv4.tcp_keepalive_probes": 9,
    "net.ipv4.tcp_mtu_probing": 0,
    "net.ipv4.tcp_rfc1337": 0,
    "net.ipv4.icmp_ratelimit": 0,  # the second ICMP error of a play is sent like the first
    "net.ipv4.ip_unprivileged_port_start": 1024,
}


def refuse_foreign(address: str) -> None:
    """Raise ForbiddenTarget for an IP address outside the lab's ranges; a host name is the lab's resolver's business."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return
    mapped = getattr(ip, "ipv4_mapped", None)
    if not any((mapped or ip) in network for network in LAB_NETWORKS if network.version == (mapped or ip).version):
        raise ForbiddenTarget(address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a testbed has to have."""

    settings: Mapping[str, int | str] = field(default_factory=dict)
    """Kernel settings of all hosts, over PINNED."""
    router: bool = False
    published: bool = False
    """Whether the server's port is published by a container engine, so that its proxy stands between the two."""
    number: int = 0
    """Tells the testbeds of one session apart: each worker has addresses of its own."""

    def addresses(self, host: str) -> tuple[str, str]:
        """IPv4 and IPv6 address of a host."""
        n = 4 * (self.number % 60)
        if self.router:
            return {
                "client": (f"198.51.100.{n + 1}", f"2001:db8:1::{n + 1:x}"),
                "server": (f"203.0.113.{n + 2}", f"2001:db8:2::{n + 2:x}"),
                "router": (f"198.51.100.{n + 3}", f"2001:db8:1::{n + 3:x}"),
            }[host]
        last = {"client": n + 1, "server": n + 2}[host]
        return f"198.51.100.{last}", f"2001:db8::{last:x}"

    @property
    def far_side(self) -> tuple[str, str]:
        """The router's addresses on the server's side."""
        n = 4 * (self.number % 60)
        return f"203.0.113.{n + 3}", f"2001:db8:2::{n + 3:x}"

    @property
    def gateway(self) -> str:
        """The engine's own address on the network of its containers; a published port is published there and nowhere else."""
        return f"198.51.100.{4 * (self.number % 60) + 6}"


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command at a host ended."""

    status: int
    stdout: str
    stderr: str


class Host(Protocol):
    """One end of the wire, reached only through the pipe of its agent."""

    @property
    def name(self) -> str:
        """client, server or router."""

    def address(self, family: int) -> str:
        """Its address; family is 4 or 6."""

    def run(self, *argv: str, stdin: str | None = None) -> Finished:
        """Run a command to its end; raise AgentError when it cannot be run or fails."""

    def inject(self, packet: bytes) -> None:
        """Put an IP packet on the wire, past the host's own stack and packet filter."""

    def sockets(self, family: int) -> Sequence[Mapping[str, Any]]:
        """Its TCP sockets with state, addresses and queues."""

    def counters(self) -> Mapping[str, int]:
        """Its SNMP counters that are not zero, named as nstat names them."""

    def sysctl(self, name: str, value: int | str | None = None) -> str:
        """Read a setting, set it where a value is given; the old one comes back."""

    def route(self, verb: str, dst: str, **wish: str) -> None:
        """Add or delete a route."""

    def lookup(self, dst: str) -> Mapping[str, Any]:
        """Which route the kernel would take; `errno` where it has none."""

    def link(self, **wish: Any) -> None:
        """Change its interface towards the peer."""


class Program(Protocol):
    """A program running at a host."""

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""

    def signal(self, number: int) -> None:
        """Send it a signal."""


class Testbed(Protocol):
    """Hosts that reach only each other."""

    @property
    def stack(self) -> str:
        """The network stack's name and version: `linux-6.18.44`."""

    @property
    def virtual(self) -> bool:
        """Whether its clock is virtual."""

    @property
    def family(self) -> int:
        """4 or 6: the addresses that this play is about."""

    def host(self, name: str) -> Host:
        """The host of that name."""

    @property
    def packets(self) -> Sequence[Packet]:
        """Everything captured so far, in order."""

    def watching(self, watcher: Callable[[Packet], None]) -> AbstractContextManager[None]:
        """Call the watcher for each packet as it is seen, while the block lasts."""
    def kernel(self, name: str, value: int | str | None = None) -> Mapping[str, str]:
        """Read and set what all hosts of a kernel of the lab's own share: its old `value`, and the kernel's `log` since the last time."""

    def wait_for(self, what: str, done: Callable[[], bool], seconds: float, last_seen: Callable[[], str]) -> None:
        """Let time pass until `done`; raises WaitTimedOut with what was last seen."""


class Backend(Protocol):
    """A way of building testbeds."""

    name: ClassVar[str]
    virtual: ClassVar[bool]
    """Whether its clock is virtual, so that the kernel's timers can be played at their defaults."""
    foreign: ClassVar[bool]
    """Whether its hosts have files of their own, drivers included: what can be built here says nothing of them."""
    parallel: ClassVar[bool]
    """Whether it holds several testbeds at a time, each asked for by a thread of its own."""

    def check(self) -> None:
        """Raise BackendUnavailable when this machine cannot build a testbed."""

    def testbed(self, plan: Plan) -> AbstractContextManager[Any]:
        """Build a testbed and undo all of it on exit, even a half-built one."""

    def close(self) -> None:
        """End what is kept from one testbed to the next; one that stands breaks off."""


class Fault(Protocol):
    """One thing made wrong: a frozen value that knows how to apply, prove and undo itself."""

    def applied(self, bed: Testbed) -> AbstractContextManager[Mapping[str, Any]]:
        """Apply on entry; on exit prove that it acted (or raise FaultNotObserved) and undo. Yields its evidence."""


@contextmanager
def nothing() -> Iterator[None]:
    """The fault that is none."""
    yield
