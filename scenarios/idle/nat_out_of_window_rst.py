"""A NAT lets a segment of the server through untranslated, and the client's own kernel resets a connection it has never heard of.

The client dials a service; a router makes the server's address of it (DNAT), and undoes that in all that connection tracking takes for the
connection's own. A segment far beyond the client's window is INVALID (tcp_in_window: "SEQ is over upper bound"), so nothing translates it
(nf_nat_inet_fn), and nothing stops it. It comes from the server's real address, to which the client has no connection: the client's kernel
refuses it (tcp_v4_send_reset) with the number it acknowledges, the very one the server expects next. The server believes that RST; the
client finds out when it writes. Dropped, or translated (nf_conntrack_tcp_be_liberal), the segment does no harm: TCP acknowledges what is
out of its window, and forgets it. Newer kernels let late duplicates pass, and what is beyond by less than one more; the lab forges it.
"""

from faultlab.faults.forged import ForgedData
from faultlab.faults.packet_filter import FilterVerdict
from faultlab.faults.translation import Service
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.testbed import nothing

DROPPED = FilterVerdict(at="router", chain="FORWARD", match="-p tcp -m conntrack --ctstate INVALID")
ALIVE = {"liberal": ("> A", 10, 4), "dropped": ("< PA!/5", 10, 1)}  # what comes of the segment, within which time, seen how often

SCENARIO = Scenario(
    title="A NAT lets through what it does not translate",
    spec="https://www.kernel.org/doc/html/latest/networking/nf_conntrack-sysctl.html#proc-sys-net-netfilter-nf-conntrack-variables",
    observe="server",
    router=True,
    variants=[*ALIVE, "ipv6"],
    expected=[Expected("listen"), Expected("accept"), Expected("recv", "ECONNRESET")],
    expected_in={v: [Expected("listen"), Expected("accept"), Expected("recv", bytes=5, data="hello")] for v in ALIVE},
    wire=["> S", "< SA", "> A", "< PA!/5", "> R", "> PA/5", "< R"],
    wire_in={v: ["> S", "< SA", "> A", "< PA!/5", "> PA/5"] for v in ALIVE},
    never=["> RA", "< RA", "> F*", "< F*"],
    never_in={v: ["> R*", "< R*", "> F*", "< F*"] for v in ALIVE},
    counters={"client TcpOutRsts": 1, "server TcpEstabResets": 1, "server TcpOutRsts": 1, "router TcpOutRsts": 0},
    counters_in={v: {"client TcpOutRsts": 0, "server TcpEstabResets": 0, "server TcpOutRsts": 0} for v in ALIVE},
    same_words={
        "read-reset": "tcpdump at the client: there it sends no RST; here it answers a segment from an address it never dialled",
        "nat-timeout-rst": "where the RST begins: there at the device; here the client's kernel counts TcpOutRsts",
        "nat-mapping-lost-server-side": "conntrack -L at the NAT: there the connection is missing; here it is listed",
    },
    production="Kubernetes services and port forwards: now and then a long transfer is reset, and both programs swear they did not",
    diagnose="tcpdump at the client: data from the server's real address, then the own RST; conntrack -S at the NAT: invalid",
    cure="drop INVALID where a NAT forwards, or nf_conntrack_tcp_be_liberal=1",
    hides="a retry: it goes well, for it takes one segment in a great many",
)


def test_nat_out_of_window_rst(lab: Lab) -> None:
    """Let a segment of the server's be beyond the client's window; then the client writes."""
    router, liberal = lab.bed.host("router"), lab.variant == "liberal"
    with lab.fault(Service(liberal=liberal)), lab.fault(DROPPED) if lab.variant == "dropped" else nothing():
        lab.server.listen()
        conn, peer = lab.client.connect(address=router.address(lab.family)), lab.server.accept()
        lab.until_wire("> A", times=2)  # once at each end, as everything is that passes
        with lab.fault(ForgedData(offset=1 << 24)):
            lab.until_wire(*ALIVE.get(lab.variant or "", ("> R", 10, 2)))
        lost = any(s.at == "client" and s.sender == "server" for s in lab.segments(lab.bed.packets))  # what it dialled is the router
        peer.until("CLOSE" if lost else "ESTABLISHED")
        conn.send(b"hello")
        peer.recv()
        conn.until("CLOSE" if lost else "ESTABLISHED")
