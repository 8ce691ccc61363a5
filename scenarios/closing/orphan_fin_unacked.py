"""The program has closed and is done; its FIN is never acknowledged, and nobody is left to be told.

After close the socket is the kernel's own, an orphan. It sends the FIN again with growing pauses, tcp_orphan_retries times, and then
forgets the connection (tcp_write_timeout, tcp_write_err): no FIN that was answered, no TIME_WAIT, no error, for no descriptor exists
that could have one. Many of them are a matter for the administrator.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="An orphan whose FIN is not answered",
    spec="https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html#tcp-variables",
    shortened={"net.ipv4.tcp_orphan_retries": 1},
    expected=[Expected("connect"), Expected("close", within=(0, 0.5), by_default=(0, 0.5))],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> FA", "> FA", "> FA"],
    never=["< F*", "< R*", "> R*"],
    counters={"client TcpExtTCPAbortOnTimeout": 1},
    production="clients that vanished; a laptop that was shut",
    diagnose="ss -tano state fin-wait-1: timer:(on,…); no process owns them",
    cure="nothing in the program; net.ipv4.tcp_orphan_retries where they are too many",
    hides="SO_LINGER of zero seconds: it resets instead",
)


def test_orphan_fin_unacked(lab: Lab) -> None:
    """Close towards a peer that is not there any more, and wait until the kernel gives up."""
    conn, _ = lab.connected()
    with lab.fault(FilterVerdict(at="server")):
        conn.close()
        conn.until("FIN_WAIT1")
        conn.until("CLOSE")
