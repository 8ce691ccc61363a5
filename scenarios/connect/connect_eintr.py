"""A signal arrives while connect waits.

The handler was set without SA_RESTART, so connect returns EINTR (inet_stream_connect: sock_intr_errno, ERESTARTSYS). But the SYN is out
and cannot be taken back: the connection goes on being made without the program, and the same socket can be used when it is there. With
SA_RESTART the kernel calls connect again by itself, which goes on waiting (SS_CONNECTING).
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

BLACK_HOLE = FilterVerdict(at="server", match="-p tcp --dport 9000")
WHY = {
    "python": "it waits on by itself after a signal (PEP 475)",
    "go": "its runtime asks for SA_RESTART, and no thread sleeps in connect: the poller waits",
    "node": "no thread sleeps in connect: libuv waits in epoll_wait, and goes back to it",
}

SIGALRM = 14

SCENARIO = Scenario(
    title="A signal interrupts connect",
    spec="https://man7.org/linux/man-pages/man2/connect.2.html#ERRORS",
    expected=[Expected("handle"), Expected("connect", "EINTR", within=(0, 5), by_default=(0, 5)), Expected("send", bytes=4)],
    expected_in={"restart": [Expected("handle"), Expected("connect", within=(0.9, 4), by_default=(0.9, 4)), Expected("send", bytes=4)]},
    deviations=[Deviation(runtime=name, step=2, sees="ok", variant="", within=(0.9, 4), note=note) for name, note in WHY.items()],
    variants=["restart"],
    wire=["> S", "> S", "< SA", "> A", "> PA/4"],
    never=["> R*", "< R*"],
    counters={"client TcpActiveOpens": 1, "client TcpAttemptFails": 0},
    production="C programs with timers or children (SIGALRM, SIGCHLD)",
    diagnose="strace -e connect,poll",
    cure="poll until it is writable, then SO_ERROR; SA_RESTART",
    hides="closing the socket and connecting anew: the peer gets two connections",
)


def test_connect_eintr(lab: Lab) -> None:
    """Send a signal to a program that waits in connect; the second SYN gets through."""
    lab.server.listen()
    lab.client.handle(SIGALRM, restart=lab.variant == "restart")
    with lab.fault(BLACK_HOLE):
        conn, connecting = lab.client.start_connect()
        lab.until_wire("> S")
        lab.client.signal(SIGALRM)
    lab.server.accept()
    connecting.result()
    conn.send(b"late")
