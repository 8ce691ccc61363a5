"""A box on the way says that it does not know TCP, or does not understand the packet.

Two rare ICMP errors, two rare errnos: protocol unreachable is ENOPROTOOPT (icmp_err_convert), a parameter problem EPROTO
(tcp_v4_err). ICMPv6 has no protocol unreachable: an unknown next header is a parameter problem there, so EPROTO
(icmpv6_err_convert).
"""

from faultlab.faults.icmp import IcmpAnswer
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="ICMP protocol unreachable answers the SYN",
    spec="https://www.rfc-editor.org/rfc/rfc1122#page-103",
    expected=[Expected("connect", "ENOPROTOOPT", within=(0, 0.8), by_default=(0, 0.8))],
    expected_in={name: [Expected("connect", "EPROTO", within=(0, 0.8), by_default=(0, 0.8))] for name in ("ipv6", "parameter")},
    variants=["ipv6", "parameter"],
    wire=["> S", "< ICMP proto-unreachable!"],
    wire_in={"ipv6": ["> S", "< ICMP next-header-unknown!"], "parameter": ["> S", "< ICMP parameter-problem!"]},
    never=["< S*", "< R*"],
    counters={"client TcpExtLockDroppedIcmps": 0, "client TcpAttemptFails": 1},
    production="a rule with reject-with icmp-proto-unreachable; a strange box on the way",
    diagnose="tcpdump icmp: the address that sent it",
    cure="mend the rule, or take the box out of the way",
    hides="looking for a wrong socket option, which is what these errnos are for elsewhere",
)


def test_connect_icmp_proto_unreach(lab: Lab) -> None:
    """Connect to a host that claims not to speak TCP."""
    kind = "parameter-problem" if lab.variant == "parameter" else "proto-unreachable"
    with lab.fault(IcmpAnswer(kind=kind, kind6="next-header-unknown")):
        lab.client.connect()
