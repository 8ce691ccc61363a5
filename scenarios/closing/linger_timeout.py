"""The program closes with SO_LINGER of one second, the peer acknowledges nothing, and close says ok a second later.

With a linger time close waits until all is sent and acknowledged (sk_stream_wait_close), at most so long. That it waited in vain it
does not say: it returns 0 either way, and the kernel goes on trying without the program. A non-blocking socket waits here too. So
lingering proves no delivery.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Lingering in vain",
    spec="https://man7.org/linux/man-pages/man7/socket.7.html#DESCRIPTION",
    expected=[
        Expected("connect"),
        Expected("option"),
        Expected("send", bytes=4),
        Expected("close", within=(0.95, 1.9), by_default=(0.95, 1.9)),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> PA/4", "> FA"],
    never=["< R*", "> R*", "< F*"],
    production="programs that want close to flush",
    diagnose="strace -T -e trace=close: the time of the linger; ss -tan state fin-wait-1",
    cure="shut down writing, read to the end of stream, then close",
    hides="a longer linger time: it only blocks longer",
)


def test_linger_timeout(lab: Lab) -> None:
    """Write into a black hole and close with a linger time of a second."""
    conn, _ = lab.connected()
    conn.option("linger", 1)
    with lab.fault(FilterVerdict(at="server")):
        conn.send(b"data")
        conn.close()
        conn.until("FIN_WAIT1")
