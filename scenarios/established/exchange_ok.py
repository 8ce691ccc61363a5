"""Nothing goes wrong: both sides say something and hear it, then close.

The null case of everything about reading, writing and closing: data both ways, FIN both ways, no RST.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A conversation",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.6",
    expected=[Expected("connect"), Expected("send", bytes=4), Expected("recv", data="pong"), Expected("close")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> PA", "< PA", "> FA"],
    never=["> R*", "< R*"],
    null_of="established",
)


def test_exchange_ok(lab: Lab) -> None:
    """Ask, answer, close."""
    conn, peer = lab.connected()
    conn.send(b"ping")
    peer.recv()
    peer.send(b"pong")
    conn.recv()
    conn.close()
    peer.recv()
    peer.close()
