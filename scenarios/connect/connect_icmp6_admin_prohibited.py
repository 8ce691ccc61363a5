"""A firewall says "administratively prohibited", and the words depend on the family of the address.

The same verdict of the same firewall: ICMP 3/13 is EHOSTUNREACH (icmp_err_convert), its ICMPv6 counterpart 1/1 is EACCES
(icmpv6_err_convert). So over IPv6 a firewall reads like a missing permission on this host, and over IPv4 like a missing route.
"""

from faultlab.faults.icmp import IcmpAnswer
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="ICMP administratively prohibited answers the SYN",
    spec="https://www.rfc-editor.org/rfc/rfc4443#section-3.1",
    expected=[Expected("connect", "EHOSTUNREACH", within=(0, 0.8), by_default=(0, 0.8))],
    expected_in={"ipv6": [Expected("connect", "EACCES", within=(0, 0.8), by_default=(0, 0.8))]},
    variants=["ipv6"],
    wire=["> S", "< ICMP admin-prohibited!"],
    never=["< S*", "< R*"],
    counters={"client TcpExtLockDroppedIcmps": 0, "client TcpAttemptFails": 1},
    same_words={
        "connect-route-prohibit": "ip route get ADDRESS on the client fails there; and no SYN leaves",
        "connect-icmp-host-unreach": "the code of the ICMP error in the capture",
        "bind-privileged-port": "the operation: there it is the bind of a port below 1024",
    },
    production="firewalld and other firewalls whose default is to reject as prohibited",
    diagnose="tcpdump icmp6: who sent it, and which code",
    cure="open the firewall, for IPv6 too",
    hides="running the program as root",
)


def test_connect_icmp6_admin_prohibited(lab: Lab) -> None:
    """Connect to a port that a firewall prohibits."""
    with lab.fault(IcmpAnswer(kind="admin-prohibited", kind6="admin-prohibited")):
        lab.client.connect()
