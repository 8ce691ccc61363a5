"""Captured packets and the notation in which a scenario says what the wire has to show. Pure.

    > S        the client sends a SYN          < RA       the client gets a RST with ACK
    > PA       the client sends data           < R!       … a RST that the lab forged
    < ICMP host-unreachable                    < *        anything at all
    > ARP      a question for a link address   > UDP      a datagram

Flags are written in the order S F R P A (`SA`, `FA`, `RA`, `PA`); `R*` is any segment with that flag; `PA/5` one with five bytes.

Decoding is by `struct`: a play's dozen packets take some microseconds, where dissecting them with scapy takes milliseconds and
importing it a third of a second. Segments are *forged* with scapy, in `faults`.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FLAGS = ((0x02, "S"), (0x01, "F"), (0x04, "R"), (0x08, "P"), (0x10, "A"))

ICMP4 = {
    (3, 0): "net-unreachable", (3, 1): "host-unreachable", (3, 2): "proto-unreachable", (3, 3): "port-unreachable",
    (3, 4): "frag-needed", (3, 9): "net-prohibited", (3, 10): "host-prohibited", (3, 13): "admin-prohibited",
    (11, 0): "ttl-exceeded", (12, 0): "parameter-problem", (8, 0): "echo-request", (0, 0): "echo-reply",
}  # fmt: skip
ICMP6 = {
    (1, 0): "no-route", (1, 1): "admin-prohibited", (1, 3): "addr-unreachable", (1, 4): "port-unreachable",
    (1, 5): "policy-fail", (1, 6): "reject-route", (2, 0): "packet-too-big", (3, 0): "ttl-exceeded", (4, 0): "parameter-problem",
    (4, 1): "next-header-unknown", (128, 0): "echo-request", (129, 0): "echo-reply",
}  # fmt: skip
NEIGHBOUR = frozenset(range(130, 138)) | {143}  # ICMPv6 that keeps the link going: MLD, router and neighbour discovery


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One captured packet: where and when it was seen, and what its headers say."""

    t: float
    """Kernel timestamp, seconds since 1970."""
    at: str
    """Host at whose interface it was seen."""
    interface: str
    out: bool
    """Whether it was leaving that host."""
    proto: str
    """tcp, udp, icmp, arp or other."""
    src: str
    dst: str
    sport: int = 0
    dport: int = 0
    flags: str = ""
    seq: int = 0
    ack: int = 0
    window: int = 0
    length: int = 0
    """Payload bytes."""
    icmp: str = ""
    raw: bytes = b""

    @property
    def flow(self) -> tuple[str, int, str, int]:
        """Who to whom."""
        return self.src, self.sport, self.dst, self.dport


def decode(raw: bytes, protocol: int, *, t: float, at: str, interface: str, out: bool) -> Packet | None:
    """Decode a captured packet; None for what only keeps the link going (neighbour discovery, multicast listeners)."""
    proto, src, dst, body = "other", "", "", raw
    if protocol == 0x0806 and len(raw) >= 28:
        src, dst = str(ipaddress.IPv4Address(raw[14:18])), str(ipaddress.IPv4Address(raw[24:28]))
        return Packet(t=t, at=at, interface=interface, out=out, proto="arp", src=src, dst=dst, raw=raw)
    if protocol == 0x0800 and len(raw) >= 20:
        number = raw[9]
        src, dst = str(ipaddress.IPv4Address(raw[12:16])), str(ipaddress.IPv4Address(raw[16:20]))
        body = raw[(raw[0] & 15) * 4 : struct.unpack_from("!H", raw, 2)[0] or None]
    elif protocol == 0x86DD and len(raw) >= 40:
        number = raw[6]
        src, dst = str(ipaddress.IPv6Address(raw[8:24])), str(ipaddress.IPv6Address(raw[24:40]))
        body = raw[40 : 40 + struct.unpack_from("!H", raw, 4)[0]]
        if number == 0 and body:  # hop-by-hop options carry multicast listener reports
            number, body = body[0], body[8 * (body[1] + 1) :]
    else:
        return None
    sport = dport = seq = ack = window = length = 0
    flags = icmp = ""
    if number == 6 and len(body) >= 20:
        proto = "tcp"
        sport, dport, seq, ack, offset, bits, window = struct.unpack_from("!HHIIBBH", body)
        flags = "".join(letter for bit, letter in FLAGS if bits & bit)
        length = len(body) - (offset >> 4) * 4
    elif number == 17 and len(body) >= 8:
        proto = "udp"
        sport, dport = struct.unpack_from("!HH", body)
        length = len(body) - 8
    elif number in (1, 58) and len(body) >= 4:
        proto = "icmp"
        kind, code = body[0], body[1]
        if number == 58 and kind in NEIGHBOUR:
            return None
        icmp = (ICMP4 if number == 1 else ICMP6).get((kind, code), f"{kind}/{code}")
        length = len(body) - 8
    return Packet(
        t=t, at=at, interface=interface, out=out, proto=proto, src=src, dst=dst, sport=sport, dport=dport,
        flags=flags, seq=seq, ack=ack, window=window, length=length, icmp=icmp, raw=raw,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A packet as a play's evidence keeps it: relative times and numbers, hosts instead of addresses."""

    t: float
    sender: str
    receiver: str
    proto: str
    flags: str = ""
    seq: int = 0
    ack: int = 0
    len: int = 0
    window: int = 0
    icmp: str = ""
    sport: int = 0
    dport: int = 0
    forged: bool = False
    at: str = ""
    raw: bytes = b""

    @property
    def label(self) -> str:
        """How the notation writes it, without its direction."""
        mark = "!" if self.forged else ""
        if self.proto == "tcp":
            return self.flags + mark
        return (f"ICMP {self.icmp}" if self.proto == "icmp" else self.proto.upper()) + mark


def _who(address: str, packet: Packet, names: Mapping[str, str]) -> str:
    """The host of an address; the loopback is the host's where it was seen."""
    return names.get(address) or (packet.at if address.startswith("127.") or address == "::1" else address)


def segments(packets: Sequence[Packet], names: Mapping[str, str], start: float, forged: frozenset[bytes]) -> list[Segment]:
    """Turn packets into segments: host names from `names` (address -> host), times from `start`, relative numbers."""
    base: dict[tuple[str, int, str, int], int] = {}
    found = []
    for p in sorted(packets, key=lambda p: p.t):
        seq = ack = 0
        if p.proto == "tcp":
            back = (p.dst, p.dport, p.src, p.sport)
            is_forged = p.raw in forged
            if p.flow not in base and (not is_forged or "S" in p.flags):
                base[p.flow] = p.seq
            # A RST that answers a segment without ACK has the number 0, which says nothing (RFC 9293, 3.5.2).
            seq = 0 if p.seq == 0 and "R" in p.flags else (p.seq - base.get(p.flow, p.seq)) & 0xFFFFFFFF
            ack = (p.ack - base.get(back, p.ack)) & 0xFFFFFFFF if "A" in p.flags else 0
            if "S" in p.flags and base.get(p.flow) != p.seq:  # a new connection on the same four numbers
                base[p.flow], seq = p.seq, 0
        found.append(
            Segment(
                t=p.t - start, sender=_who(p.src, p, names), receiver=_who(p.dst, p, names), proto=p.proto,
                flags=p.flags, seq=seq, ack=ack, len=p.length, window=p.window, icmp=p.icmp, sport=p.sport, dport=p.dport,
                forged=p.raw in forged, at=p.at, raw=p.raw,
            )
        )  # fmt: skip
    return found


def fits(pattern: str, segment: Segment) -> bool:
    """Whether a segment is what one item of the notation says."""
    direction, _, what = pattern.partition(" ")
    if (direction == ">" and segment.sender != "client") or (direction == "<" and segment.receiver != "client"):
        return False
    if what == "*":
        return segment.proto != "arp"
    what, _, size = what.partition("/") if not what.startswith("ICMP") else (what, "", "")
    if size and segment.len != int(size):
        return False
    if what.endswith("*") and segment.proto == "tcp":
        return set(what[:-1]) <= set(segment.flags)
    if what == "ICMP":
        return segment.proto == "icmp"
    return segment.label == what or (segment.forged and segment.label == what + "!")


def check(wire: Sequence[str], never: Sequence[str], seen: Sequence[Segment]) -> list[str]:
    """What the capture contradicts: items of `wire` not seen in order, items of `never` that were seen."""
    problems = []
    rest = iter(seen)
    for item in wire:
        if not any(fits(item, segment) for segment in rest):
            problems.append(f"the wire did not show {item!r} where it had to; seen: {describe(seen)}")
            break
    problems += [f"the wire showed {item!r}; seen: {describe(seen)}" for item in never if any(fits(item, s) for s in seen)]
    return problems


def describe(seen: Sequence[Segment]) -> str:
    """The capture in one line, in the notation of the scenarios."""
    arrows = {"client": ">", "server": "<"}
    return " | ".join(f"{arrows.get(s.sender, s.sender)} {s.label}" + (f"/{s.len}" if s.len else "") for s in seen) or "nothing"
