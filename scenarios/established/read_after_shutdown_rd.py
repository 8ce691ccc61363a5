"""The program shuts its reading side down, and the peer's data arrives nevertheless.

There is no segment that says: send no more. inet_shutdown only marks the socket, so a read that finds nothing returns end of stream at
once; what arrives is acknowledged and queued as ever, and tcp_recvmsg_locked hands out what is in the queue before it looks at the
mark. The peer learns of nothing. Other systems throw the data away, or answer with a RST.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

SCENARIO = Scenario(
    title="Shutting down the reading side",
    spec="https://man7.org/linux/man-pages/man2/shutdown.2.html#DESCRIPTION",
    expected=[
        Expected("connect"),
        Expected("shutdown"),
        Expected("recv", "eof"),
        Expected("recv", data="late"),
        Expected("recv", "eof"),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< PA/4", "> A"],
    never=["> F*", "< F*", "> R*"],
    deviations=[
        Deviation(runtime=name, step=4, sees="eof", note="the JDK remembers shutdownInput and asks the kernel no more")
        for name in ("java", "java-nio")
    ],
    same_words={"read-eof": "ss: no CLOSE-WAIT here, the peer has sent no FIN"},
    production="a program that means to say: stop sending",
    diagnose="strace -e trace=shutdown; ss -tn: Recv-Q grows although the reading side is shut",
    cure="close, or say it in the protocol",
    hides="nothing: the peer sends on until the window is full",
)


def test_read_after_shutdown_rd(lab: Lab) -> None:
    """Shut reading down, read; let the peer send, and read again."""
    conn, peer = lab.connected()
    conn.shutdown("rd")
    conn.recv()
    peer.send(b"late")
    lab.until_wire("> A", times=2)
    conn.recv()
    conn.recv()
