"""The hosts that an agent serves: namespaces, links, programs, captures, and what the kernel says of them."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import fcntl
import ipaddress
import json
import os
import select
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from faultlab.agent import sock_diag, sysctl
from faultlab.agent.libc import CLONE_NEWNET, MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, PR_CAPBSET_DROP, PR_CAPBSET_READ, check, libc
from faultlab.agent.lines import Frozen, Pipes
from faultlab.agent.routing import kernel_state

CAPABILITIES = {"net_bind_service": 10, "net_admin": 12, "net_raw": 13}  # <linux/capability.h>
SO_TIMESTAMPNS = 35
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD
SOL_PACKET, PACKET_STATISTICS = 263, 6
SIOCETHTOOL = 0x8946
OFFLOADS_OFF = (0x17, 0x1F, 0x2C, 0x24)  # ETHTOOL_STXCSUM, STSO, SGRO, SGSO: a capture has to show what is on a wire
IFF_RUNNING = 0x40
OWN_NETWORKS = tuple(ipaddress.ip_network(n) for n in ("198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"))
MESSAGE_MAX = 1 << 20
SELECT_MAX = 2_000_000.0  # seconds that epoll_wait(2) can take
TICK = 0.002  # how often a state that no packet announces (a timer's, a local call's) is looked at again


@dataclass(slots=True)
class Program:
    """A program running at a host."""

    popen: subprocess.Popen[bytes]
    pidfd: int
    host: str = ""
    partial: bytes = b""
    stderr: bytes = b""


@dataclass(slots=True)
class OwnState:
    """The addresses and routes of an adopted namespace, and what the kernel says of it when it has them and nothing else."""

    ends: dict[str, dict[str, Any]]
    routes: list[dict[str, Any]]
    clean: frozenset[tuple[Any, ...]] = frozenset()
    filtered: bool = False
    """Whether somebody has used the packet filter since."""
    files: dict[str, str] = field(default_factory=dict)
    """What files said before they were written over."""
    settings: dict[str, str] = field(default_factory=dict)
    """What kernel settings were before they were changed."""


@dataclass(slots=True)
class HostState:
    """One network namespace and everything that is open in it."""

    name: str
    netns: int
    ip: IPRoute
    diag: socket.socket
    packet: socket.socket | None
    snmp: list[int]
    interfaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    """Counters when the play began, where the namespace is older than the play."""
    own: OwnState | None = None
    """What an adopted namespace is to be like between plays."""


class Refused(Exception):
    """The request cannot be carried out; the reason goes back in the answer."""


class Agent:
    """Carries out requests, one at a time."""

    def __init__(self, lines: Pipes | Frozen) -> None:
        self.lines = lines
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.hosts: dict[str, HostState] = {}
        self.programs: dict[str, Program] = {}
        self.events: list[dict[str, Any]] = []
        self.selector = selectors.DefaultSelector()
        if lines.requests is not None:
            self.selector.register(lines.requests, selectors.EVENT_READ, None)
        self.scratch: str | None = None
        self.files: list[str] = []
        self.places: list[str] = []
        self.account: Any = None
        """What tells the kernel's own account, or why nothing does."""

    # ---- the conversation ------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Answer requests until standard input ends."""
        while (line := self.lines.next()) is not None:
            request = json.loads(line)
            answer: dict[str, Any] = {"id": request.pop("id", None)}
            verb = request.pop("do")
            try:
                handler: Callable[..., Any] = getattr(self, f"do_{verb}")
                answer["value"] = handler(**request)
            except (OSError, Refused, NetlinkError, KeyError, subprocess.SubprocessError) as e:
                answer["error"] = f"{verb}: {type(e).__name__}: {e}"
            self.lines.answer(answer)

    # ---- hosts -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _inside(self, netns: int) -> Iterator[None]:
        """Run the block in another network namespace; sockets made there stay there."""
        if os.path.sameopenfile(netns, self.home):  # an adopted one: nothing to change, and nothing that needs a privilege
            yield
            return
        check(libc.setns(netns, CLONE_NEWNET), "setns")
        try:
            yield
        finally:
            check(libc.setns(self.home, CLONE_NEWNET), "setns")

    def do_build(
        self, hosts: dict[str, dict[str, Any]], links: list[dict[str, Any]], routes: dict[str, list[dict[str, Any]]]
    ) -> dict[str, Any]:
        """Make hosts, join them by veth, give them addresses and routes; half a testbed is undone when it fails."""
        try:
            for name, wish in hosts.items():
                check(libc.unshare(CLONE_NEWNET), "unshare")
                try:
                    netns = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
                    self._adopt(name, netns, wish["sysctls"], wish["capture"]).ip.link("set", index=1, state="up")
                finally:
                    check(libc.setns(self.home, CLONE_NEWNET), "setns")
            for number, link in enumerate(links):
                self._link(number, link)
            for name, wish in hosts.items():  # an interface's own settings are there only now
                for key, value in wish["sysctls"].items():
                    if ".eth" in key:
                        self.do_sysctl(name, key, value)
            for name, wanted in routes.items():
                for route in wanted:
                    self.do_route(name, "add", **route)
        except BaseException:
            self.do_teardown()
            raise
        return {name: host.interfaces for name, host in self.hosts.items()}

    def do_adopt(
        self, host: str, capture: bool, ends: dict[str, dict[str, Any]] | None = None, routes: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Serve the namespace the agent itself is in as a host, for many plays, one after another.

        Without `ends` it is somebody else's and nothing of it is changed. With them it is the lab's own (a container's): they are its
        interfaces, `{"eth0": {"mac", "addresses": […], "neighbours": {address: mac}}}`, and whatever else is there is cleared away.
        """
        state = self._adopt(host, os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC), {}, capture)
        for link in state.ip.get_links():
            name = link.get_attr("IFLA_IFNAME")
            state.interfaces[name] = {"index": link["index"], "mac": link.get_attr("IFLA_ADDRESS")}
        if ends is not None:
            self._furnish(state, ends, routes or [])
        return state.interfaces

    def _furnish(self, state: HostState, ends: dict[str, dict[str, Any]], routes: list[dict[str, Any]]) -> None:
        """Make a container's namespace the lab's. Refused where an address shows that it is somebody else's."""
        for entry in state.ip.get_addr():
            address = ipaddress.ip_address(entry.get_attr("IFA_ADDRESS"))
            if not address.is_loopback and not address.is_link_local and not any(address in network for network in OWN_NETWORKS):
                raise Refused(f"{address} is not an address of the lab: this namespace is not changed")
        for name, end in ends.items():
            state.ip.link("set", index=_index(state, name), address=end["mac"])
            state.interfaces[name]["mac"] = end["mac"]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                for command in OFFLOADS_OFF:
                    with contextlib.suppress(OSError):
                        _ethtool_off(s, name, command)
        # An engine redirects its resolver's address in the container: with address translation the kernel tracks connections,
        # and may give a socket another port on the wire than its own.
        for tool in ("iptables", "ip6tables"):
            if "-A " in _run([f"{tool}-save", "-t", "nat"]):
                _run([tool, "-t", "nat", "-F"])
                _run([tool, "-t", "nat", "-X"])
        for family in (socket.AF_INET, socket.AF_INET6):  # an engine may have put a way out there, even where it leads nowhere
            state.ip.flush_routes(table=254, family=family)
        state.own = OwnState(ends, routes, filtered=True)
        self._settle(state)
        state.own.clean = kernel_state()

    def do_begin(self, settings: dict[str, Any]) -> dict[str, list[str]]:
        """Begin a play in adopted namespaces: nothing that was before is seen in it. Tells what is not as it was."""
        for host in self.hosts.values():
            for name, value in settings.items():
                with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6, or older than the setting
                    if sysctl.read(name).split() != str(value).split():
                        self.do_sysctl(host.name, name, value)
            if host.packet is not None:
                self._packets(host)
            host.before = self._counters(host)
        self.events.clear()
        self.do_dropped()  # reading it sets it to zero
        return {host.name: self._left(host) for host in self.hosts.values()}

    def do_reset(self) -> dict[str, list[str]]:
        """End a play in adopted namespaces: programs, sockets, rules, routes, neighbours, files; tells what is left all the same."""
        for name in list(self.programs):
            self._end(name)
        left = {}
        for host in self.hosts.values():
            self._settle(host)
            if found := self._left(host):
                for family in (socket.AF_INET, socket.AF_INET6):
                    host.ip.flush_routes(table=254, family=family)
                self._settle(host)
                found = self._left(host)
            left[host.name] = found
        self.events.clear()
        return left

    def _settle(self, host: HostState) -> None:
        """Make an adopted namespace what it is to be."""
        assert host.own is not None
        for s in sock_diag.dump(host.diag, 6, raw=True):  # TIME_WAIT and orphans, too
            with contextlib.suppress(OSError):
                sock_diag.destroy(host.diag, s["family"], s["raw"])
        for path, text in host.own.files.items():
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        host.own.files.clear()
        for name, value in host.own.settings.items():
            sysctl.write(name, value)
        host.own.settings.clear()
        if host.own.filtered:
            for tool in ("iptables", "ip6tables"):
                if "-A " in (saved := _run([f"{tool}-save"])) or "faultlab" in saved:
                    _run([f"{tool}-restore"], "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")
            host.own.filtered = False
        ip = host.ip
        for name, end in host.own.ends.items():
            index = host.interfaces[name]["index"]
            # With its address a network's route goes, and with the route what was learnt of it (fib_nh exceptions, RFC 1191).
            ip.flush_addr(index=index)
            for neighbour in ip.get_neighbours(ifindex=index):
                if not neighbour["state"] & 0x40:  # NUD_NOARP: multicast, not learnt
                    with contextlib.suppress(NetlinkError):
                        ip.neigh("del", dst=neighbour.get_attr("NDA_DST"), ifindex=index, family=neighbour["family"])
            for address in end["addresses"]:
                bare, _, length = address.partition("/")
                ip.addr("add", index=index, address=bare, prefixlen=int(length), flags=0x02 if ":" in bare else 0)
            for address, mac in end["neighbours"].items():
                ip.neigh("replace", dst=address, lladdr=mac, ifindex=index, state=0x80)
        for route in host.own.routes:
            self.do_route(host.name, "replace", **route)
        # A work queue makes IPv6 addresses usable (addrconf_dad_work), even those that are not to be looked for elsewhere.
        given = [a.partition("/")[0] for end in host.own.ends.values() for a in end["addresses"]]
        wanted = {socket.inet_pton(socket.AF_INET6, a) for a in given if ":" in a}
        _eventually(
            lambda: not wanted - {dict(entry[2]).get(1) for entry in kernel_state() if entry[0] == 26 and entry[1][7] == 2},  # RTN_LOCAL
            f"the IPv6 addresses of {host.name} are not usable",
        )

    def _left(self, host: HostState) -> list[str]:
        """What is in an adopted namespace and should not be, or is not and should."""
        assert host.own is not None
        left = [f"socket {s['local']} {s['remote']} {s['state']}" for s in sock_diag.dump(host.diag, 6)]
        now = kernel_state()
        left += [f"new {entry!r}" for entry in sorted(now - host.own.clean, key=repr)]
        left += [f"gone {entry!r}" for entry in sorted(host.own.clean - now, key=repr)]
        return left

    def _adopt(self, name: str, netns: int, sysctls: dict[str, Any], capture: bool) -> HostState:
        try:
            for key, value in sysctls.items():
                with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6, or older than the setting
                    sysctl.write(key, value)
        except OSError:
            os.close(netns)
            raise
        ip = IPRoute()
        diag = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 4)  # NETLINK_SOCK_DIAG
        diag.bind((0, 0))
        snmp = []
        for table in ("snmp", "netstat", "snmp6"):
            with contextlib.suppress(FileNotFoundError):
                snmp.append(os.open(f"/proc/thread-self/net/{table}", os.O_RDONLY | os.O_CLOEXEC))
        host = HostState(name, netns, ip, diag, None, snmp)
        self.hosts[name] = host
        if capture:
            tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, socket.htons(ETH_P_ALL))
            tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            host.packet = tap
            self.selector.register(tap, selectors.EVENT_READ, host)
        return host

    def _link(self, number: int, link: dict[str, Any]) -> None:
        """Join two hosts: `{"ends": {host: {"name", "mac", "addresses"}, …}}`, exactly two."""
        (a, end_a), (b, end_b) = link["ends"].items()
        first, second = self.hosts[a], self.hosts[b]
        first.ip.link(
            "add", ifname=end_a["name"], kind="veth", address=end_a["mac"],
            peer={"ifname": end_b["name"], "address": end_b["mac"], "net_ns_fd": second.netns},
        )  # fmt: skip
        for host, end in ((first, end_a), (second, end_b)):
            index = _index(host, end["name"])
            host.interfaces[end["name"]] = {"index": index, "mac": end["mac"]}
            with self._inside(host.netns), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                for command in OFFLOADS_OFF:
                    with contextlib.suppress(OSError):  # a kernel that has no such offload has it off
                        _ethtool_off(s, end["name"], command)
            for address in end["addresses"]:
                ip, _, length = address.partition("/")
                # flags: IFA_F_NODAD; with duplicate address detection the address is unusable for a second
                host.ip.addr("add", index=index, address=ip, prefixlen=int(length), flags=0x02 if ":" in ip else 0)
            host.ip.link("set", index=index, state="up")
        self._running(first, _index(first, end_a["name"]))
        # Neighbour discovery answers only when a work queue has joined the multicast group, up to a second after the address was
        # given (addrconf_dad_work); ARP answers at once. So IPv6 neighbours are told about each other.
        for host, end, other in ((first, end_a, end_b), (second, end_b, end_a)):
            for address in other["addresses"]:
                if ":" in address:
                    index = _index(host, end["name"])
                    host.ip.neigh("add", dst=address.partition("/")[0], lladdr=other["mac"], ifindex=index, state=0x80)

        for host, end in ((first, end_a), (second, end_b)):
            self._reachable(host, [address.partition("/")[0] for address in end["addresses"] if ":" in address])

    def _reachable(self, host: HostState, addresses: list[str]) -> None:
        """Wait until a host takes packets to its own IPv6 addresses: their routes are made by that work queue too (ip6_ins_rt)."""
        for address in addresses:
            _eventually(lambda: 2 in self._lookup(host, address)[1], f"{address} of {host.name} is not in use")  # noqa: B023  # it is called at once; 2 is RTN_LOCAL

    @staticmethod
    def _running(host: HostState, index: int) -> None:
        """Wait until an interface can send.

        The end that came up first learns of its carrier by a work queue (linkwatch_event); until that has given it a queueing
        discipline (dev_activate) it throws away what it should send, and the first SYN would be late by a second.
        """
        _eventually(lambda: host.ip.get_links(index)[0]["flags"] & IFF_RUNNING, f"the interface of {host.name} has no carrier")
        # The flag is set first, the rest follows under the same lock, which this no-op has to wait for.
        host.ip.link("set", index=index, state="up")

    def do_teardown(self) -> None:
        """Kill the programs, close everything, let the namespaces go, forget what was seen."""
        for name in list(self.programs):
            self._end(name)
        for host in self.hosts.values():
            if host.packet is not None:
                self.selector.unregister(host.packet)
            host.ip.close()
            # In a thread: closing a packet socket waits for a grace period of the kernel, some milliseconds of doing nothing.
            threading.Thread(target=_close_host, args=(host,)).start()
        self.hosts.clear()
        self.events.clear()
        for path in self.files:
            check(libc.umount2(path.encode(), 0), f"umount {path}")
        self.files.clear()
        for place in self.places:
            shutil.rmtree(place)
        self.places.clear()

    # ---- programs --------------------------------------------------------------------------------------------------

    def do_spawn(
        self, host: str, name: str, argv: list[str], env: dict[str, str] | None = None, limits: dict[str, int] | None = None,
        without: list[str] | None = None,
    ) -> int:  # fmt: skip
        """Start a program at a host, in a session of its own, without some capabilities; its lines come as events."""

        def start() -> subprocess.Popen[bytes]:
            for capability in without or ():
                if libc.prctl(PR_CAPBSET_READ, CAPABILITIES[capability], 0, 0, 0):  # a container may not have it in the first place
                    check(libc.prctl(PR_CAPBSET_DROP, CAPABILITIES[capability], 0, 0, 0), f"drop {capability}")
            with self._inside(self.hosts[host].netns):
                return subprocess.Popen(
                    argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    env={**os.environ, **(env or {})}, start_new_session=True, bufsize=0,
                )  # fmt: skip

        # What is dropped never comes back, but each thread has capabilities of its own: one that ends right after is asked.
        popen = _in_thread(start) if without else start()
        if limits:
            import resource

            for limit, value in limits.items():
                resource.prlimit(popen.pid, getattr(resource, limit), (value, value))
        assert popen.stdout is not None and popen.stderr is not None
        program = Program(popen, os.pidfd_open(popen.pid), host)
        self.programs[name] = program
        for stream in (popen.stdout, popen.stderr):
            os.set_blocking(stream.fileno(), False)
            self.selector.register(stream, selectors.EVENT_READ, name)
        self.selector.register(program.pidfd, selectors.EVENT_READ, name)
        return popen.pid

    def do_asleep(self, name: str, seconds: float) -> bool:
        """Wait until no thread of a program has anything to do, whatever it waits for; whether that came about.

        A thread that is woken runs before it sleeps again, and that is counted: what two looks at all threads find asleep, with the
        same counts, slept all the time between them. What was written to its standard input has woken it before the writing ended.
        """
        end = time.monotonic() + seconds
        before: object = None
        while time.monotonic() < end:
            now = _sleepers(_proc(self.programs[name]))
            if now is not None and now == before:
                return True
            before = now
            if now is None:
                self._collect_taps(TICK)
        return False

    def do_still(self, name: str, threads: list[str]) -> None:
        """Have some threads of a program stand still (cgroups(7), freezer): those that only look around every few seconds."""
        group = "/sys/fs/cgroup/still"
        if not os.path.isdir(group):
            check(libc.mount(b"faultlab", b"/sys/fs/cgroup", b"cgroup2", MS_NODEV | MS_NOEXEC | MS_NOSUID, None), "mount")
            os.mkdir(group)
            for file, text in (("type", "threaded"), ("freeze", "1")):
                with open(f"{group}/cgroup.{file}", "w", encoding="ascii") as f:
                    f.write(text)
        for thread in os.listdir(f"{_proc(self.programs[name])}/task"):
            with open(f"/proc/{thread}/comm", encoding="utf-8", errors="replace") as f:
                known = f.read().strip() in threads
            if known:
                with open(f"{group}/cgroup.threads", "w", encoding="ascii") as f:
                    f.write(thread)

    def do_limit(self, name: str, limit: str, value: int | None) -> int:
        """Set a limit of a running program (setrlimit(2)); None leaves no descriptor free. The old value comes back."""
        import resource

        number, pid = getattr(resource, limit), self.programs[name].popen.pid
        old, hard = resource.prlimit(pid, number)
        if value is None:
            used = {int(fd) for fd in os.listdir(_proc(self.programs[name]) + "/fd")}
            value = next(fd for fd in range(len(used) + 1) if fd not in used)
        resource.prlimit(pid, number, (value, hard))
        return old

    def do_tell(self, name: str, line: str) -> None:
        """Write a line to a program's standard input."""
        stdin = self.programs[name].popen.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):  # that it has ended comes as an event
            stdin.write(line.encode() + b"\n")

    def do_signal(self, name: str, number: int) -> None:
        """Send a signal to a program."""
        signal.pidfd_send_signal(self.programs[name].pidfd, number)

    def _end(self, name: str) -> None:
        """Kill a program with all it started, and reap it."""
        program = self.programs.pop(name)
        popen = program.popen
        with contextlib.suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGKILL)
        self._reap(program)
        for stream in (popen.stdout, popen.stderr):
            assert stream is not None
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(stream)
            stream.close()
        with contextlib.suppress(KeyError):
            self.selector.unregister(program.pidfd)
        os.close(program.pidfd)
        if popen.stdin is not None:
            with contextlib.suppress(OSError):
                popen.stdin.close()

    def _reap(self, program: Program) -> int:
        """Take leave of a program that ends; its status.

        The last of its threads to end is still clearing its part of /proc when the program as a whole has ended, and reaping it clears
        the rest: a loop that gives way only to what a clock tells it to (shrink_dcache_parent), and here no tick comes while it runs.
        So the others are let finish first.
        """
        if isinstance(self.lines, Frozen):
            select.select([program.pidfd], [], [])
            time.sleep(0.0001)
        return program.popen.wait()

    def do_run(self, host: str, argv: list[str], stdin: str | None = None, timeout: float = 20.0) -> dict[str, Any]:
        """Run a command at a host to its end."""
        if (own := self.hosts[host].own) is not None and "tables" in argv[0]:
            own.filtered = True
        with self._inside(self.hosts[host].netns):
            done = subprocess.run(argv, input=(stdin or "").encode(), capture_output=True, timeout=timeout, check=False)
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        return {"status": done.returncode, "stdout": out, "stderr": err}

    # ---- time and events -------------------------------------------------------------------------------------------

    def do_wait(self, seconds: float) -> dict[str, Any]:
        """Let time pass until something happens, a request comes, or the seconds are over; then tell what happened."""
        end = time.monotonic() + seconds
        while not self.events and not self.lines.waiting:
            left = end - time.monotonic()
            if self._collect(max(0.0, left)) or left <= 0:
                break
        events, self.events = self.events, []
        return {"events": events, "now": time.time()}

    def _collect(self, timeout: float) -> bool:
        """Wait for readiness and take everything that is there; True when a request is waiting."""
        requested = False
        for key, _ in self.selector.select(min(timeout, SELECT_MAX)):
            if key.data is None:
                requested = True
            elif isinstance(key.data, HostState):
                self._packets(key.data)
            elif callable(key.data):
                key.data()
            else:
                self._program_event(key.data, key.fd)
        return requested

    def _packets(self, host: HostState) -> None:
        assert host.packet is not None
        while True:
            try:
                data, ancillary, _, source = host.packet.recvmsg(65600, 64)
            except BlockingIOError:
                return
            except OSError:  # the interface went down under the tap: what it had seen is still to be read
                continue
            interface, protocol, kind = source[0], source[1], source[2]
            outgoing = kind == socket.PACKET_OUTGOING
            if interface == "lo" and outgoing:  # on the loopback each packet is seen twice, leaving and arriving
                continue
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16]) if ancillary else (0, 0)
            self.events.append(
                {
                    "event": "packet", "host": host.name, "interface": interface, "protocol": protocol, "out": outgoing,
                    "t": seconds + nanoseconds / 1e9, "data": base64.b64encode(data).decode(),
                }
            )  # fmt: skip

    def _program_event(self, name: str, fd: int) -> None:
        program = self.programs[name]
        popen = program.popen
        assert popen.stdout is not None and popen.stderr is not None
        if fd == program.pidfd:
            self.selector.unregister(fd)
            for stream in (popen.stdout, popen.stderr):
                if stream in self.selector.get_map():
                    self._program_event(name, stream.fileno())
            status = self._reap(program)
            words = program.stderr.decode(errors="replace")
            self.events.append({"event": "exit", "program": name, "status": status, "stderr": words, "t": time.time()})
            return
        stream = popen.stdout if fd == popen.stdout.fileno() else popen.stderr
        try:
            chunk = os.read(stream.fileno(), 1 << 20)
        except BlockingIOError:
            return
        if not chunk:
            self.selector.unregister(stream)
            return
        if stream is popen.stderr:
            program.stderr = (program.stderr + chunk)[-65536:]
            return
        lines = (program.partial + chunk).split(b"\n")
        program.partial = lines.pop()
        if len(program.partial) > MESSAGE_MAX:
            lines.append(program.partial[:1000])
            program.partial = b""
        now = time.time()
        for line in lines:
            text = line.decode(errors="replace")
            self.events.append({"event": "line", "program": name, "line": text, "t": now})

    # ---- the kernel ------------------------------------------------------------------------------------------------

    def do_sockets(self, host: str, family: int, protocol: int = 6) -> list[dict[str, Any]]:
        """All TCP (or UDP) sockets of a host, as `sock_diag` tells them.

        TCP_INFO is asked for because the kernel takes each socket's lock to fill it in (tcp_get_info): when the answer is
        here, no system call of the program is in the middle of changing that socket any more.
        """
        diag = self.hosts[host].diag
        return [s for s in sock_diag.dump(diag, protocol) if (":" in s["local"][0]) == (family == socket.AF_INET6)]

    def do_until(
        self, host: str, family: int, local: list[Any], remote: list[Any] | None, states: list[str], seconds: float, unread: int = 0
    ) -> dict[str, Any]:
        """Wait until a socket is in one of the states, with so much unread; `CLOSE` is also: gone. `seen`: the last state."""
        end = time.monotonic() + seconds
        diag = self.hosts[host].diag
        while True:
            seen = "CLOSE"
            for s in sock_diag.dump(diag, 6):
                if s["local"] == local and (s["remote"] == remote or (remote is None and s["remote"][1] == 0)):
                    seen = s["state"] if s["recv_q"] >= unread else f"{s['state']} with {s['recv_q']} bytes unread"
                    if seen in states:
                        break
            left = end - time.monotonic()
            if seen in states or left <= 0:
                return {"seen": seen, "reached": seen in states}
            # The longer it has taken, the rarer: a minute of TIME_WAIT is not looked at thirty thousand times.
            self._collect_taps(min(left, max(TICK, (seconds - left) / 100)))

    def _collect_taps(self, timeout: float) -> None:
        """Wait for a packet or a tick, without looking at the channel: the request at hand is not done yet."""
        if self.lines.requests is None:
            self._collect(timeout)
            return
        self.selector.unregister(self.lines.requests)
        try:
            self._collect(timeout)
        finally:
            self.selector.register(self.lines.requests, selectors.EVENT_READ, None)

    def do_destroy(self, host: str, family: int, local: list[Any], remote: list[Any]) -> None:
        """Destroy a socket as an administrator's `ss -K` does (SOCK_DESTROY)."""
        for s in sock_diag.dump(self.hosts[host].diag, 6, raw=True):
            if s["local"] == local and s["remote"] == remote:
                sock_diag.destroy(self.hosts[host].diag, s["family"], s["raw"])
                return
        raise Refused(f"no socket {local} -> {remote} at {host}")

    def do_counters(self, host: str) -> dict[str, int]:
        """The SNMP counters of a host that are not zero, named as `nstat` names them, counted from the play's beginning."""
        before = self.hosts[host].before
        counters = {name: value - before.get(name, 0) for name, value in self._counters(self.hosts[host]).items()}
        return {name: value for name, value in counters.items() if value}

    @staticmethod
    def _counters(host: HostState) -> dict[str, int]:
        counters: dict[str, int] = {}
        for fd in host.snmp:
            text = os.pread(fd, 1 << 17, 0).decode()
            lines = text.splitlines()
            if lines and ":" not in lines[0]:  # snmp6: one name and value a line
                pairs = [line.split() for line in lines]
                counters.update({name: int(value) for name, value in pairs if value != "0"})
                continue
            for names, values in zip(lines[::2], lines[1::2], strict=True):
                prefix, _, rest = names.partition(":")
                for name, value in zip(rest.split(), values.partition(":")[2].split(), strict=True):
                    if value != "0":
                        counters[prefix + name] = int(value)
        return counters

    def do_account(self, begin: bool) -> Any:
        """The kernel's own account: begin it, which answers with why there is none; or tell what it has said since."""
        if self.account is None:
            try:
                from faultlab import tracepoints

                alone = isinstance(self.lines, Frozen)
                self.account = tracepoints.opened(alone, apart=alone or "--sandbox" in sys.argv[1:])
                for waker in getattr(self.account, "wakers", ()):
                    self.selector.register(waker, selectors.EVENT_READ, self.account.drain)
            except ImportError:  # a container's agent is this one file
                self.account = "in a container the kernel's tracepoints are out of reach"
        if isinstance(self.account, str):
            return self.account
        if begin:
            return self.account.begin()
        hosts = {program.popen.pid: program.host for program in self.programs.values()}
        return self.account.told(lambda pid: hosts.get(pid, ""))

    def do_dropped(self) -> int:
        """How many packets the taps had to let go unseen."""
        total = 0
        for host in self.hosts.values():
            if host.packet is not None:
                _, drops = struct.unpack("II", host.packet.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
                total += drops
        return total

    def do_inject(self, host: str, interface: str, mac: str, packet: str) -> None:
        """Put an IP packet on the wire from a host's interface, past its own stack and packet filter."""
        data = base64.b64decode(packet)
        protocol = ETH_P_IPV6 if data[0] >> 4 == 6 else ETH_P_IP
        with self._inside(self.hosts[host].netns):
            out = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        with out:
            out.sendto(data, (interface, protocol, 0, 0, bytes.fromhex(mac.replace(":", ""))))

    def do_sysctl(self, host: str, name: str, value: str | int | None = None) -> str:
        """Read a setting of a host's namespace, and set it where a value is given; returns the old one."""
        with self._inside(self.hosts[host].netns):
            old = sysctl.read(name)
            if value is not None:
                if (own := self.hosts[host].own) is not None:
                    own.settings.setdefault(name, old)
                sysctl.write(name, value)
        return old

    def do_kernel(self, name: str, value: str | int | None = None) -> dict[str, str]:
        """Read and set what all hosts of a kernel share, and take what it has logged; only where the kernel is the lab's own."""
        if not isinstance(self.lines, Frozen):
            raise Refused("this kernel is not the lab's own")
        old = sysctl.read(name)
        if value is not None:
            sysctl.write("net.core.message_cost", 0)  # else it says so ten times in five seconds and no more, all plays together
            sysctl.write(name, value)
        log = ctypes.create_string_buffer(1 << 18)
        size = libc.klogctl(4, log, len(log))  # SYSLOG_ACTION_READ_CLEAR
        return {"value": old, "log": log.raw[: max(0, size)].decode(errors="replace")}

    def do_route(self, host: str, verb: str, dst: str, kind: str = "unicast", via: str | None = None, dev: str | None = None,
                 scope: str | None = None) -> None:  # fmt: skip
        """Add or delete a route at a host; the scope `nowhere` deletes one of any scope."""
        state = self.hosts[host]
        wish: dict[str, Any] = {"dst": dst, "family": socket.AF_INET6 if ":" in dst else socket.AF_INET}
        if kind != "unicast":
            wish["type"] = kind
        if scope is not None:
            wish["scope"] = {"link": 253, "nowhere": 255}[scope]
        if via is not None:
            wish["gateway"] = via
        if dev is not None:
            wish["oif"] = _index(state, dev)
        state.ip.route(verb, **wish)

    def do_lookup(self, host: str, dst: str) -> dict[str, Any]:
        """Ask the kernel which route it would take (`ip route get`)."""
        errno, kinds = self._lookup(self.hosts[host], dst)
        return {"errno": errno, "types": sorted(kinds)}

    @staticmethod
    def _lookup(host: HostState, dst: str) -> tuple[int, set[int]]:
        """errno or 0, and the kinds of route."""
        try:
            routes = list(host.ip.route("get", dst=dst, family=socket.AF_INET6 if ":" in dst else socket.AF_INET))
        except NetlinkError as e:
            return e.code, set()
        return -int(routes[0].get_attr("RTA_ERROR") or 0), {route["type"] for route in routes}

    def do_address(self, host: str, verb: str, interface: str, address: str) -> None:
        """Add or delete an address of an interface."""
        state = self.hosts[host]
        ip, _, length = address.partition("/")
        state.ip.addr(verb, index=_index(state, interface), address=ip, prefixlen=int(length))

    def do_link(self, host: str, interface: str, **wish: Any) -> None:
        """Change an interface: `state="down"`, `mtu=1200`, `arp=False`."""
        state = self.hosts[host]
        state.ip.link("set", index=_index(state, interface), **wish)

    def do_file(self, path: str, text: str) -> None:
        """Put a file in the place of another, for the programs of this testbed alone (/etc/resolv.conf, say)."""
        if (own := next((host.own for host in self.hosts.values() if host.own is not None), None)) is not None:
            if os.path.exists(path):  # a container's files are its own, and it may not mount; the reset puts the old text back
                with open(path, encoding="utf-8") as f:
                    own.files.setdefault(path, f.read())
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
            return
        path = os.path.realpath(path)
        if not os.path.exists(path):
            return  # nobody here reads it: a minimal system has no nsswitch.conf, and then the default is what the lab would put there
        copy = os.path.join(self._own_folder(), path.strip("/").replace("/", "-"))
        with open(copy, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(copy, 0o644)
        if path not in self.files:
            check(libc.mount(copy.encode(), path.encode(), None, MS_BIND, None), f"bind {path}")
            self.files.append(path)

    def do_place(self) -> str:
        """Make an empty folder for the programs of this testbed, which goes with it."""
        inside = any(host.own is not None for host in self.hosts.values())  # a container's files are its own already
        self.places.append(tempfile.mkdtemp(dir=None if inside else self._own_folder()))
        return self.places[-1]

    def _own_folder(self) -> str:
        """A file system that nobody else sees."""
        if self.scratch is None:
            self.scratch = next(p for p in ("/mnt", "/srv", "/media", "/opt") if os.path.isdir(p))
            check(libc.mount(b"faultlab", self.scratch.encode(), b"tmpfs", MS_NODEV | MS_NOEXEC | MS_NOSUID, b"size=1m"), "mount")
        return self.scratch


# ---- helpers without state -----------------------------------------------------------------------------------------


def _proc(program: Program) -> str:
    """A program's folder in /proc, which may be that of the process namespace outside and use its numbers (pidfd_open(2))."""
    with open(f"/proc/thread-self/fdinfo/{program.pidfd}", encoding="ascii") as f:
        return "/proc/" + next(line.split()[1] for line in f if line.startswith("Pid:"))


def _sleepers(proc: str) -> dict[str, str] | None:
    """Each thread of a process with how often it was switched to another; None where one of them is not asleep."""
    found = {}
    try:
        for thread in os.listdir(f"{proc}/task"):
            with open(f"{proc}/task/{thread}/status", encoding="utf-8", errors="replace") as f:
                status = f.read()
            if "\nState:\tS" not in status:
                return None
            found[thread] = status[status.index("voluntary_ctxt_switches") :]
    except (FileNotFoundError, ProcessLookupError):  # a thread ended meanwhile, before its file was opened or before it was read
        return None
    return found


def _in_thread(work: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Do it in a thread of its own."""
    done: list[subprocess.Popen[bytes]] = []
    failed: list[OSError] = []

    def run() -> None:
        try:
            done.append(work())
        except OSError as e:
            failed.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _eventually(true: Callable[[], Any], otherwise: str) -> None:
    """Look until it is true, for what a work queue of the kernel does; Refused when it is not after 5 s."""
    end = time.monotonic() + 5
    while not true():
        if time.monotonic() > end:
            raise Refused(f"{otherwise} after 5 s")
        time.sleep(0.0001)  # where time stands still while anything computes, only this lets the work queue run


def _close_host(host: HostState) -> None:
    if host.packet is not None:
        host.packet.close()
    host.diag.close()
    for fd in (*host.snmp, host.netns):
        os.close(fd)


def _index(host: HostState, interface: str) -> int:
    found = host.interfaces.get(interface)
    if found is not None:
        return int(found["index"])
    indexes = host.ip.link_lookup(ifname=interface)
    if not indexes:
        raise Refused(f"no interface {interface} at {host.name}")
    return int(indexes[0])


def _ethtool_off(s: socket.socket, interface: str, command: int) -> None:
    value = ctypes.create_string_buffer(struct.pack("II", command, 0))
    fcntl.ioctl(s, SIOCETHTOOL, struct.pack("16sP", interface.encode(), ctypes.addressof(value)))


def _run(argv: list[str], stdin: str = "") -> str:
    """Run a command where the agent is; its output. Raises Refused when it fails."""
    done = subprocess.run(argv, input=stdin.encode(), capture_output=True, timeout=20, check=False)
    if done.returncode:
        raise Refused(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")
