"""The peer has closed, the first write is accepted, the second one says broken pipe, and reading says end of stream.

A FIN says only that the peer sends no more, so the first write goes out. The peer's socket is gone, its kernel answers with a RST. It
meets a socket in CLOSE_WAIT, where tcp_reset notes EPIPE and not ECONNRESET. So the second write says broken pipe, and a read never
learns of the RST: it says end of stream.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

ENDED = {"errno": "EPIPE", "message": "This socket has been ended by the other party"}
NOTE = "allowHalfOpen is off by default: Node closes its own side when the peer's FIN comes, and refuses the write itself"

SCENARIO = Scenario(
    title="Writing to a peer that has closed",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.1",
    expected=[Expected("connect"), Expected("send", bytes=5), Expected("send", "EPIPE"), Expected("recv", "eof")],
    variants=["ipv6"],
    wire=["> S", "< SA", "< FA", "> PA", "< R"],
    wire_in={"node": ["> S", "< SA", "< FA", "> FA"]},
    never=["> R*"],
    deviations=[
        Deviation(runtime="node", step=2, sees="EPIPE", words=ENDED, note=NOTE),
        Deviation(runtime="node", step=3, sees="EPIPE", words=ENDED, note=NOTE),
    ],
    same_words={
        "connect-failed-then-used": "strace: there the connect had failed",
        "peer-reboot-rst": "tcpdump: there no FIN came before the RST",
        "fin-then-rst": "tcpdump: there the RST comes by itself, and no write has gone out",
        "read-enotconn": "strace: there the connect has failed, or was never called",
        "write-after-shutdown": "ss: there the own FIN is the first one; strace shows the program's shutdown",
        "listen-wrong-type": "strace: there the descriptor is the listener's own",
        "fin-wait2-expired": "nstat at the peer: there TcpExtTCPAbortOnData stays 0, its kernel had forgotten the connection",
    },
    production="a kept-alive connection that the server closed in the moment the next request was written",
    diagnose="ss -tan state close-wait; tcpdump: the FIN before the data, the RST after it",
    cure="read before writing; repeat the request on a new connection where that is safe",
    hides="ignoring SIGPIPE and errors of write",
)


def test_write_close_wait(lab: Lab) -> None:
    """The peer closes; write twice, then read."""
    conn, peer = lab.connected()
    peer.close()
    conn.until_fin()
    conn.send(b"first")
    conn.until("CLOSE")
    conn.send(b"second")
    conn.recv()
