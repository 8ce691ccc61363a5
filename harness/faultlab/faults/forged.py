"""Segments that no kernel of the testbed sent, made with scapy from what the capture shows."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faultlab.errors import FaultNotObserved
from faultlab.testbed import Fault, Testbed
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
        with _forged(self, bed, self.to, "RA", self.offset) as facts:
            yield facts


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgedData:
    """A segment with data in the peer's name, sent once when the block begins.

    All of it is as the peer would write it, but for the sequence number, to which `offset` is added: with much more than a window, no
    receiver takes it. It answers with an ACK that says what it does expect, and keeps the connection (RFC 9293 section 3.10.7.4).
    """

    to: str = "client"
    offset: int
    data: bytes = b"later"

    @contextmanager
    def applied(self, bed: Testbed) -> Iterator[Mapping[str, Any]]:
        """Forge it from the last segments of both directions; on exit the capture has to show it on its way."""
        with _forged(self, bed, self.to, "PA", self.offset, self.data) as facts:
            yield facts


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


@contextmanager
def _forged(fault: Fault, bed: Testbed, to: str, flags: str, offset: int, data: bytes = b"") -> Iterator[dict[str, Any]]:
    """Send a segment that continues what the sender has sent last, and see it captured."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.inet6 import IPv6

    sender, target = bed.host("server" if to == "client" else "client"), bed.host(to).address(bed.family)
    own = sender.address(bed.family)  # a router between the two may have made other addresses of it, at the other end
    flows = [p for p in bed.packets if p.proto == "tcp" and own in (p.src, p.dst)]
    inbound = [p for p in flows if p.dst == target]
    outbound = [p for p in flows if p.src == target and "A" in p.flags]
    if not inbound or not outbound:
        raise FaultNotObserved(fault, "there is no connection in the capture to forge it from")
    last = inbound[-1]
    # What the receiver expects next is what it acknowledged last, or more where an acknowledgement is still delayed.
    expected = max((p.ack for p in outbound), key=lambda n: (n - outbound[0].ack) & (HALF * 2 - 1))
    ends = [(p.seq + p.length + ("S" in p.flags) + ("F" in p.flags)) & 0xFFFFFFFF for p in inbound]
    expected = max([expected, *ends], key=lambda n: (n - outbound[0].ack) & (HALF * 2 - 1) if (n - outbound[0].ack) & HALF == 0 else 0)
    seq = (expected + offset) & 0xFFFFFFFF
    ip = IP(src=last.src, dst=last.dst) if bed.family == 4 else IPv6(src=last.src, dst=last.dst)
    tcp = TCP(sport=last.sport, dport=last.dport, flags=flags, seq=seq, ack=_next(outbound), window=last.window if data else 0)
    raw = bytes(ip / tcp / data)
    sender.inject(raw)
    facts: dict[str, Any] = {"seq_offset": offset}
    yield facts
    facts["seen"] = sum(1 for p in bed.packets if p.raw == raw)
    if not facts["seen"]:
        raise FaultNotObserved(fault, "the forged segment was not captured")


def _next(sent: list[Packet]) -> int:
    """The sequence number after the last byte a side has sent."""
    last = sent[-1]
    return (last.seq + last.length + ("F" in last.flags)) & 0xFFFFFFFF
