"""The server has TCP_DEFER_ACCEPT, and the client waits for the server to speak first.

With that option a connection without data is no connection yet: the handshake's last ACK is dropped (tcp_check_req), the server stays in
SYN_RECV, and accept goes on waiting. The client is connected and hears nothing. Its first byte completes the handshake and lets accept
return.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Accept waits for data",
    spec="https://man7.org/linux/man-pages/man7/tcp.7.html#DESCRIPTION",
    observe="server",
    expected=[Expected("listen"), Expected("accept", "blocked"), Expected("accept")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> PA", "< A"],
    never=["> R*", "< R*"],
    counters={"server TcpExtTCPDeferAcceptDrop": (1, 9)},
    same_words={
        "backlog-full-ghost": "on the server: nstat TcpExtListenOverflows stays 0, TcpExtTCPDeferAcceptDrop rises",
        "rst-in-syn-recv": "the capture: there a RST ends the handshake",
    },
    production="a mail or database server, which speaks first, behind a configuration made for a web server",
    diagnose="ss -tan: ESTAB at the client, SYN-RECV at the server",
    cure="no TCP_DEFER_ACCEPT where the server speaks first",
    hides="a client that sends an empty line first",
)


def test_defer_accept(lab: Lab) -> None:
    """Connect and say nothing; then say something."""
    listener = lab.server.listen(options={"defer_accept": 30})
    accepting = listener.start("accept", **{"as": "accepted"})
    conn = lab.client.connect()
    conn.far_end.until("SYN_RECV")
    accepting.blocked(0.2)
    conn.send(b"hello")
    accepting.result()
