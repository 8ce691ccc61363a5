"""Which TCP connections this machine has, and in which states: what every system tells everybody, each in its own way.

Linux has it in `/proc/net/tcp`, Windows answers GetExtendedTcpTable (iphlpapi), and the BSDs and macOS have `netstat`, which may read what
others may not. No privilege is needed for any of them.
"""

from __future__ import annotations

import ipaddress
import platform
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from faultlab.tcp_states import state_name

Endpoint = tuple[str, int]
Connection = tuple[Endpoint, Endpoint, str, int | None]
"""Local end, remote end (port 0: none), state as Linux names it, and how many bytes have come that nobody has read, where that is told."""

WINDOWS = (
    "", "CLOSE", "LISTEN", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE_WAIT", "CLOSING", "LAST_ACK",
    "TIME_WAIT", "CLOSE",
)  # fmt: skip
NETSTAT = {"FIN_WAIT_1": "FIN_WAIT1", "FIN_WAIT_2": "FIN_WAIT2", "SYN_RCVD": "SYN_RECV", "SYN_RECEIVED": "SYN_RECV", "CLOSED": "CLOSE"}
TCP_TABLE_OWNER_PID_ALL = 5
GVISOR = "#1 SMP Sun Jan 10 15:06:54 PST 2016"
"""What gVisor's uname(2) says of its version, in every release. Its `/proc/net/tcp` says that no queue has anything in it."""


def connections() -> list[Connection]:
    """All of them, on this very system."""
    system: str = sys.platform  # a type checker would take the other systems' branches for unreachable
    if system == "linux":
        return [c for name in ("tcp", "tcp6") for c in linux(_text(Path("/proc/net", name)))]
    if system == "win32":
        return [c for family in (socket.AF_INET, socket.AF_INET6) for c in windows(_extended_table(family), family == socket.AF_INET6)]
    done = subprocess.run(["netstat", "-an", "-p", "tcp"], capture_output=True, text=True, timeout=20, check=True, stdin=subprocess.DEVNULL)
    return list(netstat(done.stdout))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:  # a kernel without IPv6
        return ""


def linux(text: str) -> Iterator[Connection]:
    """What `/proc/net/tcp` says: addresses as words of 32 bits in the machine's own order, in hexadecimal digits."""
    for line in text.splitlines()[1:]:
        fields = line.split()
        number = int(fields[3], 16)
        unread = None if platform.version() == GVISOR else int(fields[4].partition(":")[2], 16)
        yield _hex(fields[1]), _hex(fields[2]), state_name(number), unread


def _hex(text: str) -> Endpoint:
    digits, _, port = text.partition(":")
    words = struct.pack(f"={len(digits) // 8}I", *(int(digits[i : i + 8], 16) for i in range(0, len(digits), 8)))
    return _plain(socket.inet_ntop(socket.AF_INET if len(words) == 4 else socket.AF_INET6, words)), int(port, 16)


def netstat(text: str) -> Iterator[Connection]:
    """What `netstat -an -p tcp` says on macOS and the BSDs: `127.0.0.1.9000`, `::1.9000`, `*.9000`."""
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 6 and re.fullmatch(r"tcp\d*", fields[0]):
            yield _dotted(fields[3]), _dotted(fields[4]), NETSTAT.get(fields[5], fields[5]), int(fields[1])


def _dotted(text: str) -> Endpoint:
    address, _, port = text.rpartition(".")
    return _plain(address.partition("%")[0]), int(port) if port.isdigit() else 0


def windows(table: bytes, ipv6: bool) -> Iterator[Connection]:
    """What GetExtendedTcpTable says: MIB_TCPTABLE_OWNER_PID, MIB_TCP6TABLE_OWNER_PID. Ports are in network order in a word's low half."""
    (count,) = struct.unpack_from("=I", table)
    for at in range(count):
        if ipv6:
            local, _, lport, remote, _, rport, state, _ = struct.unpack_from("=16sI4s16sI4sII", table, 4 + 56 * at)
        else:
            state, local, lport, remote, rport, _ = struct.unpack_from("=I4s4s4s4sI", table, 4 + 24 * at)
        ends = ((_plain(str(ipaddress.ip_address(a))), int.from_bytes(p[:2], "big")) for a, p in ((local, lport), (remote, rport)))
        here, there = ends
        name = WINDOWS[state] if state < len(WINDOWS) else str(state)
        yield here, (there[0], 0) if name == "LISTEN" else there, name, None


def _extended_table(family: int) -> bytes:
    import ctypes

    library = getattr(ctypes, "WinDLL")("iphlpapi")  # noqa: B009  # there is none elsewhere, and a type checker knows
    size = ctypes.c_ulong(1 << 16)
    while True:
        buffer = ctypes.create_string_buffer(size.value)
        status = library.GetExtendedTcpTable(buffer, ctypes.byref(size), False, int(family), TCP_TABLE_OWNER_PID_ALL, 0)
        if status == 0:
            return buffer.raw
        if status != 122:  # ERROR_INSUFFICIENT_BUFFER: the size that is needed is in `size` now
            raise OSError(status, "GetExtendedTcpTable")


def _plain(address: str) -> str:
    """IPv4 through an IPv6 socket, as Java speaks it, is IPv4."""
    return address.removeprefix("::ffff:")
