"""Decoding and the notation, against packets that scapy makes: two independent readings of the same headers."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from faultlab.wire import Packet, Segment, check, decode, describe, fits, segments

pytest.importorskip("scapy")
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6MLReport2,
    ICMPv6ND_NS,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP
from scapy.packet import Packet as Made
from scapy.packet import Raw

C4, S4, C6, S6 = "198.51.100.1", "198.51.100.2", "2001:db8::1", "2001:db8::2"
NAMES = {C4: "client", C6: "client", S4: "server", S6: "server"}
PROTOCOLS = {4: 0x0800, 6: 0x86DD}


def ip(family: int, back: bool = False) -> Made:
    src, dst = (C4, S4) if family == 4 else (C6, S6)
    if back:
        src, dst = dst, src
    return IP(src=src, dst=dst) if family == 4 else IPv6(src=src, dst=dst)


def seen(made: Made | bytes, protocol: int, t: float = 1.0) -> Packet | None:
    return decode(bytes(made), protocol, t=t, at="client", interface="eth0", out=True)


def packet(made: Made, family: int = 4, t: float = 1.0) -> Packet:
    found = seen(made, PROTOCOLS[family], t)
    assert found is not None
    return found


# ---- decode --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [4, 6])
def test_tcp(family: int) -> None:
    made = ip(family) / TCP(sport=40001, dport=9000, flags="PA", seq=7, ack=8, window=512, options=[("NOP", None)] * 4) / Raw(b"hello")
    p = packet(made, family)
    assert (p.proto, p.sport, p.dport, p.flags, p.seq, p.ack, p.window, p.length) == ("tcp", 40001, 9000, "PA", 7, 8, 512, 5)
    assert (p.src, p.dst) == ((C4, S4) if family == 4 else (C6, S6))
    assert p.flow == (p.src, 40001, p.dst, 9000)
    assert p.raw == bytes(made)


@pytest.mark.parametrize(
    ("made", "flags"), [("S", "S"), ("SA", "SA"), ("FA", "FA"), ("FPA", "FPA"), ("R", "R"), ("RA", "RA"), ("SEC", "S"), ("", "")]
)
def test_flags(made: str, flags: str) -> None:
    assert packet(ip(4) / TCP(flags=made)).flags == flags


def test_ip_options_and_padding() -> None:
    """A header longer than twenty bytes, and an Ethernet frame's padding after a short packet."""
    made = IP(src=C4, dst=S4, options=[b"\x01\x01\x01\x00"]) / TCP(flags="PA") / Raw(b"abc")
    found = seen(bytes(made) + b"\0" * 9, 0x0800)
    assert found is not None
    assert (found.length, found.flags) == (3, "PA")


def test_a_length_of_zero_means_all_there_is() -> None:
    """A segment larger than a packet can say: its length field is zero (BIG TCP, offloads)."""
    raw = bytearray(bytes(ip(4) / TCP() / Raw(b"x" * 10)))
    struct.pack_into("!H", raw, 2, 0)
    found = seen(bytes(raw), 0x0800)
    assert found is not None
    assert found.length == 10


@pytest.mark.parametrize("family", [4, 6])
def test_udp(family: int) -> None:
    p = packet(ip(family) / UDP(sport=5, dport=53) / Raw(b"ask"), family)
    assert (p.proto, p.sport, p.dport, p.length) == ("udp", 5, 53, 3)


ICMPS: list[tuple[int, Made, str]] = [
    (4, ICMP(type=3, code=0), "net-unreachable"),
    (4, ICMP(type=3, code=1), "host-unreachable"),
    (4, ICMP(type=3, code=3), "port-unreachable"),
    (4, ICMP(type=3, code=4), "frag-needed"),
    (4, ICMP(type=3, code=13), "admin-prohibited"),
    (4, ICMP(type=11, code=0), "ttl-exceeded"),
    (4, ICMP(type=8, code=0), "echo-request"),
    (4, ICMP(type=42, code=7), "42/7"),
    (6, ICMPv6DestUnreach(code=0), "no-route"),
    (6, ICMPv6DestUnreach(code=1), "admin-prohibited"),
    (6, ICMPv6DestUnreach(code=3), "addr-unreachable"),
    (6, ICMPv6DestUnreach(code=4), "port-unreachable"),
    (6, ICMPv6PacketTooBig(), "packet-too-big"),
    (6, ICMPv6TimeExceeded(), "ttl-exceeded"),
]


@pytest.mark.parametrize(("family", "made", "name"), ICMPS)
def test_icmp(family: int, made: Made, name: str) -> None:
    p = packet(ip(family) / made / Raw(b"x" * 28), family)
    assert (p.proto, p.icmp) == ("icmp", name)


def test_arp() -> None:
    p = seen(ARP(psrc=C4, pdst=S4), 0x0806)
    assert p is not None
    assert (p.proto, p.src, p.dst) == ("arp", C4, S4)


@pytest.mark.parametrize("made", [ICMPv6ND_NS(tgt=S6), IPv6ExtHdrHopByHop() / ICMPv6MLReport2()], ids=["neighbour", "multicast"])
def test_what_keeps_the_link_going_is_no_packet(made: Made) -> None:
    assert seen(ip(6) / made, 0x86DD) is None


def test_other_protocols_are_kept_as_other() -> None:
    assert packet(IP(src=C4, dst=S4, proto=132) / Raw(b"x" * 20)).proto == "other"


@pytest.mark.parametrize("protocol", [0x0800, 0x86DD, 0x0806, 0x88CC])
@pytest.mark.parametrize("length", [0, 1, 19, 27, 39])
def test_too_short(protocol: int, length: int) -> None:
    found = seen(bytes(length), protocol)
    assert found is None or found.proto in ("other", "arp")


@pytest.mark.parametrize("family", [4, 6])
def test_any_cut(family: int) -> None:
    """Whatever is left of a packet, decoding it does not fail."""
    whole = bytes(ip(family) / TCP(flags="PA", options=[("MSS", 1460)]) / Raw(b"hello"))
    for length in range(len(whole)):
        seen(whole[:length], PROTOCOLS[family])


# ---- segments ------------------------------------------------------------------------------------------------------


def tcp(
    flags: str, seq: int, ack: int = 0, data: bytes = b"", back: bool = False, family: int = 4, sport: int = 40001, t: float = 1.0
) -> Packet:
    ports = {"sport": 9000, "dport": sport} if back else {"sport": sport, "dport": 9000}
    return packet(ip(family, back) / TCP(**ports, flags=flags, seq=seq, ack=ack) / Raw(data), family, t)


def shown(*packets: Packet, forged: frozenset[bytes] = frozenset()) -> list[Segment]:
    return segments(packets, NAMES, 1.0, forged)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("first", [1000, 0xFFFFFFFF], ids=["plain", "wraps"])
def test_relative_numbers(family: int, first: int) -> None:
    after = (first + 1) & 0xFFFFFFFF
    handshake = [
        tcp("S", first, family=family), tcp("SA", 5000, after, back=True, family=family), tcp("A", after, 5001, family=family),
        tcp("PA", after, 5001, b"hello", family=family), tcp("A", 5001, (after + 5) & 0xFFFFFFFF, back=True, family=family),
    ]  # fmt: skip
    found = shown(*handshake)
    assert [(s.sender, s.receiver, s.flags, s.seq, s.ack, s.len) for s in found] == [
        ("client", "server", "S", 0, 0, 0),
        ("server", "client", "SA", 0, 1, 0),
        ("client", "server", "A", 1, 1, 0),
        ("client", "server", "PA", 1, 1, 5),
        ("server", "client", "A", 1, 6, 0),
    ]
    assert describe(found) == "> S | < SA | > A | > PA/5 | < A"


def test_a_new_connection_on_the_same_ports() -> None:
    found = shown(tcp("S", 1000), tcp("RA", 0, 1001, back=True), tcp("S", 99000), tcp("RA", 0, 99001, back=True))
    assert [(s.seq, s.ack) for s in found] == [(0, 0), (0, 1), (0, 0), (0, 1)]


def test_a_retransmission_is_not_a_new_connection() -> None:
    assert [s.seq for s in shown(tcp("S", 1000), tcp("S", 1000), tcp("S", 1000))] == [0, 0, 0]


def test_order_and_time() -> None:
    found = shown(tcp("RA", 0, 1001, back=True, t=1.25), tcp("S", 1000, t=1.125))
    assert [(s.t, s.label) for s in found] == [(0.125, "S"), (0.25, "RA")]


def test_forged() -> None:
    reset = tcp("RA", 5001, 1001, back=True)
    found = shown(tcp("S", 1000), tcp("SA", 5000, 1001, back=True), reset, forged=frozenset([reset.raw]))
    assert [s.forged for s in found] == [False, False, True]
    assert found[2].label == "RA!"
    assert found[2].seq == 1
    assert describe(found) == "> S | < SA | < RA!"


def test_a_forged_segment_does_not_set_the_base() -> None:
    reset = tcp("R", 777, back=True)
    found = shown(reset, tcp("SA", 5000, 1, back=True), forged=frozenset([reset.raw]))
    assert [s.seq for s in found] == [0, 0]


def test_strangers_keep_their_address() -> None:
    found = shown(packet(IP(src="203.0.113.9", dst=C4) / ICMP(type=3, code=1)))
    assert (found[0].sender, found[0].receiver, found[0].label) == ("203.0.113.9", "client", "ICMP host-unreachable")


# ---- notation ------------------------------------------------------------------------------------------------------

SYN = Segment(t=0, sender="client", receiver="server", proto="tcp", flags="S")
RESET = Segment(t=0, sender="server", receiver="client", proto="tcp", flags="RA")
FORGED = replace(RESET, forged=True)
DATA = Segment(t=0, sender="client", receiver="server", proto="tcp", flags="PA", len=5)
UNREACHABLE = Segment(t=0, sender="server", receiver="client", proto="icmp", icmp="host-unreachable")
ASK = Segment(t=0, sender="client", receiver="server", proto="arp")
DATAGRAM = Segment(t=0, sender="client", receiver="server", proto="udp", len=3)


@pytest.mark.parametrize(
    ("pattern", "segment", "does"),
    [
        ("> S", SYN, True), ("< S", SYN, False), ("> SA", SYN, False), ("> S*", SYN, True), ("> *", SYN, True), ("< *", SYN, False),
        ("< RA", RESET, True), ("< R", RESET, False), ("< R*", RESET, True), ("< A*", RESET, True), ("< RA!", RESET, False),
        ("< RA!", FORGED, True), ("< RA", FORGED, True), ("< R*", FORGED, True), ("< *", FORGED, True),
        ("> PA", DATA, True), ("> PA/5", DATA, True), ("> PA/4", DATA, False), ("> PA/5", SYN, False),
        ("< ICMP", UNREACHABLE, True), ("< ICMP host-unreachable", UNREACHABLE, True), ("< ICMP net-unreachable", UNREACHABLE, False),
        ("> ICMP", UNREACHABLE, False), ("< *", UNREACHABLE, True), ("< R*", UNREACHABLE, False),
        ("> ARP", ASK, True), ("> *", ASK, False), ("> UDP", DATAGRAM, True), ("> UDP/3", DATAGRAM, True), ("> UDP/4", DATAGRAM, False),
    ],
)  # fmt: skip
def test_fits(pattern: str, segment: Segment, does: bool) -> None:
    assert fits(pattern, segment) is does


def test_check() -> None:
    play = [ASK, SYN, RESET]
    assert check(["> S", "< RA"], ["< SA"], play) == []
    assert check(["> ARP", "< RA"], [], play) == []
    assert check([], [], []) == []


def test_check_order() -> None:
    assert check(["< RA", "> S"], [], [SYN, RESET]) == ["the wire did not show '> S' where it had to; seen: > S | < RA"]
    assert check(["> S", "> S"], [], [SYN, RESET]) == ["the wire did not show '> S' where it had to; seen: > S | < RA"]


def test_check_never() -> None:
    assert check(["> S"], ["< R*", "< SA"], [SYN, RESET]) == ["the wire showed '< R*'; seen: > S | < RA"]
    assert check(["> S"], [], []) == ["the wire did not show '> S' where it had to; seen: nothing"]
