"""A host without a TCP of its own: what it answers is written in the story, segment by segment.

A packet filter throws away everything TCP that arrives there, before the host's kernel could answer or refuse it; what arrives is read from
the capture, what is said is injected. So a story can say what no kernel would say, or what one says only in a race:

    with lab.scripted() as peer:
        _, connecting = lab.client.start_connect()
        peer.expect("S")
        peer.send("SA", ack=5)      # acknowledges more than was sent
        peer.expect("R")

Sequence numbers are kept as a real stack would keep them. `seq`, `ack` and `tsval` are added to the right ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from faultlab import wire
from faultlab.faults.icmp import IcmpAnswer
from faultlab.faults.packet_filter import FilterVerdict
from faultlab.remote import RemoteTestbed
from faultlab.wire import Packet, Segment

Patience = Callable[[float], float]

ISS = 1_000_000
MODULUS = 1 << 32


class ScriptedPeer:
    """One conversation with the program at the other host; the other's SYN begins a new one."""

    def __init__(self, bed: RemoteTestbed, at: str, port: int, local_port: int, timestamps: bool, patience: Patience) -> None:
        self.bed, self.timestamps, self._patience = bed, timestamps, patience
        self.host, self.other = bed.host(at), bed.host("client" if at == "server" else "server")
        self.local_port, self.remote_port = (port, 0) if at == "server" else (local_port, port)
        self.snd_nxt, self.rcv_nxt = ISS, 0
        self.window = 65535
        """Offered with every segment that says nothing else."""
        self.received: list[Packet] = []
        """All segments of the other side that were taken notice of, in order."""
        self._heard = len(bed.packets)
        self._their_time = 0

    # ---- listening -------------------------------------------------------------------------------------------------

    def expect(self, what: str, seconds: float = 10.0) -> Packet:
        """Wait for the next segment of that kind (`S`, `A`, `PA/5`, `R*`: see `wire`), passing over others.

        Raises WaitTimedOut with everything that came.
        """
        found: list[Packet] = []

        def came() -> bool:
            while not found and self._heard < len(self.bed.packets):
                packet = self.bed.packets[self._heard]
                self._heard += 1
                if self._take(packet) and wire.fits(f"* {what}", _segment(packet)):
                    found.append(packet)
            return bool(found)

        def seen() -> str:
            return " | ".join(f"{p.flags}/{p.length}" if p.length else p.flags for p in self.received) or "nothing"

        self.bed.wait_for(f"{what!r} from the {self.other.name}", came, self._patience(seconds), seen)
        return found[0]

    def acknowledged(self) -> None:
        """Wait until everything that was said has been acknowledged: nothing of it will be answered after the block."""
        while self.expect("A*").ack != self.snd_nxt:
            pass

    def _take(self, packet: Packet) -> bool:
        """Whether it belongs to the conversation; what it says about numbers is noted."""
        family = self.bed.family
        tap = self.host.name if "router" in self.bed.hosts else "client"  # one of the taps that see the same
        if packet.proto != "tcp" or packet.at != tap or packet.dport != self.local_port:
            return False
        if (packet.src, packet.dst) != (self.other.address(family), self.host.address(family)):
            return False
        if packet.sport != self.remote_port:
            if packet.flags != "S":
                return False
            self.remote_port, self.snd_nxt = packet.sport, ISS
        if "S" in packet.flags:
            self.rcv_nxt = packet.seq
        if packet.seq == self.rcv_nxt and "R" not in packet.flags:
            self.rcv_nxt = (packet.seq + packet.length + ("S" in packet.flags) + ("F" in packet.flags)) % MODULUS
        self._their_time = _tsval(packet.raw) or self._their_time
        self.received.append(packet)
        return True

    # ---- speaking --------------------------------------------------------------------------------------------------

    def send(self, flags: str, data: bytes = b"", *, seq: int = 0, ack: int = 0, window: int | None = None, tsval: int = 0,
             options: Sequence[tuple[str, Any]] = ()) -> Packet:  # fmt: skip
        """Send the segment that comes next in the conversation; offsets make it another one.

        A SYN always begins at the initial number, so `S` and then `SA` are the same SYN. A segment with an offset in `seq` or
        `tsval`, and a RST, leave this side's numbers as they are.
        """
        from scapy.layers.inet import IP, TCP
        from scapy.layers.inet6 import IPv6

        base = ISS if "S" in flags else self.snd_nxt
        more: list[tuple[str, Any]] = [("MSS", 1400)] if "S" in flags else []
        if self.timestamps:
            more += [("Timestamp", ((self._clock() + tsval) % MODULUS, self._their_time if "A" in flags else 0))]
        number, acknowledged = (base + seq) % MODULUS, (self.rcv_nxt + ack) % MODULUS if "A" in flags else 0
        ip = (IP if self.bed.family == 4 else IPv6)(src=self.host.address(self.bed.family), dst=self.other.address(self.bed.family))
        segment = ip / TCP(
            sport=self.local_port, dport=self.remote_port, flags=flags, seq=number, ack=acknowledged,
            window=self.window if window is None else window, options=[*more, *options],
        )  # fmt: skip
        raw = bytes(segment / data)
        if not seq and not tsval and "R" not in flags:
            self.snd_nxt = (number + len(data) + ("S" in flags) + ("F" in flags)) % MODULUS
        self._put(raw)
        packet = wire.decode(raw, 0x0800 if self.bed.family == 4 else 0x86DD, t=0.0, at=self.host.name, interface="", out=True)
        assert packet is not None
        return packet

    def icmp(self, kind: str, about: Packet | None = None) -> None:
        """Answer a segment, the last one if none is given, with an ICMP error of that kind (see `wire`)."""
        self._put(IcmpAnswer(kind=kind, kind6=kind).packet(about or self.received[-1], self.bed.family))

    def _put(self, raw: bytes) -> None:
        self.other.sockets(self.bed.family)  # returns when no system call holds a socket
        self.host.inject(raw)

    @staticmethod
    def _clock() -> int:
        return int(time.monotonic() * 1000) % MODULUS


def _segment(packet: Packet) -> Segment:
    return Segment(t=packet.t, sender="", receiver="", proto=packet.proto, flags=packet.flags, len=packet.length)


def _tsval(raw: bytes) -> int:
    """The timestamp a segment carries (RFC 7323 section 3.2); 0 where it carries none."""
    tcp = raw[(raw[0] & 15) * 4 :] if raw[0] >> 4 == 4 else raw[40:]
    options, at = tcp[20 : (tcp[12] >> 4) * 4], 0
    while at + 1 < len(options) and options[at]:
        if options[at] == 8 and len(options) >= at + 6:
            return int.from_bytes(options[at + 2 : at + 6], "big")
        at += 1 if options[at] == 1 else max(2, options[at + 1])
    return 0


@contextmanager
def scripted(bed: RemoteTestbed, at: str, port: int, local_port: int, timestamps: bool, patience: Patience) -> Iterator[ScriptedPeer]:
    """Take a host's TCP away for the length of the block; the filter has to have met something."""
    import scapy.layers.inet6  # noqa: F401  # takes a second the first time, which no SYN should have to wait for

    with FilterVerdict(at=at).applied(bed):
        yield ScriptedPeer(bed, at, port, local_port, timestamps, patience)
