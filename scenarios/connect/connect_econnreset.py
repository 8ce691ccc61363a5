"""A connection is reset before it is there, and not refused.

A RST in SYN_SENT means refused, in any other state reset (tcp_reset). Between the two lies SYN_RECV, where a socket that dialled
gets only by a simultaneous open: the other side dials too, then thinks better of it. connect fails with the errno that otherwise
only reads and writes give.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Reset while connecting",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4",
    expected=[Expected("connect", "ECONNRESET", within=(0, 5), by_default=(0, 5))],
    variants=["ipv6"],
    wire=["> S", "< S!", "> SA", "< RA!"],
    never=["> R*"],
    counters={"client TcpAttemptFails": 1, "client TcpEstabResets": 0},
    same_words={"read-reset": "the operation: there it is a read; connect had succeeded"},
    production="hole punching; a box on the way that resets half-open connections",
    diagnose="nstat TcpAttemptFails; tcpdump: a SYN from the peer before its RST",
    cure="as for a refusal: try again, with growing pauses",
    hides="looking for a peer that crashed",
)


def test_connect_econnreset(lab: Lab) -> None:
    """Answer the SYN with a SYN, then with a RST."""
    with lab.scripted() as peer:
        _, connecting = lab.client.start_connect()
        peer.expect("S")
        peer.send("S")
        peer.expect("SA")
        peer.send("RA")
        connecting.result()
