"""A router or firewall on the way answers the SYN with ICMP host unreachable.

In SYN_SENT Linux takes an ICMP error that quotes its own SYN for final (tcp_v4_err): connect fails at once with the errno of
icmp_err_convert. The lab answers from userspace, as a router some way off would; an answer from within the machine would meet a
socket that is still locked, and TcpExtLockDroppedIcmps would rise.
"""

from faultlab.faults.icmp import IcmpAnswer
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="ICMP host unreachable answers the SYN",
    spec="https://www.rfc-editor.org/rfc/rfc1122#page-103",
    expected=[Expected("connect", "EHOSTUNREACH", within=(0, 0.8), by_default=(0, 0.8))],
    variants=["ipv6"],
    wire=["> S", "< ICMP host-unreachable!"],
    wire_in={"ipv6": ["> S", "< ICMP addr-unreachable!"]},
    never=["< S*", "< R*"],
    counters={"client TcpExtLockDroppedIcmps": 0, "client TcpAttemptFails": 1},
    same_words={
        "established-icmp-soft-error": "the operation: there it is a read or a write, and minutes pass",
        "connect-arp-fail": "the capture: ARP questions without an answer, no SYN; and it takes 3 s",
        "connect-route-unreachable": "ip route get ADDRESS; nothing leaves the host",
        "connect-icmp6-admin-prohibited": "the code of the ICMP error in the capture: admin-prohibited there",
        "connect-icmp-lock-race": "nstat TcpExtLockDroppedIcmps rises there",
    },
    production="a firewall that rejects with host-prohibited; a router whose next hop is down",
    diagnose="tcpdump icmp: who sent it, and which code",
    cure="mend the route, or open the firewall: the words say route, the cause is often a firewall",
    hides="retrying",
)


def test_connect_icmp_host_unreach(lab: Lab) -> None:
    """Connect through a router that says the host cannot be reached."""
    with lab.fault(IcmpAnswer(kind="host-unreachable", kind6="addr-unreachable")):
        lab.client.connect()
