"""The client has closed, the server lets a minute pass before it writes, and the answer is a RST from a kernel that remembers nothing.

A closed socket whose FIN was acknowledged waits in FIN_WAIT_2 for the peer's FIN. Nothing in TCP limits that; Linux does, for sockets
that no program has any more: after tcp_fin_timeout, a minute, the connection is forgotten (tcp_fin_timeout, tcp_time_wait). The
server's kernel keeps its half, in CLOSE_WAIT, for as long as the program likes. Its late data meets nobody.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

ENDED = {"errno": "EPIPE", "message": "This socket has been ended by the other party"}
NOTE = "allowHalfOpen is off by default: Node closes its own side when the peer's FIN comes, and refuses the write itself"

SCENARIO = Scenario(
    title="FIN_WAIT_2 has expired",
    spec="https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html#tcp-variables",
    observe="server",
    shortened={"net.ipv4.tcp_fin_timeout": 1},
    expected=[
        Expected("listen"),
        Expected("accept"),
        Expected("option"),
        Expected("recv", "eof"),
        Expected("send", bytes=4),
        Expected("send", "EPIPE"),
    ],
    wire=["> S", "< SA", "> A", "> FA", "< A", "< PA/4", "> R"],
    wire_in={"node": ["> S", "< SA", "> A", "> FA", "< FA"]},
    never=["> RA", "< F*"],
    never_in={"node": ["> R*", "< R*"]},
    counters={"client TcpOutRsts": 1, "server TcpEstabResets": 1},
    counters_in={"node": {"client TcpOutRsts": 0, "server TcpEstabResets": 0}},
    deviations=[
        Deviation(runtime="node", step=5, sees="EPIPE", words=ENDED, note=NOTE),
        Deviation(runtime="node", step=6, sees="EPIPE", words=ENDED, note=NOTE),
    ],
    same_words={"write-close-wait": "the time: there the socket is still in FIN_WAIT_2, and nstat counts TcpExtTCPAbortOnData"},
    production="a server that goes on working for a client that has hung up",
    diagnose="ss -tan at the server: CLOSE-WAIT, and nothing at the client",
    cure="read, and stop working when the end of the stream comes",
    hides="a longer tcp_fin_timeout",
)


def test_fin_wait2_expired(lab: Lab) -> None:
    """Let the client close and forget; then write twice."""
    lab.server.listen()
    conn = lab.client.connect()
    peer = lab.server.accept()
    peer.option("keepalive", False)  # Go's listener switches it on: the server's kernel would learn by itself
    conn.close()
    peer.recv()
    conn.until("CLOSE", "TIME_WAIT")  # the latter where the server's runtime closes as soon as the client has
    peer.send(b"late")
    peer.until("CLOSE")
    peer.send(b"again")
