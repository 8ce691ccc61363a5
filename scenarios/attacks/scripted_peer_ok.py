"""Nothing goes wrong between the program and a peer whose segments the lab writes itself.

The null case of the attacks: handshake, data both ways and a FIN, each segment with the numbers that are due, and the kernel takes them
for a peer's.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A peer written segment by segment",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.5",
    expected=[Expected("connect"), Expected("send", bytes=4), Expected("recv", data="pong"), Expected("recv", "eof")],
    variants=["ipv6"],
    wire=["> S", "< SA!", "> A", "> PA/4", "< PA!/4", "< FA!"],
    never=["> R*", "< R*"],
    null_of="attacks",
)


def test_scripted_peer_ok(lab: Lab) -> None:
    """Handshake, ping, pong, goodbye."""
    with lab.scripted() as peer:
        conn, connecting = lab.client.start_connect(half_open=True)
        peer.expect("S")
        peer.send("SA")
        connecting.result()
        conn.send(b"ping")
        peer.expect("PA/4")
        peer.send("PA", b"pong")
        conn.recv()
        peer.send("FA")
        conn.recv()
        peer.acknowledged()
