"""A firewall on the way forgets idle connections, but the kernel's keepalive probes come more often than that.

Each probe, and each answer to one, passes connection tracking and starts its timeout anew (nf_conntrack_tcp_packet,
nf_ct_refresh_acct). So the connection is remembered for as long as both ends live, whatever the programs do. By default that is so: two
hours between probes, five days in the firewall.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

TIMEOUT = "net.netfilter.nf_conntrack_tcp_timeout_established"
REMEMBERED = FilterVerdict(at="router", chain="FORWARD", match="-p tcp -m conntrack ! --ctstate INVALID", target="ACCEPT")

SCENARIO = Scenario(
    title="Keepalive keeps a firewall's memory alive",
    spec="https://www.kernel.org/doc/html/latest/networking/nf_conntrack-sysctl.html#proc-sys-net-netfilter-nf-conntrack-variables",
    router=True,
    settings={"net.netfilter.nf_conntrack_tcp_loose": 0},
    shortened={TIMEOUT: 3, "net.ipv4.tcp_keepalive_time": 1, "net.ipv4.tcp_keepalive_intvl": 1},
    expected=[Expected("connect"), Expected("option"), Expected("send", bytes=5), Expected("recv", bytes=5, data="world")],
    wire=["> S", "< SA", "> A", "> A", "< A", "> A", "< A", "> PA/5", "< PA/5"],
    never=["> R*", "< R*", "> F*", "< F*"],
    counters={"client TcpExtTCPKeepAlive": (3, 90)},
    production="a connection pool with keepalive behind a cloud's NAT",
    diagnose="ss -tno: timer:(keepalive,…) below the firewall's limit; conntrack -L shows the time that is left",
    cure="it is the cure",
    hides="nothing: the connection is alive",
)


def test_nat_keepalive_kept(lab: Lab) -> None:
    """Be idle for longer than the firewall remembers, with keepalive, then talk."""
    with lab.fault(REMEMBERED):
        lab.server.listen()
        conn = lab.client.connect(options={"keepalive": False})
        peer = lab.server.accept()
        conn.option("keepalive", True)
        lab.pause(1.1 * int(lab.bed.host("router").sysctl(TIMEOUT)))
        conn.send(b"hello")
        peer.recv()
        peer.send(b"world")
        conn.recv()
