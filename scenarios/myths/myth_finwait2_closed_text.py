"""The program has shut its writing side down, the peer has acknowledged that, and a write says broken pipe.

In FIN_WAIT_2 the socket is still the program's: tcp_sendmsg_locked finds SEND_SHUTDOWN and says EPIPE. 'Use of closed network
connection', and its kin in other languages, are said without the kernel, of a connection that the program has closed; by then it makes no
difference in which state that was.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

ASYNC = "java.nio.channels.AsynchronousCloseException"
SHUT = [Expected("connect"), Expected("shutdown"), Expected("send", "EPIPE")]

SCENARIO = Scenario(
    title="Myth: writing in FIN_WAIT_2 is 'closed'",
    spec="https://man7.org/linux/man-pages/man2/shutdown.2.html#DESCRIPTION",
    claim="A write in FIN_WAIT_2 fails with 'use of closed network connection'.",
    judged="false",
    expected=SHUT,
    expected_in={"after-close": [*SHUT, Expected("close"), Expected("send", "CLOSED")]},
    variants=["ipv6", "after-close"],
    wire=["> S", "< SA", "> A", "> FA", "< A"],
    never=["> PA", "> R*", "< R*"],
    deviations=[
        Deviation(runtime="node", step=3, sees="ERR_STREAM_WRITE_AFTER_END", note="the stream refuses before the kernel is asked"),
        Deviation(
            runtime="java-nio", step=3, sees="CLOSED", words={"type": ASYNC, "chain": [ASYNC]},
            note="a write that fails on an output that is shut counts as closed meanwhile (SocketChannelImpl.write)",
        ),
        Deviation(
            runtime="node", variant="after-close", step=5, sees="ERR_STREAM_WRITE_AFTER_END",
            note="the stream asks first whether it was ended, then whether it was destroyed (_write of Writable)",
        ),
    ],
    production="reading a log: the words tell a shutdown from a close",
    diagnose="strace -e trace=shutdown,close,write; ss -tn state fin-wait-2",
    cure="one owner of the writing side",
    hides="comparing words",
)  # fmt: skip


def test_myth_finwait2_closed_text(lab: Lab) -> None:
    """Shut writing down, write in FIN_WAIT_2; or close then, and write again."""
    conn, _ = lab.connected()
    conn.shutdown()
    conn.until("FIN_WAIT2")
    conn.send(b"more")
    if lab.variant == "after-close":
        conn.close()
        conn.send(b"more")
