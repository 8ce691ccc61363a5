"""The peer resets, the program's next call is a write, and it says connection reset; only the one after it says broken pipe.

sk_stream_error hands out the pending sk_err before it thinks of EPIPE, and there is one: tcp_reset left ECONNRESET. With it there is no
SIGPIPE either. XNU looks first whether the socket can send at all, so macOS is said to answer EPIPE here; no record from there is in this
catalogue.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

SCENARIO = Scenario(
    title="Myth: the first write after a RST: EPIPE",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4",
    claim="After a reset a write says broken pipe, and a read connection reset by peer.",
    judged="true only on macOS",
    expected=[Expected("connect"), Expected("send", "ECONNRESET"), Expected("send", "EPIPE"), Expected("recv", "eof")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< RA"],
    never=["> R*", "> PA"],
    counters={"client TcpEstabResets": 1},
    deviations=[
        Deviation(runtime="node", step=2, sees="CLOSED", note="Node reads in the background; the 'error' event has destroyed the stream"),
        Deviation(runtime="node", step=3, sees="CLOSED", note="the stream stays destroyed; the kernel is never asked"),
        Deviation(runtime="node", step=4, sees="ECONNRESET", note="the reset was told by an 'error' event, not by a call"),
    ],
    production="logs of one fault in two wordings: which call came first decides",
    diagnose="tcpdump: a RST without a FIN before it; strace: the order of the calls",
    cure="treat ECONNRESET and EPIPE alike",
    hides="catching one of the two",
)


def test_myth_epipe_first_after_rst(lab: Lab) -> None:
    """The peer resets; write, write, read."""
    conn, peer = lab.connected()
    peer.option("linger", 0)
    peer.close()
    conn.until("CLOSE")
    conn.send(b"first")
    conn.send(b"second")
    conn.recv()
