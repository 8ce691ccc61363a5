"""The own host's packet filter drops the datagram, and the call that sent it is told.

What the filter drops on its way out nf_hook_slow answers with EPERM, and for a datagram the way out is part of the call. TCP sends
again what was lost, so it drops that answer (see connect-output-drop): the same rule gives an error here and a silence there.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Datagram dropped on the way out",
    spec="https://man7.org/linux/man-pages/man2/send.2.html#ERRORS",
    expected=[Expected("connect"), Expected("send", "EPERM"), Expected("send", bytes=4)],
    variants=["ipv6"],
    wire=["> UDP/4"],
    never=["> UDP/3", "< ICMP"],
    production="egress rules; a full table of tracked connections",
    diagnose="iptables -vnL OUTPUT: the rule's counter; nft list ruleset",
    cure="allow it in the own host's rules",
    hides="running as root",
)


def test_udp_output_drop_eperm(lab: Lab) -> None:
    """Send while the own filter drops it, and when it does not."""
    lab.server.bind(network="udp")
    conn = lab.client.connect(network="udp")
    with lab.fault(FilterVerdict(at="client", chain="OUTPUT", match="-p udp")):
        conn.send(b"one")
    conn.send(b"more")
