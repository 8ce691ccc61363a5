"""The program closes with SO_LINGER of zero seconds, which sends a RST instead of a FIN.

tcp_close sees a linger time of zero and disconnects at once: unsent data is thrown away, a RST goes out, no TIME_WAIT is left
(tcp_disconnect, tcp_send_active_reset). The program itself sees nothing of it: its close succeeds. The peer's read is reset.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Abortive close",
    spec="https://man7.org/linux/man-pages/man7/socket.7.html#DESCRIPTION",
    expected=[Expected("connect"), Expected("option"), Expected("close")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> RA"],
    never=["> F*", "< R*"],
    counters={"client TcpOutRsts": 1, "server TcpEstabResets": 1},
    same_words={"read-reset": "the side: there it is the program that is reset"},
    production="a way around TIME_WAIT; a load balancer's idle reset",
    diagnose="nstat TcpOutRsts on the side that closed; no TIME_WAIT in ss",
    cure="close in the ordinary way; pool connections if TIME_WAIT is the trouble",
    hides="SO_LINGER itself: it hides TIME_WAIT and loses data",
)


def test_linger0_rst(lab: Lab) -> None:
    """Linger for zero seconds, close, and see the peer's socket go."""
    conn, peer = lab.connected()
    conn.option("linger", 0)
    conn.close()
    peer.until("CLOSE")
