"""A router says on a living connection that the host cannot be reached; the connection goes on, and only its last error remembers it.

For what is established an ICMP error is only a hint (RFC 1122, 4.2.3.9): tcp_v4_err keeps it as sk_err_soft, and the segment is sent
again. Where the time for that runs out, tcp_write_err takes the hint instead of ETIMEDOUT. So the words name a router's opinion, much
later than it was given. Each of the errors also takes a backoff back (RFC 6069, tcp_ld_RTO_revert): it is sent more often than into a
black hole.
"""

from faultlab.faults.icmp import IcmpAnswer
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

UNREACHABLE = IcmpAnswer(kind="host-unreachable", kind6="addr-unreachable", flags="PA")

SCENARIO = Scenario(
    title="ICMP on an established connection",
    spec="https://www.rfc-editor.org/rfc/rfc1122#page-103",
    shortened={"net.ipv4.tcp_retries2": 2},
    expected=[
        Expected("connect"),
        Expected("send", bytes=5),
        Expected("recv", "EHOSTUNREACH", since=2, within=(1.2, 4.0), by_default=(900, 1300)),
        Expected("recv", "eof"),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> PA/5", "< ICMP host-unreachable!", "> PA/5", "< ICMP host-unreachable!"],
    wire_in={"ipv6": ["> S", "< SA", "> PA/5", "< ICMP addr-unreachable!", "> PA/5", "< ICMP addr-unreachable!"]},
    never=["< R*", "< F*"],
    counters={"client TcpExtTCPAbortOnTimeout": 1, "client TcpExtLockDroppedIcmps": 0},
    same_words={
        "read-hang-silent-peer": "the capture: there nothing is sent at all",
        "recverr-transient": "the time: there the read fails at once, and the connection lives",
        "connect-icmp-host-unreach": "the operation: there it is connect, and it fails at once",
    },
    production="a firewall reloaded, a route lost, on the way to a peer that is well",
    diagnose="tcpdump icmp; ss -ti: backoff and retrans of the connection",
    cure="mend the path; TCP_USER_TIMEOUT if minutes are too long",
    hides="taking a refused or unreachable on a read for: the service is down",
)


def test_established_icmp_soft_error(lab: Lab) -> None:
    """Write while a router answers every segment with an error; read until it is given up."""
    conn, _ = lab.connected()
    with lab.fault(UNREACHABLE):
        conn.send(b"hello")
        conn.recv()
    conn.recv()
