"""The peer sends, and resets right after it; what it sent can still be read, then comes the reset.

A RST throws away what is still to be sent, not what has arrived: tcp_recvmsg_locked empties the receive queue before it looks at
sk_err. So the last words of a peer that resets are not lost where they were acknowledged by the kernel and merely not read yet. Linux
does it so; nothing obliges a system to.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

# What reads in the background has to have read the data before the RST comes: of both at once libuv makes an end of stream
# (uv__stream_io: POLLHUP after a partial read), and the reset is lost.

SCENARIO = Scenario(
    title="Data, then a reset",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4",
    expected=[Expected("connect"), Expected("recv", data="sorry"), Expected("recv", "ECONNRESET"), Expected("recv", "eof")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< PA/5", "< RA"],
    never=["> R*", "< F*"],
    counters={"client TcpEstabResets": 1},
    same_words={
        "read-reset": "the capture: there no data comes right before the RST",
        "peer-close-unread-data": "on the peer: nstat TcpExtTCPAbortOnClose rises there",
    },
    production="an error page, and then a close with half of the request unread",
    diagnose="tcpdump: data, then the RST; the program that logs only the error has thrown the answer away",
    cure="read to the end before reporting the write's error; on the server: shut down, drain, then close",
    hides="repeating the request without having looked at the answer",
)


def test_read_reset_after_data(lab: Lab) -> None:
    """The peer sends and resets; read three times."""
    conn, peer = lab.connected()
    peer.send(b"sorry")
    lab.until_wire("> A", times=2)
    lab.client.idle()
    peer.option("linger", 0)
    peer.close()
    conn.until("CLOSE")
    conn.recv()
    conn.recv()
    conn.recv()
