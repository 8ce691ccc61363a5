"""The connect fails, nobody looks at that, and the socket is used.

The error was told to connect, and it is told once. A connect that waits makes the socket anew then (__inet_stream_connect calls
tcp_disconnect): reading says ENOTCONN ever after, as if nothing had been tried. Who polls and takes SO_ERROR leaves it as the RST did
(tcp_done sets SHUTDOWN_MASK), and reading says end of stream: a connection that never was looks like one that the peer has closed. Writing
says EPIPE.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

KEEPS = "a Socket keeps its state itself, and is asked before the kernel"
CLOSES = "a SocketChannel whose connect fails is closed (SocketChannelImpl.endConnect)"
CLOSED = {"type": "java.nio.channels.ClosedChannelException", "chain": ["java.nio.channels.ClosedChannelException"]}

REFUSED = [Expected("socket"), Expected("connect", "ECONNREFUSED")]
GVISOR = "gVisor leaves the socket in a state of its own for errors; the error was told, and then a read says the end (readLocked)"

SCENARIO = Scenario(
    title="Using a socket whose connect failed",
    spec="https://man7.org/linux/man-pages/man2/connect.2.html#NOTES",
    expected=[*REFUSED, *[Expected("recv", "ENOTCONN")] * 2, *[Expected("send", "EPIPE")] * 2],
    expected_in={"polled": [*REFUSED, *[Expected("recv", "eof")] * 2, *[Expected("send", "EPIPE")] * 2]},
    variants=["ipv6", "polled"],
    deviations=[
        *[Deviation(stack="gvisor", step=n, variant=v, sees="eof", note=GVISOR) for n in (3, 4) for v in ("", "ipv6")],
        *[Deviation(runtime="java", step=n, sees="ENOTCONN", variant="polled", note=KEEPS) for n in (3, 4)],
        *[Deviation(runtime="java", step=n, sees="ENOTCONN", note=KEEPS) for n in (5, 6)],
        *[Deviation(runtime="java-nio", step=n, sees="CLOSED", words=CLOSED, note=CLOSES) for n in (3, 4, 5, 6)],
    ],
    wire=["> S", "< RA"],
    never=["> PA", "> R*"],
    counters={"client TcpAttemptFails": 1},
    same_words={
        "read-enotconn": "strace: there was no connect at all",
        "connect-refused-rst": "the sequence: the first error is the true one",
        "read-eof": "tcpdump: there a FIN came; here the first packet back was a RST",
        "write-close-wait": "strace: there the connect succeeded",
    },
    production="an error of connect that was only logged; a pool that hands out sockets without looking",
    diagnose="strace -e trace=connect,recvfrom,sendto: the first call that failed",
    cure="look at what connect returns, and make a new socket for the next attempt",
    hides="ignoring SIGPIPE; retrying the write",
)


def test_connect_failed_then_used(lab: Lab) -> None:
    """Connect where nobody listens, waiting or polling, then read twice and write twice."""
    sock = lab.client.socket()
    sock.connect(deadline=5 if lab.variant == "polled" else None)
    sock.recv()
    sock.recv()
    sock.send(b"request")
    sock.send(b"again")
