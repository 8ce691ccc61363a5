"""Keepalive and TCP_USER_TIMEOUT are both set: the second decides, and the number of probes no longer counts.

The keepalive timer gives the connection up as soon as one probe is unanswered and the connection has been silent for longer than the
user timeout (tcp_keepalive_timer). Silence counts from the last segment that came, so with a long idle time it is over long before the
first probe: one unanswered probe is enough, where nine were asked for.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

DEAD = FilterVerdict(at="server", match="-p tcp --dport 9000")

SCENARIO = Scenario(
    title="TCP_USER_TIMEOUT overrules keepalive",
    spec="https://man7.org/linux/man-pages/man7/tcp.7.html#DESCRIPTION",
    shortened={"net.ipv4.tcp_keepalive_time": 1, "net.ipv4.tcp_keepalive_intvl": 1},
    expected=[
        Expected("connect"),
        Expected("option"),
        Expected("option"),
        Expected("recv", "ETIMEDOUT", since=2, within=(1.9, 3.2), by_default=(7275, 7750)),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> A", "> RA"],
    never=["< R*", "< F*"],
    counters={"client TcpExtTCPKeepAlive": 1},
    same_words={"keepalive-timeout": "ss -tno: there all probes are sent before it ends"},
    production="a library sets one, the program the other",
    diagnose="strace -e setsockopt shows both; ss -tno shows how many probes were sent",
    cure="a user timeout of at least idle + interval × count",
    hides="more probes: they are not counted",
)


def test_keepalive_user_timeout(lab: Lab) -> None:
    """Set both, let the path die, and read."""
    lab.server.listen()
    conn = lab.client.connect(options={"keepalive": False})
    lab.server.accept()
    conn.option("keepalive", True)
    conn.option("user_timeout", 900)
    with lab.fault(DEAD):
        conn.recv()
