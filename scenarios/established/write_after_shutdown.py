"""The program has shut its writing side down, and writes.

It has sent its FIN, and after that there is no sequence number left for data: tcp_sendmsg_locked sees SEND_SHUTDOWN and says EPIPE
before anything is sent. The connection is as good as before in the other direction.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

CLOSED = "java.nio.channels.AsynchronousCloseException"

SCENARIO = Scenario(
    title="Writing after the own shutdown",
    spec="https://man7.org/linux/man-pages/man2/shutdown.2.html#DESCRIPTION",
    expected=[Expected("connect"), Expected("shutdown"), Expected("send", "EPIPE")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> FA"],
    never=["> PA", "> R*", "< R*"],
    deviations=[
        Deviation(runtime="node", step=3, sees="ERR_STREAM_WRITE_AFTER_END", note="the stream refuses before the kernel is asked"),
        Deviation(
            runtime="java-nio",
            step=3,
            sees="CLOSED",
            words={"type": CLOSED, "chain": [CLOSED]},
            note="a write that fails on an output that is shut counts as closed meanwhile (SocketChannelImpl.write)",
        ),
    ],
    same_words={
        "write-close-wait": "ss: there CLOSE-WAIT, the peer's FIN was the first; strace shows no shutdown here",
        "fin-then-rst": "ss and strace: there the program has shut nothing down",
    },
    production="two parts of a program that disagree about who writes last",
    diagnose="strace -e trace=shutdown,sendto,write: the shutdown is the program's own",
    cure="one owner of the writing side",
    hides="ignoring SIGPIPE",
)


def test_write_after_shutdown(lab: Lab) -> None:
    """Shut writing down, and write."""
    conn, _ = lab.connected()
    conn.shutdown()
    conn.send(b"more")
