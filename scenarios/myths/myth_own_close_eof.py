"""The peer's end of stream is here, unread; the program closes, reads and writes, and hears of neither end of stream nor broken pipe.

After the own close there is no socket to ask: the descriptor is gone (EBADF), and most languages do not even try, but say that the
connection is closed. End of stream and EPIPE are what TCP says of a peer; this is the program's own doing, and wants another remedy.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Myth: after the own close: EOF, broken pipe",
    spec="https://man7.org/linux/man-pages/man2/close.2.html#DESCRIPTION",
    claim="After the program's own close a read says end of stream, and a write says broken pipe.",
    judged="false",
    expected=[Expected("connect"), Expected("close"), Expected("recv", "CLOSED"), Expected("send", "CLOSED")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< FA", "> FA"],
    never=["> R*", "< R*"],
    production="a read loop that ends quietly at end of stream, and fills the log when its own side closes",
    diagnose="strace -e trace=close: the program's own; nothing inbound in tcpdump",
    cure="one owner for each connection; ask for the language's own error for it (net.ErrClosed)",
    hides="taking it for a fault of the network",
)


def test_myth_own_close_eof(lab: Lab) -> None:
    """The peer closes; close, read, write."""
    conn, peer = lab.connected(half_open=True)
    peer.close()
    peer.until("FIN_WAIT2")  # the ACK of its FIN must not be overtaken by the FIN that follows
    conn.close()
    conn.recv()
    conn.send(b"more")
