"""One thread closes the connection while another one waits in read on it, and the waiting goes on.

close takes the descriptor away, but the system call in progress holds the file (fdget in __sys_recvfrom), so the socket lives: no FIN
is sent, the peer notices nothing, and what it sends is read. Only when the read returns the socket goes. Runtimes that keep count of
who uses a descriptor wake the waiting thread instead, and tell it that the connection was closed.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

WOKEN = "the runtime wakes whoever waits when the program closes the connection, and the FIN goes out at once"
EVENTS = "no call waits in Node: the event 'close' is the last one"

SCENARIO = Scenario(
    title="Closing under a blocked read",
    spec="https://man7.org/linux/man-pages/man2/close.2.html#NOTES",
    expected=[Expected("connect"), Expected("close"), Expected("recv", data="late")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> FA"],
    deviations=[
        *[Deviation(runtime=name, step=3, sees="CLOSED", note=WOKEN) for name in ("go", "java", "java-nio")],
        Deviation(runtime="node", step=3, sees="eof", note=EVENTS),
    ],
    production="a thread that stops another one by closing its connection",
    diagnose="ss -tnp: ESTAB, and no such descriptor in /proc/PID/fd; a stack of the thread in recv",
    cure="shutdown(fd, SHUT_RDWR) first: it wakes the reader and sends the FIN",
    hides="a read timer that is short enough",
)


def test_close_while_read_blocked(lab: Lab) -> None:
    """Wait in a read, close meanwhile, and let the peer send if the connection is still there."""
    conn, peer = lab.connected()
    reading = conn.start("recv")
    reading.waiting()
    conn.close()
    reading.waiting()
    if conn.until("ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE") == "ESTABLISHED":
        peer.send(b"late")
    reading.result()
    conn.until("FIN_WAIT1", "FIN_WAIT2", "CLOSE")
