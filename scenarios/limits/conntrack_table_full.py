"""The table of tracked connections is full: a firewall on the way lets the old connections live and swallows every new one.

Connection tracking has to note a connection before any rule is asked. When nf_conntrack_max are noted and none of them can be given up
early (early_drop spares those that both sides have confirmed), the packet that would begin another is thrown away in silence
(__nf_conntrack_alloc). To the client that is a black hole. Where the full table is the own host's, the SYN does not even leave it; TCP
hides that and tries again, a datagram's sender would be told EPERM.
"""

from faultlab.faults.kernel_limit import KernelLimit
from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

FULL = KernelLimit(name="net.netfilter.nf_conntrack_max", value=1, says="nf_conntrack: table full, dropping packet")

SCENARIO = Scenario(
    title="The table of tracked connections is full",
    spec="https://www.kernel.org/doc/html/latest/networking/nf_conntrack-sysctl.html#proc-sys-net-netfilter-nf-conntrack-variables",
    router=True,
    virtual_only=True,
    expected=[
        Expected("connect"),
        Expected("connect", "ETIMEDOUT", by_default=(126, 145)),
        Expected("send", bytes=5),
        Expected("recv", bytes=5, data="world"),
    ],
    variants=["own-host"],
    wire=["> S", "< SA", "> A", "> S", "> S", "> PA/5", "< PA/5"],
    wire_in={"own-host": ["> S", "< SA", "> A", "> PA/5", "< PA/5"]},
    never=["< R*", "> F*", "< F*"],
    counters={"client TcpAttemptFails": 1, "server TcpPassiveOpens": 1},
    same_words={
        "connect-blackhole-kernel-timeout": "dmesg at the firewall; there old connections are dead as well, or the port was never open",
        "connect-output-drop": "iptables -vnL OUTPUT: there a rule counts the SYNs",
    },
    production="a busy NAT or Kubernetes node; a port scan through a firewall; many short connections that linger in TIME_WAIT",
    diagnose="dmesg: nf_conntrack: table full, dropping packet; sysctl net.netfilter.nf_conntrack_count against nf_conntrack_max",
    cure="a larger table; no tracking where nothing needs it; shorter timeouts for connections that are over",
    hides="rebooting the firewall: its table is empty then",
)


def test_conntrack_table_full(lab: Lab) -> None:
    """One connection fills the table; then a second one, and the first again."""
    at, chain = ("client", "OUTPUT") if lab.variant == "own-host" else ("router", "FORWARD")
    with lab.fault(FilterVerdict(at=at, chain=chain, match="-p tcp -m conntrack --ctstate NEW", target="ACCEPT")):
        conn, peer = lab.connected()
        with lab.fault(FULL):
            lab.client.connect()
        conn.send(b"hello")
        peer.recv()
        peer.send(b"world")
        conn.recv()
