"""0.0.0.0 is dialled, and this very host answers.

The unspecified address is one to listen on, not one to dial. Connecting to it means the loopback, a habit from BSD: the route
lookup replaces it (ip_route_output_key_hash_rcu: both ends become 127.0.0.1), tcp_v6_connect puts ::1 in the place of ::. It
works wherever the service happens to run on the same host, and is refused everywhere else.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

SCENARIO = Scenario(
    title="A connection to the unspecified address",
    spec="https://www.rfc-editor.org/rfc/rfc1122#page-30",
    expected=[Expected("connect", "ECONNREFUSED", within=(0, 0.5), by_default=(0, 0.5)), Expected("listen"), Expected("connect")],
    deviations=[
        Deviation(
            runtime="java", step=3, sees="ECONNREFUSED", variant="ipv6",
            note="Socket.connect puts InetAddress.getLocalHost(), an IPv4 address here, in the place of any unspecified address",
        ),
    ],
    variants=["ipv6"],
    wire=["> S", "> RA", "> S", "> SA", "> A"],
    wire_in={"ipv6": ["> S", "> RA", "> S"]},
    never=["> ARP"],
    counters={"server TcpInSegs": 0},
    same_words={
        "connect-refused-rst": "the address in the words; and the capture of lo shows the SYN, not that of eth0",
        "connect-ok": "getpeername: the loopback address",
    },
    production="a listener's 0.0.0.0 copied into a client's configuration; it worked on the developer's machine",
    diagnose="ss -tn: the peer is 127.0.0.1; tcpdump -i lo",
    cure="the address of the host that is meant",
    hides="running the service beside every client",
)


def test_connect_any_address(lab: Lab) -> None:
    """Dial the unspecified address, with the service on another host, then on our own."""
    nowhere, loopback = ("0.0.0.0", "127.0.0.1") if lab.family == 4 else ("::", "::1")
    lab.client.host.file("/etc/hosts", f"127.0.0.1 localhost {lab.client.host.sysctl('kernel.hostname')}\n")
    lab.server.listen()
    lab.client.connect(address=nowhere)
    lab.client.listen(address=loopback)
    lab.client.connect(address=nowhere)
