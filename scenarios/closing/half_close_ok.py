"""The program says that it sends no more, and reads the rest of the answer.

A FIN ends one direction only. In FIN_WAIT2 the connection can be read for as long as the peer likes (RFC 9293, 3.6); the program still
has the descriptor, so no timer runs. This is the null case of closing: FIN both ways, in order, no RST.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Half-close",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.6",
    expected=[Expected("connect"), Expected("shutdown"), Expected("recv", data="rest"), Expected("recv", "eof"), Expected("close")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> FA", "< PA/4", "< FA"],
    never=["> R*", "< R*"],
    null_of="closing",
)


def test_half_close_ok(lab: Lab) -> None:
    """Shut writing down; the peer sees it, answers and closes; read all of it."""
    conn, peer = lab.connected()
    conn.shutdown()
    peer.recv()
    peer.send(b"rest")
    conn.recv()
    peer.close()
    conn.recv()
    conn.close()
