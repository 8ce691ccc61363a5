"""A firewall answers the SYN with ICMP port unreachable, its default way to reject.

In SYN_SENT Linux takes an ICMP error that quotes its own SYN for final (tcp_v4_err, tcp_v6_err), and port unreachable stands for
the very errno that a RST gives (icmp_err_convert): ECONNREFUSED. The program cannot tell a firewall from a service that is down;
the capture can.
"""

from faultlab.faults.icmp import IcmpAnswer
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Connection refused by ICMP port unreachable",
    spec="https://www.rfc-editor.org/rfc/rfc1122#page-103",
    expected=[Expected("connect", "ECONNREFUSED", within=(0, 0.8), by_default=(0, 0.8))],
    variants=["ipv6"],
    wire=["> S", "< ICMP port-unreachable!"],
    never=["< S*", "< R*"],
    counters={"client TcpExtLockDroppedIcmps": 0, "client TcpAttemptFails": 1},
    same_words={"connect-refused-rst": "the capture: a RST comes instead of an ICMP error"},
    production="a host firewall that rejects in its default way; the service itself may be well",
    diagnose="tcpdump icmp: who sent it; iptables -vnL on that host",
    cure="open the port in the firewall",
    hides="restarting the service, which was there all the time",
)


def test_connect_refused_icmp_port(lab: Lab) -> None:
    """Connect to a port that a firewall rejects."""
    with lab.fault(IcmpAnswer(kind="port-unreachable", kind6="port-unreachable")):
        lab.client.connect()
