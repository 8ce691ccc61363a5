"""Nobody listens on that port, so the peer's kernel answers the SYN with a RST.

A host that gets a SYN for which it has no socket says so at once: RST, acknowledging the SYN (RFC 9293, 3.10.7.1). The client is in
SYN_SENT, where a RST that acknowledges its SYN means refused (tcp_rcv_synsent_state_process, tcp_reset). A firewall that rejects with
tcp-reset sends the very same segment: no program can tell the two apart.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.testbed import nothing

FIREWALL = FilterVerdict(at="server", match="-p tcp --dport 9000", target="REJECT --reject-with tcp-reset")

SCENARIO = Scenario(
    title="Connection refused by a RST",
    spec="https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.1",
    expected=[Expected("connect", "ECONNREFUSED", within=(0, 0.5), by_default=(0, 0.5))],
    variants=["ipv6", "firewall"],
    wire=["> S", "< RA"],
    never=["< SA"],
    counters={"client TcpAttemptFails": 1},
    same_words={
        "dual-stack-both-refused": "tcpdump: there two SYNs are refused, to two addresses",
        "connect-failed-then-used": "the sequence: there the words come from what follows the connect",
        "unix-refused": "strace: there the address is a path",
        "udp-connected-refused": "the operation: there it is a read or a write of datagrams",
        "dial-address-parse": "strace: there another port is dialled than the one asked for",
        "connect-refused-icmp-port": "the capture: an ICMP port unreachable comes instead of a RST",
        "connect-any-address": "the address in the words is 0.0.0.0 or ::, and the SYN is on lo",
        "connect-port-zero": "the port: 0 in the capture there",
        "published-refused": "the address: there it is the container's own, and the published port accepts",
        "connect-output-drop": "the capture: there no SYN leaves this host, its own firewall made the RST up",
    },
    production="the service is down, on another port, or bound to another address; a firewall that rejects",
    diagnose="ss -ltn on the server; tcpdump 'tcp[tcpflags] & tcp-rst != 0' tells a RST from an ICMP error",
    cure="start the service, mend the port; retry with growing pauses while it starts",
    hides="retrying without pause",
)


def test_connect_refused_rst(lab: Lab) -> None:
    """Connect where nobody listens; or where a firewall says that nobody does."""
    with lab.fault(FIREWALL) if lab.variant == "firewall" else nothing():
        lab.client.connect()
