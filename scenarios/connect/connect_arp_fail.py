"""Nobody on the link answers for the address, so the SYN never leaves.

Before the first packet the kernel has to learn the neighbour's link address. The SYN waits while it asks three times, one second
apart (mcast_solicit, retrans_time_ms); then the entry fails, and the kernel sends itself an ICMP host unreachable for what was
waiting (arp_error_report or ndisc_error_report, ipv4_link_failure or ip6_link_failure): EHOSTUNREACH after three
seconds. Here it asks every tenth of a second.
"""

import ipaddress

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="No neighbour answers for the address",
    spec="https://www.rfc-editor.org/rfc/rfc1122#page-22",
    expected=[Expected("connect", "EHOSTUNREACH", within=(0.28, 2), by_default=(2.8, 5))],
    shortened={"net.ipv4.neigh.eth0.retrans_time_ms": 100, "net.ipv6.neigh.eth0.retrans_time_ms": 100},
    variants=["ipv6"],
    wire=["> ARP", "> ARP", "> ARP", "< ICMP host-unreachable"],
    wire_in={"ipv6": ["< ICMP addr-unreachable"]},
    never=["> S", "< S*", "< R*"],
    counters={"client TcpAttemptFails": 1, "client TcpExtLockDroppedIcmps": 0},
    same_words={
        "connect-icmp-host-unreach": "the capture: there a SYN leaves and a router answers; here only ARP questions do",
        "connect-route-unreachable": "the time: there it takes none; ip route get ADDRESS fails",
    },
    production="a host of the same network that is down; a wrong address, mask or VLAN",
    diagnose="ip neigh: FAILED or INCOMPLETE; tcpdump arp shows questions only, and no SYN, for the SYN is still waiting",
    cure="bring the host up; mend the VLAN or the mask",
    hides="a firewall rule: no packet has reached any",
)


def test_connect_arp_fail(lab: Lab) -> None:
    """Connect to an address of our own network that nobody has."""
    network = ipaddress.ip_network(f"{lab.client.address}/{24 if lab.family == 4 else 64}", strict=False)
    lab.client.connect(address=str(network[250]))
