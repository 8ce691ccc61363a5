"""ICMP errors, answered by the lab from userspace as a router on the way would.

A packet filter's REJECT answers inside the very system call that sends the packet when both hosts are namespaces of one machine: the
error then meets a socket that is still locked, and the kernel keeps only a soft error (tcp_v4_err, TcpExtLockDroppedIcmps). No real
path is that fast. So the packet is dropped there, and the error sent when it is certain that no system call holds the socket: the
kernel's own account of the socket (tcp_get_info) takes the socket's lock, and waits for whoever has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from faultlab.errors import FaultNotObserved
from faultlab.faults.packet_filter import FilterVerdict
from faultlab.testbed import Testbed
from faultlab.wire import ICMP4, ICMP6, Packet

CODES = {4: {name: code for code, name in ICMP4.items()}, 6: {name: code for code, name in ICMP6.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpAnswer:
    """Packets that match are thrown away at a host and answered with an ICMP error."""

    kind: str = "host-unreachable"
    """As in `wire`: host-unreachable, net-unreachable, port-unreachable, admin-prohibited, …"""
    kind6: str = "addr-unreachable"
    at: str = "server"
    match: str = "-p tcp"
    flags: str = "S"
    """Answer segments with exactly these flags; empty for all."""
    shift: int = 0
    """Added to the quoted sequence number: an error about a segment that was never sent (RFC 5927)."""
    times: int = field(default=1_000_000)

    @contextmanager
    def applied(self, bed: Testbed) -> Iterator[Mapping[str, Any]]:
        """Answer while the block lasts; at least one answer must have been sent."""
        import scapy.layers.inet6  # noqa: F401  # takes a second the first time, which no SYN should have to wait for

        answered: list[Packet] = []
        evidence: dict[str, Any] = {}
        sender = bed.host(self.at)

        def answer(packet: Packet) -> None:
            if packet.proto != "tcp" or packet.dst != sender.address(bed.family) or len(answered) >= self.times:
                return
            if self.flags and packet.flags != self.flags:
                return
            answered.append(packet)
            bed.host("client").sockets(bed.family)  # returns when no system call holds a socket
            sender.inject(self.packet(packet, bed.family))

        with FilterVerdict(at=self.at, match=self.match).applied(bed) as rule, bed.watching(answer):
            yield evidence
            evidence |= {"answers": len(answered), "kind": self.kind if bed.family == 4 else self.kind6, "rule": rule}
        if not answered:
            raise FaultNotObserved(self, "no packet came that it could have answered")

    def packet(self, about: Packet, family: int) -> bytes:
        """The ICMP error that quotes a packet (RFC 792, RFC 4443)."""
        from scapy.layers.inet import ICMP, IP
        from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6
        from scapy.packet import Raw

        quoted = bytearray(about.raw)
        if self.shift:
            at = ((quoted[0] & 15) * 4 if family == 4 else 40) + 4
            number = (int.from_bytes(quoted[at : at + 4], "big") + self.shift) & 0xFFFFFFFF
            quoted[at : at + 4] = number.to_bytes(4, "big")
        if family == 4:
            kind, code = CODES[4][self.kind]
            return bytes(IP(src=about.dst, dst=about.src) / ICMP(type=kind, code=code) / Raw(bytes(quoted[:28])))
        kind, code = CODES[6][self.kind6]
        return bytes(IPv6(src=about.dst, dst=about.src) / ICMPv6DestUnreach(type=kind, code=code) / Raw(bytes(quoted[:128])))
