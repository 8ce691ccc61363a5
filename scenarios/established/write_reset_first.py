"""A RST came while nothing was being read or written, and the first to notice is a write.

Whichever call comes first is handed the error: here the write gets ECONNRESET (sk_stream_error takes sk_err before it says EPIPE). The
read after it says end of stream, so a reader beside it logs a clean end; the next write says broken pipe.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

SCENARIO = Scenario(
    title="Reset noticed by a write",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4",
    expected=[Expected("connect"), Expected("send", "ECONNRESET"), Expected("recv", "eof"), Expected("send", "EPIPE")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< RA"],
    never=["> R*", "> PA"],
    counters={"client TcpEstabResets": 1},
    deviations=[
        Deviation(runtime="node", step=2, sees="CLOSED", note="Node reads in the background; the 'error' event has destroyed the stream"),
        Deviation(runtime="node", step=3, sees="ECONNRESET", note="the reset was told by an 'error' event, not by a call"),
        Deviation(runtime="node", step=4, sees="CLOSED", note="the stream stays destroyed; the kernel is never asked"),
    ],
    same_words={
        "read-reset": "the operation: there a read was first, and got it",
        "pending-error-order": "strace: there getsockopt(SO_ERROR) came first, and took the reset",
    },
    production="a load balancer that resets pooled connections it has forgotten",
    diagnose="tcpdump: the RST is earlier than the write",
    cure="look at the read side of a pooled connection before using it; a pool's idle time shorter than the peer's",
    hides="catching EPIPE only",
)


def test_write_reset_first(lab: Lab) -> None:
    """The peer resets; write first, then read, then write."""
    conn, peer = lab.connected()
    peer.option("linger", 0)
    peer.close()
    conn.until("CLOSE")
    conn.send(b"first")
    conn.recv()
    conn.send(b"second")
