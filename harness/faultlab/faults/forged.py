"""Segments that no kernel of the testbed sent, made with scapy from what the capture shows."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faultlab.errors import FaultNotObserved
from faultlab.testbed import Testbed
from faultlab.wire import Packet

HALF = 1 << 31
MANY = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgedReset:
    """A RST in the peer's name, sent once when the block begins.

    `offset` is added to the sequence number the receiver expects next: 0 is exact and resets; inside the window it is answered by a
    challenge ACK; outside it is thrown away (RFC 5961 section 3.2, tcp_validate_incoming).
    """

    to: str = "client"
    offset: int = 0

    @contextmanager
    def applied(self, bed: Testbed) -> Iterator[Mapping[str, Any]]:
        """Forge it from the last segments of both directions; on exit the capture has to show it arriving."""
        raw, facts = self._forge(bed)
        sender = bed.host("server" if self.to == "client" else "client")
        sender.inject(raw)
        yield facts
        seen = sum(1 for p in bed.packets if p.raw == raw)
        facts["seen"] = seen
        if not seen:
            raise FaultNotObserved(self, "the forged segment was not captured")

    def _forge(self, bed: Testbed) -> tuple[bytes, dict[str, Any]]:
        from scapy.layers.inet import IP, TCP
        from scapy.layers.inet6 import IPv6

        target = bed.host(self.to).address(bed.family)
        flows = [p for p in bed.packets if p.proto == "tcp"]
        inbound = [p for p in flows if p.dst == target]
        outbound = [p for p in flows if p.src == target and "A" in p.flags]
        if not inbound or not outbound:
            raise FaultNotObserved(self, "there is no connection in the capture to forge it from")
        last = inbound[-1]
        # What the receiver expects next is what it acknowledged last, or more where an acknowledgement is still delayed.
        expected = max((p.ack for p in outbound), key=lambda n: (n - outbound[0].ack) & (HALF * 2 - 1))
        ends = [(p.seq + p.length + ("S" in p.flags) + ("F" in p.flags)) & 0xFFFFFFFF for p in inbound]
        expected = max([expected, *ends], key=lambda n: (n - outbound[0].ack) & (HALF * 2 - 1) if (n - outbound[0].ack) & HALF == 0 else 0)
        seq = (expected + self.offset) & 0xFFFFFFFF
        ip = IP(src=last.src, dst=last.dst) if bed.family == 4 else IPv6(src=last.src, dst=last.dst)
        segment = ip / TCP(sport=last.sport, dport=last.dport, flags="RA", seq=seq, ack=_next(outbound), window=0)
        return bytes(segment), {"seq_offset": self.offset}


@dataclass(frozen=True, slots=True, kw_only=True)
class SynFlood:
    """SYNs from an address that nobody has, so nobody completes or refuses what they ask for: as many as the listener takes, and one."""

    port: int
    to: str = "server"

    @contextmanager
    def applied(self, bed: Testbed) -> Iterator[Mapping[str, Any]]:
        """Send one after the other until the kernel drops one for want of room; then the block begins."""
        from scapy.layers.inet import IP, TCP
        from scapy.layers.inet6 import IPv6

        target, sender = bed.host(self.to), bed.host("client" if self.to == "server" else "server")
        # Of the network at hand, for the answer needs a route; an engine may let no more than these eight addresses pass (testbed.Plan).
        nobody = str(ipaddress.ip_address(int(ipaddress.ip_address(target.address(bed.family))) & ~7 | 4))
        evidence: dict[str, Any] = {}

        def half_open() -> int:
            return sum(1 for s in target.sockets(bed.family) if s["remote"][0] == nobody)

        def dropped() -> int:
            return target.counters().get("TcpExtTCPReqQFullDrop", 0)

        def taken_or_dropped(known: int) -> Callable[[], bool]:
            return lambda: half_open() > known or dropped() > before

        before = dropped()
        for number in range(MANY):
            ip = (IP if bed.family == 4 else IPv6)(src=nobody, dst=target.address(bed.family))
            effect = taken_or_dropped(half_open())
            sender.inject(bytes(ip / TCP(sport=20001 + number, dport=self.port, flags="S", seq=1 + number, window=65535)))
            bed.wait_for("effect of a forged SYN", effect, 5, lambda: "nothing")
            if dropped() > before:
                break
        else:
            raise FaultNotObserved(self, f"{MANY} SYNs did not fill the queue")
        evidence["half_open"] = half_open()
        yield evidence


def _next(sent: list[Packet]) -> int:
    """The sequence number after the last byte a side has sent."""
    last = sent[-1]
    return (last.seq + last.length + ("F" in last.flags)) & 0xFFFFFFFF
