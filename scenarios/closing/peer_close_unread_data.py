"""The peer closes while data it never read lies in its socket, so it resets instead of saying goodbye.

Closing then would lose data in silence, so tcp_close sends a RST (RFC 2525, section 2.17) and counts TcpExtTCPAbortOnClose. To the client
it is a reset like any other: the first read has it, then end of stream, and writing says broken pipe.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="The peer closes with unread data",
    spec="https://www.rfc-editor.org/rfc/rfc2525#section-2.17",
    expected=[
        Expected("connect"),
        Expected("send", bytes=10),
        Expected("recv", "ECONNRESET"),
        Expected("recv", "eof"),
        Expected("send", "EPIPE"),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> PA/10", "< RA"],
    never=["< F*", "> R*"],
    counters={"server TcpExtTCPAbortOnClose": 1, "client TcpEstabResets": 1},
    same_words={
        "published-reset": "ss -ltnp at the address that was dialled: docker-proxy there, and in the container nobody accepts",
        "process-killed": "at the peer: dmesg or its supervisor's log tells a kill",
        "read-reset": "the peer's counter: TcpExtTCPAbortOnClose rises only here",
        "read-reset-after-data": "on the peer: nstat TcpExtTCPAbortOnClose does not rise there",
    },
    production="a server that answers 413 or 401 without reading the body; a worker killed with requests in its queue",
    diagnose="nstat TcpExtTCPAbortOnClose on the server",
    cure="on the server: shut down writing, read to the end, then close",
    hides="repeating the upload",
)


def test_peer_close_unread_data(lab: Lab) -> None:
    """Send; the peer closes without having read it."""
    conn, peer = lab.connected()
    conn.send(b"0123456789")
    peer.until_unread(10)
    peer.close()
    conn.until("CLOSE")
    conn.recv()
    conn.recv()
    conn.send(b"more")
