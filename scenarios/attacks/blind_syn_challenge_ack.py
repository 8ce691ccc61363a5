"""A SYN arrives on an established connection; the kernel asks back, and the connection lives.

A SYN there, whatever its number, is answered with a challenge ACK and dropped (tcp_validate_incoming, RFC 5961, 4.2). A peer that has
rebooted and dials again from the same port answers that ACK with a RST of the exact number, which ends the old connection, and its next
SYN is welcome. Somebody who only guesses never sees the ACK.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A SYN on an established connection",
    spec="https://www.rfc-editor.org/rfc/rfc5961#section-4.2",
    expected=[Expected("connect"), Expected("recv", data="alive")],
    variants=["ipv6", "syn-ack"],
    wire=["> S", "< SA!", "> A", "< S!", "> A", "< PA!/5"],
    wire_in={"syn-ack": ["> S", "< SA!", "> A", "< SA!", "> A", "< PA!/5"]},
    never=["> R*", "< R*", "> SA"],
    counters={"client TcpExtTCPSYNChallenge": 1, "client TcpEstabResets": 0},
    production="forged SYNs; a NAT that gives a port to another client too early; a peer that has rebooted",
    diagnose="nstat TcpExtTCPSYNChallenge TcpExtTCPChallengeACK",
    cure="none needed; a NAT has to keep a port until the connection is over",
    hides="nothing: the program sees none of it",
)


def test_blind_syn_challenge_ack(lab: Lab) -> None:
    """A SYN, or a SYN-ACK, in the middle of a connection; then data."""
    with lab.scripted() as peer:
        conn, connecting = lab.client.start_connect()
        peer.expect("S")
        peer.send("SA")
        connecting.result()
        peer.expect("A")
        peer.send("SA" if lab.variant == "syn-ack" else "S")
        peer.expect("A")
        peer.send("PA", b"alive")
        conn.recv()
        peer.acknowledged()
