"""Keepalive is on, but the firewall forgets sooner than the first probe comes.

A cloud's NAT keeps an idle connection for some minutes (here 350 s), the kernel's first probe comes after two hours. It belongs to no
connection the firewall knows and is dropped, and so are the other eight. The program believes itself protected and learns after two
hours and eleven minutes what happened after six minutes.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

STRICT = FilterVerdict(at="router", chain="FORWARD", match="-p tcp -m conntrack --ctstate INVALID")

SCENARIO = Scenario(
    title="Keepalive comes too late for the firewall",
    spec="https://www.kernel.org/doc/html/latest/networking/nf_conntrack-sysctl.html#proc-sys-net-netfilter-nf-conntrack-variables",
    router=True,
    settings={"net.netfilter.nf_conntrack_tcp_loose": 0, "net.netfilter.nf_conntrack_tcp_timeout_established": 350},
    shortened={
        "net.netfilter.nf_conntrack_tcp_timeout_established": 1,
        "net.ipv4.tcp_keepalive_time": 2,
        "net.ipv4.tcp_keepalive_intvl": 1,
        "net.ipv4.tcp_keepalive_probes": 1,
    },
    expected=[Expected("connect"), Expected("option"), Expected("recv", "ETIMEDOUT", since=2, within=(2.9, 4.5), by_default=(7875, 8400))],
    wire=["> S", "< SA", "> A", "> A", "> RA"],
    never=["< R*", "< F*"],
    counters={"client TcpExtTCPKeepAlive": (1, 9)},
    same_words={
        "keepalive-timeout": "ping: there the path is dead for everything; here new connections work",
        "nat-timeout-drop": "nstat TcpExtTCPKeepAlive: there nobody asked",
    },
    production="SO_KEEPALIVE switched on with the system's numbers, behind a cloud's NAT or load balancer",
    diagnose="ss -tno: timer:(keepalive,…) of more than the device's idle limit",
    cure="TCP_KEEPIDLE below the shortest idle limit on the way",
    hides="tcp_keepalive_time for the whole machine",
)


def test_nat_keepalive_late(lab: Lab) -> None:
    """Switch keepalive on with the system's numbers, and read."""
    with lab.fault(STRICT):
        lab.server.listen()
        conn = lab.client.connect(options={"keepalive": False})
        lab.server.accept()
        conn.option("keepalive", True)
        conn.recv()
