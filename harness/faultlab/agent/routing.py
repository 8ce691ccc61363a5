"""Everything that decides where packets go, undecoded, to be compared with what it was."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

KEPT_OF_LINKS = frozenset({1, 3, 4, 6, 10})  # IFLA_ADDRESS, IFNAME, MTU, QDISC, MASTER: the rest are statistics
ROUTING: tuple[tuple[int, int, frozenset[int] | None], ...] = (
    (18, 16, None), (22, 8, frozenset({6})), (26, 12, frozenset({12})), (30, 12, frozenset({3})), (34, 12, frozenset()),
)  # fmt: skip
"""RTM_GETLINK, GETADDR, GETROUTE, GETNEIGH, GETRULE: request, length of its header, attributes that change by themselves (cacheinfo)."""


def kernel_state() -> frozenset[tuple[Any, ...]]:
    """Links, addresses, neighbours, routes and rules of the agent's own namespace as the kernel gives them, less what changes by itself.

    Undecoded: it is only compared, twice a play.
    """
    found: list[tuple[Any, ...]] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as s:
        s.bind((0, 0))
        for what, head, volatile in ROUTING:
            body = struct.pack("=IHHII", 16 + head, what, 0x301, 1, 0) + bytes(head)  # REQUEST | ROOT | MATCH
            s.send(body)
            found += [(what, *entry) for entry in _entries(s, head, volatile)]
    return frozenset(found)


def _entries(s: socket.socket, head: int, volatile: frozenset[int] | None) -> Iterator[tuple[Any, ...]]:
    while True:
        data = s.recv(1 << 18)
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            if kind == 3:  # NLMSG_DONE
                return
            if kind == 2:  # NLMSG_ERROR: a kernel without that table
                return
            attributes = []
            at = 16 + head
            while at + 4 <= length:
                size, number = struct.unpack_from("=HH", data, at)
                if (number in KEPT_OF_LINKS) if volatile is None else (number not in volatile):
                    attributes.append((number, data[at + 4 : at + size]))
                at += max(4, (size + 3) & ~3)
            if not (kind == 28 and struct.unpack_from("=H", data, 24)[0] & 0x40):  # NUD_NOARP: made by whoever speaks to a multicast group
                yield data[16 : 16 + head], tuple(attributes)
            data = data[(length + 3) & ~3 :]
