"""A program has asked for ICMP errors, gets one from a read, and its connection is alive.

With IP_RECVERR tcp_v4_err notes the error on the socket at once, where it is a mere hint otherwise. It is handed out once, as every
error is; but nothing has happened to the connection: the segment is sent again, and what comes can be read. An error of a read need not
be the end.
"""

from faultlab.faults.icmp import IcmpAnswer
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

ONCE = IcmpAnswer(kind="host-unreachable", kind6="addr-unreachable", flags="PA", times=1)

SCENARIO = Scenario(
    title="ICMP reported to those who ask",
    spec="https://man7.org/linux/man-pages/man7/ip.7.html#DESCRIPTION",
    expected=[
        Expected("connect"),
        Expected("option"),
        Expected("send", bytes=4),
        Expected("recv", "EHOSTUNREACH", within=(0, 0.9), by_default=(0, 0.9)),
        Expected("recv", data="pong"),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> PA/4", "< ICMP host-unreachable!", "> PA/4", "< PA/4"],
    wire_in={"ipv6": ["> S", "< SA", "> PA/4", "< ICMP addr-unreachable!", "> PA/4", "< PA/4"]},
    never=["< R*", "> R*", "> F*"],
    counters={"client TcpEstabResets": 0, "client TcpExtLockDroppedIcmps": 0},
    same_words={"established-icmp-soft-error": "the time: there the read fails when all repeating is over, and the connection is gone"},
    production="programs that set IP_RECVERR for path diagnostics, and share the socket with code that does not know",
    diagnose="strace -e trace=setsockopt: IP_RECVERR; ss -tn: ESTAB after the error",
    cure="read on; take the details from MSG_ERRQUEUE",
    hides="closing and connecting again",
)


def test_recverr_transient(lab: Lab) -> None:
    """Read; write meanwhile, which a router answers with one error; then the way is free again."""
    conn, peer = lab.connected()
    conn.option("recverr", True)
    reading = conn.start("recv")
    reading.waiting()
    with lab.fault(ONCE):
        conn.send(b"ping")
        reading.result()
    peer.recv()
    peer.send(b"pong")
    conn.recv()
