"""Sockets of a network namespace as the kernel tells them, and their end by an administrator's hand (sock_diag(7))."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

from faultlab.tcp_states import state_name


def dump(diag: socket.socket, protocol: int, raw: bool = False) -> list[dict[str, Any]]:
    """Dump the sockets of a namespace (inet_diag_req_v2 with INET_DIAG_INFO; sock_diag(7)).

    Both families: a program may well speak IPv4 through an IPv6 socket, as Java does; such addresses come back as IPv4.
    """
    found: list[dict[str, Any]] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        request = struct.pack("=BBBBI", family, protocol, 1 << 1, 0, 0xFFF) + bytes(48)
        header = struct.pack("=IHHII", 16 + len(request), 20, 0x301, 1, 0)  # SOCK_DIAG_BY_FAMILY, REQUEST | ROOT | MATCH
        diag.send(header + request)
        found += _answers(diag, raw)
    return found


def _answers(diag: socket.socket, raw: bool) -> Iterator[dict[str, Any]]:
    while True:
        data = memoryview(diag.recv(1 << 18))
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            if kind == 3:  # NLMSG_DONE
                return
            if kind == 2:  # NLMSG_ERROR
                raise OSError(-struct.unpack_from("=i", data, 16)[0], "sock_diag")
            yield _socket(bytes(data[16:length]), raw)
            data = data[(length + 3) & ~3 :]


def _socket(message: bytes, raw: bool) -> dict[str, Any]:
    """Decode an inet_diag_msg."""
    family, state, timer, retransmits, sport, dport = struct.unpack_from("!BBBBHH", message)
    size = 4 if family == socket.AF_INET else 16
    queues = struct.unpack_from("=IIIII", message, 52)  # expires, rqueue, wqueue, uid, inode
    local, remote = (socket.inet_ntop(family, message[at : at + size]).removeprefix("::ffff:") for at in (8, 24))
    found: dict[str, Any] = {
        "state": state_name(state),
        "local": [local, sport],
        "remote": [remote, dport],
        "timer": ("", "on", "keepalive", "timewait", "persist")[timer] if timer < 5 else str(timer),
        "retransmits": retransmits,
        "expires": queues[0],
        "recv_q": queues[1],
        "send_q": queues[2],
    }
    if raw:
        found |= {"raw": message[4:52], "family": family}  # inet_diag_sockid, cookie included
    return found


def destroy(diag: socket.socket, family: int, sockid: bytes) -> None:
    """Have the kernel end a socket (SOCK_DESTROY). Raises OSError."""
    request = struct.pack("=BBBBI", family, 6, 0, 0, 0xFFF) + sockid
    diag.send(struct.pack("=IHHII", 16 + len(request), 21, 0x5, 2, 0) + request)  # SOCK_DESTROY, REQUEST | ACK
    error = struct.unpack_from("=i", diag.recv(4096), 16)[0]
    if error:
        raise OSError(-error, "SOCK_DESTROY: " + os.strerror(-error))
