"""A NAT has forgotten the idle connection, and this time it is the server that speaks first.

To the server the NAT itself is the peer. Its mapping is gone (nf_conntrack's timeout for an established connection, five days by default,
minutes in most clouds), so nothing translates what the server sends: it is for the NAT's own kernel, which has no such socket and
answers as any kernel does (tcp_v4_send_reset). The server is told that the connection is reset. The client hears nothing, and waits for
a push that will never come.
"""

from faultlab.faults.translation import Masquerade
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

TIMEOUT = "net.netfilter.nf_conntrack_tcp_timeout_established"

SCENARIO = Scenario(
    title="A NAT forgot the connection, and the server pushes",
    spec="https://www.kernel.org/doc/html/latest/networking/nf_conntrack-sysctl.html#proc-sys-net-netfilter-nf-conntrack-variables",
    observe="server",
    router=True,
    shortened={TIMEOUT: 1},
    expected=[
        Expected("listen"),
        Expected("accept"),
        Expected("option"),
        Expected("send", bytes=5),
        Expected("recv", "ECONNRESET"),
        Expected("recv", "eof"),
    ],
    wire=["> S", "< SA", "> A"],
    never=["< PA/5", "< R*", "> R*", "< F*"],
    counters={"server TcpEstabResets": 1, "router TcpOutRsts": 1},
    same_words={
        "read-reset": "tcpdump at the client: there it sends the RST itself; here it has ESTAB and knows of nothing",
        "nat-out-of-window-rst": "conntrack -L at the NAT: here the connection is missing; there it is listed",
        "nat-timeout-rst": "who is told: there the client, who spoke first; here the server",
    },
    production="long polls, pushes, replication: whatever is silent until the server has something to say, behind a NAT",
    diagnose="ss -tan at both ends: ESTAB at the client, nothing at the server; conntrack -E at the NAT",
    cure="heartbeats from the client, more often than the NAT forgets",
    hides="a longer timeout at one of the NATs on the way",
)


def test_nat_mapping_lost_server_side(lab: Lab) -> None:
    """Be idle for longer than the NAT remembers; then the server writes, and reads."""
    with lab.fault(Masquerade()):
        lab.server.listen()
        conn = lab.client.connect(options={"keepalive": False})
        peer = lab.server.accept()
        peer.option("keepalive", False)  # Go's listener switches it on: that would keep the mapping
        lab.pause(1.02 * int(lab.bed.host("router").sysctl(TIMEOUT)))
        peer.send(b"hello")
        peer.until("CLOSE")
        peer.recv()
        peer.recv()
        conn.until("ESTABLISHED")
