"""The error of a connection is handed out once, to whoever asks first; here that is getsockopt(SO_ERROR).

An event loop that is told of an error asks the socket for it: sock_error takes sk_err and leaves none behind. The read after it says
end of stream, the write EPIPE, and whoever logs those two knows nothing of the reset.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="SO_ERROR eats the error",
    spec="https://man7.org/linux/man-pages/man7/socket.7.html#DESCRIPTION",
    expected=[Expected("connect"), Expected("error", "ECONNRESET"), Expected("error"), Expected("recv", "eof"), Expected("send", "EPIPE")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< RA"],
    never=["> PA", "> R*"],
    counters={"client TcpEstabResets": 1},
    same_words={
        "read-eof": "strace: a getsockopt(SO_ERROR) before the read; tcpdump: a RST, no FIN",
        "write-reset-first": "strace: there nobody asked for SO_ERROR before the write",
    },
    production="event loops that ask for SO_ERROR at EPOLLERR and go on reading",
    diagnose="strace -e trace=getsockopt,recvfrom,sendto",
    cure="report what SO_ERROR said; it is said once",
    hides="treating the end of stream as success",
)


def test_pending_error_order(lab: Lab) -> None:
    """The peer resets; ask for the error, ask again, read, write."""
    conn, peer = lab.connected()
    peer.option("linger", 0)
    peer.close()
    conn.until("CLOSE")
    conn.error()
    conn.error()
    conn.recv()
    conn.send(b"more")
