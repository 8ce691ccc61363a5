"""A name server at a host, answered by the lab itself from the questions it captures.

The questions go to a port where nobody listens; a rule there drops them, so that no ICMP error answers first, and counts them. What a
program's resolver is told to ask comes from files that a scenario puts in the place of the machine's own (`Scenario.files`).
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faultlab.errors import FaultNotObserved
from faultlab.faults.packet_filter import FilterVerdict
from faultlab.testbed import Testbed
from faultlab.wire import Packet

CODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}
A, AAAA = 1, 28
RESPONSE, AUTHORITATIVE, WANTED, AVAILABLE = 0x8000, 0x0400, 0x0100, 0x0080  # QR, AA, RD, RA of the header


def asking(options: str = "") -> dict[str, str]:
    """The files that make a program ask the server's host and nobody else; `options` as in resolv.conf(5)."""
    return {
        "/etc/resolv.conf": "nameserver {server}\n" + (f"options {options}\n" if options else ""),
        "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
        "/etc/nsswitch.conf": "hosts: files dns\n",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class NameServer:
    """Every question is answered with this code and those of these addresses that are of its type; without a code it is not answered."""

    says: str = "NOERROR"
    addresses: Sequence[str] = ()
    at: str = "server"

    @contextmanager
    def applied(self, bed: Testbed) -> Iterator[Mapping[str, Any]]:
        """Answer while the block lasts; somebody must have asked."""
        from scapy.layers.inet import IP, UDP  # before the first question comes: it takes a third of a second
        from scapy.packet import Raw

        questions: list[str] = []
        evidence: dict[str, Any] = {"says": self.says or "nothing", "questions": questions}
        host = bed.host(self.at)

        def answer(packet: Packet) -> None:
            if packet.proto != "udp" or packet.dport != 53 or packet.dst != host.address(4):
                return
            query = packet.raw[(packet.raw[0] & 15) * 4 + 8 :]
            name, kind, end = _question(query)
            questions.append(f"{name} {({A: 'A', AAAA: 'AAAA'}).get(kind, kind)}")
            if self.says:
                ends = IP(src=packet.dst, dst=packet.src) / UDP(sport=53, dport=packet.sport)
                host.inject(bytes(ends / Raw(self._reply(query, kind, end))))

        with FilterVerdict(at=self.at, match="-p udp --dport 53", family=4).applied(bed) as rule, bed.watching(answer):
            yield evidence
            evidence["rule"] = rule
            if not questions:
                raise FaultNotObserved(self, "nobody asked")

    def _reply(self, query: bytes, kind: int, end: int) -> bytes:
        """The answer to a question (RFC 1035, section 4); `end` is where the question does."""
        wanted = [ip.packed for ip in map(ipaddress.ip_address, self.addresses) if kind == (A if ip.version == 4 else AAAA)]
        flags = RESPONSE | AUTHORITATIVE | AVAILABLE | (struct.unpack_from("!H", query, 2)[0] & WANTED) | CODES[self.says]
        records = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(ip)) + ip for ip in wanted)  # 0xC00C: the name asked for
        return query[:2] + struct.pack("!HHHHH", flags, 1, len(wanted), 0, 0) + query[12:end] + records


def _question(query: bytes) -> tuple[str, int, int]:
    """Name and type of the one question of a query, and where it ends."""
    labels, at = [], 12
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode(errors="replace"))
        at += 1 + size
    return ".".join(labels), struct.unpack_from("!H", query, at + 1)[0], at + 5
