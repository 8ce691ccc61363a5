"""The connection was reset, nobody has noticed, and close says: ok.

A socket in CLOSE has nothing to send and nothing to wait for; tcp_close frees it, and the pending ECONNRESET goes with it unread.
close(2) of a TCP socket never reports what befell the connection, with SO_LINGER neither. So a close that succeeds proves nothing about
what was sent before.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Closing what was reset",
    spec="https://man7.org/linux/man-pages/man2/close.2.html#NOTES",
    expected=[Expected("connect"), Expected("send", bytes=7), Expected("close")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> PA/7", "< RA"],
    never=["> F*", "> R*"],
    counters={"client TcpEstabResets": 1},
    production="code that takes a successful close for: delivered",
    diagnose="tcpdump: a RST before the close; strace: close = 0",
    cure="an acknowledgement in the protocol; shut down, read to the end, then close",
    hides="SO_LINGER",
)


def test_close_after_reset(lab: Lab) -> None:
    """Write; the peer resets without having read; close."""
    conn, peer = lab.connected()
    conn.send(b"request")
    peer.until_unread(7)
    peer.option("linger", 0)
    peer.close()
    conn.until("CLOSE")
    conn.close()
