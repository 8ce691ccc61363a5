"""The peer has said goodbye, the program writes all the same, its RST comes back, and the read says end of stream.

The first write is fine, for a FIN only says that the peer sends no more. Its answer is a RST, which tcp_reset notes in CLOSE_WAIT as
EPIPE; and a read asks for no error where the FIN has been taken (SOCK_DONE). So that is no way to provoke ECONNRESET here. On macOS and
FreeBSD it is said to be one; no record from there is in this catalogue.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Myth: write, then read, in CLOSE_WAIT: reset",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4",
    claim="To provoke 'connection reset by peer', write to a connection that the peer has closed, and read.",
    judged="true only on macOS and FreeBSD",
    expected=[Expected("connect"), Expected("send", bytes=4), Expected("recv", "eof"), Expected("recv", "eof"), Expected("send", "EPIPE")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< FA", "> PA/4", "< R"],
    never=["> R*"],
    counters={"client TcpEstabResets": 1},
    production="a test that waits for ECONNRESET and gets an end of stream",
    diagnose="tcpdump: FIN, data, RST; strace: read = 0",
    cure="SO_LINGER of zero seconds at the peer, or a close with data unread",
    hides="a test that takes any error",
)


def test_myth_closewait_read_reset(lab: Lab) -> None:
    """The peer closes; write, wait for the RST, read twice, write."""
    conn, peer = lab.connected(half_open=True)
    peer.close()
    conn.until("CLOSE_WAIT")
    conn.send(b"more")
    conn.until("CLOSE")
    conn.recv()
    conn.recv()
    conn.send(b"more")
