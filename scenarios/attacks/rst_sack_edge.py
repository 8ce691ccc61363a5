"""A segment is lost, later ones have arrived, and a RST follows them: it is believed although its number is not the next one.

The peer that resets has sent everything, so its RST stands behind the last byte; the receiver waits for the hole. By RFC 5961 alone it
would ask back, and the answer might be lost as the data was. Linux therefore also believes a RST right at the end of what it has
acknowledged selectively (max_sack in tcp_validate_incoming).
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A reset behind a hole",
    spec="https://www.rfc-editor.org/rfc/rfc5961#section-3.2",
    expected=[Expected("connect"), Expected("recv", "ECONNRESET"), Expected("recv", "eof")],
    variants=["ipv6"],
    wire=["> S", "< SA!", "> A", "< PA!/50", "> A", "< R!"],
    never=["> R*"],
    counters={"client TcpExtTCPChallengeACK": 0, "client TcpEstabResets": 1, "client TcpExtTCPOFOQueue": 1},
    same_words={"read-reset": "tcpdump -S: here the RST stands at the right edge of the SACK block, and data before it is missing"},
    production="a server that resets while the network loses segments",
    diagnose="tcpdump -S: the RST's number against the last SACK block",
    cure="look for the loss; the reset is the peer's",
    hides="retrying: the data before the hole is lost as well",
)


def test_rst_sack_edge(lab: Lab) -> None:
    """Data that leaves a hole, and a RST right behind it."""
    with lab.scripted() as peer:
        conn, connecting = lab.client.start_connect()
        peer.expect("S")
        peer.send("SA", options=[("SAckOK", b"")])
        connecting.result()
        peer.expect("A")
        peer.send("PA", b"x" * 50, seq=100)
        peer.expect("A")
        peer.send("R", seq=150)
        conn.recv()
        conn.recv()
