"""The program has said how long its data may stay unacknowledged, and the path dies.

TCP_USER_TIMEOUT takes the place of tcp_retries2: the kernel gives up when that much time has passed since the first unacknowledged
segment was sent. It looks when the retransmission timer fires, and sets that timer so that it does not come much later
(tcp_clamp_rto_to_user_timeout).
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

DEAD = FilterVerdict(at="server", match="-p tcp --dport 9000")

SCENARIO = Scenario(
    title="The program's own limit for unacknowledged data",
    spec="https://www.rfc-editor.org/rfc/rfc5482#section-1",
    expected=[
        Expected("connect"),
        Expected("option"),
        Expected("send", bytes=5),
        Expected("recv", "ETIMEDOUT", since=3, within=(1.9, 3.5), by_default=(1.9, 3.5)),
        Expected("recv", "eof"),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", *["> PA/5"] * 3],
    never=["< PA", "< R*", "< F*"],
    counters={"client TcpExtTCPAbortOnTimeout": 1},
    same_words={"write-unacked-timeout": "the time: there a quarter of an hour"},
    production="gRPC, database drivers and brokers that want to know of a dead peer in seconds",
    diagnose="ss -tio; strace -e setsockopt shows TCP_USER_TIMEOUT",
    cure="it is the cure: connect again, and repeat what is safe to repeat",
    hides="a larger value",
)


def test_write_user_timeout(lab: Lab) -> None:
    """Allow two seconds, let the path die, write and read."""
    conn, _ = lab.connected()
    conn.option("user_timeout", 2000)
    with lab.fault(DEAD):
        conn.send(b"hello")
        conn.recv()
        conn.recv()
