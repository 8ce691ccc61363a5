"""The path is dead, the connection idle, and nobody answers the kernel's keepalive probes.

After two hours of silence the kernel sends a probe, then one every 75 s; when nine have gone unanswered it gives the connection up
(tcp_keepalive_timer): 7,200 + 9 × 75 s, two hours and eleven minutes, and some more because long timers are rounded up (the timer
wheel). The error waits for whoever reads or writes next. The RST that the kernel sends at the end is lost like everything else. A
socket's own numbers (TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT) replace the system's.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

DEAD = FilterVerdict(at="server", match="-p tcp --dport 9000")
OWN = {"idle": 1, "interval": 1, "count": 2}

SCENARIO = Scenario(
    title="Nobody answers the keepalive probes",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.8.4",
    shortened={"net.ipv4.tcp_keepalive_time": 1, "net.ipv4.tcp_keepalive_intvl": 1, "net.ipv4.tcp_keepalive_probes": 2},
    expected=[
        Expected("connect"),
        Expected("option"),
        Expected("recv", "ETIMEDOUT", since=2, within=(2.9, 4.5), by_default=(7875, 8400)),
        Expected("recv", "eof"),
    ],
    expected_in={
        "own-numbers": [  # an idle time that is set counts from the last segment that came (tcp_sock_set_keepidle_locked)
            Expected("connect"),
            Expected("option"),
            Expected("recv", "ETIMEDOUT", since=1, within=(2.9, 4.5), by_default=(2.9, 4.5)),
            Expected("recv", "eof"),
        ]
    },
    variants=["ipv6", "own-numbers"],
    wire=["> S", "< SA", "> A", "> A", "> A", "> RA"],
    never=["< R*", "< F*"],
    counters={"client TcpExtTCPKeepAlive": (2, 9)},
    same_words={
        "write-unacked-timeout": "nstat: there TcpRetransSegs counts, here TcpExtTCPKeepAlive",
        "connect-blackhole-kernel-timeout": "the operation: there it is connect",
        "keepalive-user-timeout": "how many probes: there one is enough",
        "nat-keepalive-late": "ping: here the path is dead for everything; there new connections work",
    },
    production="a cable pulled, a NAT that forgot the connection, a machine without power",
    diagnose="ss -tno: timer:(keepalive,…); nstat TcpExtTCPKeepAlive TcpExtTCPAbortOnTimeout",
    cure="numbers that fit the purpose (TCP_KEEPIDLE and its kin), or a heartbeat in the protocol",
    hides="a larger number of connections in the pool",
)


def test_keepalive_timeout(lab: Lab) -> None:
    """Switch keepalive on, let the path die, and read."""
    lab.server.listen()
    conn = lab.client.connect(options={"keepalive": False})
    lab.server.accept()
    conn.option("keepalive", OWN if lab.variant == "own-numbers" else True)
    with lab.fault(DEAD):
        conn.recv()
        conn.recv()
