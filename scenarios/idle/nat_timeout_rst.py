"""A device on the way has forgotten the idle connection, and answers what comes next with a RST in the peer's name.

Some load balancers and NAT gateways are kind enough to say so: what belongs to no connection they know is refused with a RST that
carries the addresses of the peer. The program cannot tell it from the peer's own. The peer hears nothing, and keeps its end.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

TIMEOUT = "net.netfilter.nf_conntrack_tcp_timeout_established"
REFUSING = FilterVerdict(
    at="router", chain="FORWARD", match="-p tcp -m conntrack --ctstate INVALID", target="REJECT --reject-with tcp-reset"
)

SCENARIO = Scenario(
    title="A device forgot the idle connection, and resets",
    spec="https://www.kernel.org/doc/html/latest/networking/nf_conntrack-sysctl.html#proc-sys-net-netfilter-nf-conntrack-variables",
    router=True,
    settings={"net.netfilter.nf_conntrack_tcp_loose": 0},
    shortened={TIMEOUT: 1},
    expected=[Expected("connect"), Expected("send", bytes=5), Expected("recv", "ECONNRESET"), Expected("recv", "eof")],
    wire=["> S", "< SA", "> A", "> PA/5", "< R"],
    never=["< RA", "< F*"],
    counters={"client TcpEstabResets": 1},
    same_words={
        "nat-out-of-window-rst": "where the RST begins: here at the device; there at the other end, whose kernel counts TcpOutRsts",
        "nat-mapping-lost-server-side": "who is told: here the client, who spoke first; there the server",
        "peer-reboot-rst": "tcpdump at the peer: here it never sees the data; the RST's TTL is another one",
        "read-reset": "tcpdump at the peer: there it sends the RST itself",
    },
    production="a pool of connections behind a load balancer with an idle limit of some minutes",
    diagnose="tcpdump at both ends: the RST has no sender; its TTL differs from the peer's",
    cure="keepalive more often than the device forgets; closing idle connections before it does",
    hides="a retry on a new connection",
)


def test_nat_timeout_rst(lab: Lab) -> None:
    """Be idle for longer than the device remembers, then write, read, read."""
    with lab.fault(REFUSING):
        lab.server.listen()
        conn = lab.client.connect(options={"keepalive": False})
        lab.server.accept()
        lab.pause(1.02 * int(lab.bed.host("router").sysctl(TIMEOUT)))
        conn.send(b"hello")
        conn.recv()
        conn.recv()
