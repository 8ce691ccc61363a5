"""A program writes on a dead connection and is dead itself: SIGPIPE.

sk_stream_error sends the signal where it says EPIPE, unless the call forbids it (MSG_NOSIGNAL). By default the signal ends the process,
and no errno is ever seen. The first write after a reset is not such a case: it takes the ECONNRESET that is pending. The second one
finds no error left, and a socket that cannot send. Nearly all languages ignore the signal for their programs; C does not.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

IGNORED = "the runtime ignores SIGPIPE from the start, so the program gets the errno"
READS = "Node reads in the background: it has found the reset already, and destroyed the stream"

SCENARIO = Scenario(
    title="Killed by SIGPIPE",
    spec="https://man7.org/linux/man-pages/man2/send.2.html#ERRORS",
    expected=[Expected("connect"), Expected("send", "ECONNRESET"), Expected("send", "signal 13")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< RA"],
    never=["> PA", "> R*"],
    counters={"client TcpEstabResets": 1},
    deviations=[
        Deviation(stack="gvisor", step=3, sees="EPIPE", note="gVisor returns EPIPE and sends no signal (HandleIOError, its issue 161)"),
        *(Deviation(runtime=name, step=3, sees="EPIPE", note=IGNORED) for name in ("go", "python", "java", "java-nio", "rust")),
        *(Deviation(runtime="node", step=step, sees="ERR_STREAM_DESTROYED", note=READS) for step in (2, 3)),
    ],
    production="a server in C that dies when a client goes; a filter behind a socket",
    diagnose="exit status 141, which is 128 + 13; strace: --- SIGPIPE ---",
    cure="MSG_NOSIGNAL, or signal(SIGPIPE, SIG_IGN) at the start, and handle EPIPE",
    hides="a supervisor that restarts it",
)


def test_write_sigpipe(lab: Lab) -> None:
    """The peer resets; write twice, as a program does that thought of no signal."""
    conn, peer = lab.connected()
    peer.option("linger", 0)
    peer.close()
    conn.until("CLOSE")
    conn.send(b"first", sigpipe=True)
    conn.send(b"second", sigpipe=True)
