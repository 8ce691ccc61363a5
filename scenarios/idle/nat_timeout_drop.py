"""A firewall on the way has forgotten the idle connection, and throws away what comes next.

Connection tracking keeps an established connection for nf_conntrack_tcp_timeout_established after its last segment: five days by
default, minutes in most clouds. What comes later belongs to no connection it knows, is INVALID unless it is willing to pick up in the
middle (tcp_loose), and is dropped in silence. Both ends still have the connection. The write succeeds, and is retransmitted until
tcp_retries2 ends it.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

TIMEOUT = "net.netfilter.nf_conntrack_tcp_timeout_established"
STRICT = FilterVerdict(at="router", chain="FORWARD", match="-p tcp -m conntrack --ctstate INVALID")

SCENARIO = Scenario(
    title="A firewall forgot the idle connection, and drops",
    spec="https://www.kernel.org/doc/html/latest/networking/nf_conntrack-sysctl.html#proc-sys-net-netfilter-nf-conntrack-variables",
    router=True,
    settings={"net.netfilter.nf_conntrack_tcp_loose": 0},
    shortened={TIMEOUT: 1, "net.ipv4.tcp_retries2": 3},
    expected=[
        Expected("connect"),
        Expected("send", bytes=5),
        Expected("recv", "ETIMEDOUT", since=2, within=(2.9, 9.5), by_default=(924, 1045)),
    ],
    wire=["> S", "< SA", "> A", *["> PA/5"] * 4],
    never=["< PA/5", "< R*", "< F*"],
    counters={"client TcpExtTCPAbortOnTimeout": 1},
    same_words={
        "write-unacked-timeout": "the time before: here the connection was idle for long; conntrack -L at the firewall does not show it",
        "nat-keepalive-late": "nstat TcpExtTCPKeepAlive: there the kernel had asked",
    },
    production="a pool of database connections behind a cloud's NAT: the first query in the morning hangs",
    diagnose="conntrack -L at the firewall; tcpdump at both sides of it",
    cure="keepalive more often than the firewall forgets; closing idle connections before it does",
    hides="a retry on a new connection",
)


def test_nat_timeout_drop(lab: Lab) -> None:
    """Be idle for longer than the firewall remembers, then write and read."""
    with lab.fault(STRICT):
        lab.server.listen()
        conn = lab.client.connect(options={"keepalive": False})
        lab.server.accept()
        lab.pause(1.02 * int(lab.bed.host("router").sysctl(TIMEOUT)))
        conn.send(b"hello")
        conn.recv()
