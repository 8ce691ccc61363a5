"""The peer has lost its memory of the connection: the write succeeds, and its answer is a RST.

A connection of which one end knows nothing is half open (RFC 9293, 3.5.1), and both may stay so for ever where nothing is sent. The
first segment meets no socket, so the peer's kernel answers with a RST that carries the number the segment acknowledged: exact, and
believed. Here the peer's socket is destroyed and the RST that would tell of it is held back, which is what a power cut does.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

NO_LAST_WORD = FilterVerdict(at="server", chain="OUTPUT", match="-p tcp --tcp-flags RST RST")

SCENARIO = Scenario(
    title="The peer has rebooted",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.5.1",
    expected=[Expected("connect"), Expected("send", bytes=5), Expected("recv", "ECONNRESET"), Expected("recv", "eof")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> PA/5", "< R"],
    never=["> R*", "< F*", "< RA"],
    counters={"client TcpEstabResets": 1, "server TcpOutRsts": 2},
    same_words={
        "nat-timeout-rst": "tcpdump at both ends: there the peer has never sent that RST",
        "read-reset": "tcpdump: here the RST answers the own data, has no ACK, and comes from the peer's kernel",
        "write-close-wait": "tcpdump: there a FIN came first, and the second write says broken pipe",
    },
    production="a reboot, a failover, a load balancer that forgot the connection",
    diagnose="tcpdump: data, answered with a RST without ACK; the peer's uptime",
    cure="a heartbeat in the protocol; keep-alive; repeat what is safe to repeat",
    hides="a longer read timer",
)


def test_peer_reboot_rst(lab: Lab) -> None:
    """The peer forgets; write, read, read."""
    conn, peer = lab.connected()
    with lab.fault(NO_LAST_WORD):
        peer.destroy()
    conn.send(b"hello")
    conn.recv()
    conn.recv()
