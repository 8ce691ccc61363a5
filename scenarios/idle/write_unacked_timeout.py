"""The path dies with data under way, and the kernel sends it again and again until it gives up.

The write has succeeded: it only means that the kernel took the data. It retransmits after 0.2 s, 0.4 s, 0.8 s … at most every 120 s,
and gives up when as much time has passed as tcp_retries2 retransmissions would take: fifteen make 924.6 s (tcp_write_timeout,
retransmits_timed_out). That is checked only when the timer fires, so a quarter of an hour and a little more. The next operation gets
the error. With three retransmissions the limit is 3 s, and the timer that finds it passed is the fifth: 31 times 0.2 s and the
round-trip time.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

DEAD = FilterVerdict(at="server", match="-p tcp --dport 9000")

SCENARIO = Scenario(
    title="Nobody acknowledges what was written",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.8.3",
    shortened={"net.ipv4.tcp_retries2": 3},
    expected=[
        Expected("connect"),
        Expected("send", bytes=5),
        Expected("recv", "ETIMEDOUT", since=2, within=(2.9, 9.5), by_default=(924, 1045)),
        Expected("recv", "eof"),
        Expected("send", "EPIPE"),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", *["> PA/5"] * 4],
    never=["< PA", "< R*", "< F*"],
    counters={"client TcpExtTCPAbortOnTimeout": 1, "client TcpRetransSegs": (3, 17)},
    same_words={
        "mtu-blackhole": "ping -M do -s 1472: there small packets pass",
        "local-path-loss": "the capture at the own host: there nothing leaves it",
        "keepalive-timeout": "nstat TcpRetransSegs: there nothing was written, and only probes went out",
        "write-user-timeout": "strace -e setsockopt: there the program has set TCP_USER_TIMEOUT",
        "write-zero-window": "ss -tno: there timer:(persist,…), the peer's window was closed",
        "nat-timeout-drop": "the time before: there the connection was idle for long, and new ones work",
    },
    production="a cable, a VPN that fell, a security group that was changed under an open connection",
    diagnose="ss -tio: backoff and retrans rise, timer:(on,…); nstat TcpExtTCPAbortOnTimeout",
    cure="a timer in the program; TCP_USER_TIMEOUT",
    hides="tcp_retries2, for the whole machine",
)


def test_write_unacked_timeout(lab: Lab) -> None:
    """Let the path die, write, and read until the kernel gives up."""
    conn, _ = lab.connected()
    with lab.fault(DEAD):
        conn.send(b"hello")
        conn.recv()
        conn.recv()
        conn.send(b"again")
