"""The name has an IPv6 and an IPv4 address, and the way to the IPv6 one is dead.

The resolver puts IPv6 first (RFC 6724, table of section 2.1). Who tries one address after the other waits for the kernel to give up on the
first: two minutes by default, three seconds here with one retry. Who starts the second attempt while the first is under way (RFC 8305) is
there after a quarter of a second; and who prefers IPv4 never notices. The connection succeeds in the end, and is only slow.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.faults.resolver import NameServer, asking
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

DEAD_IPV6 = FilterVerdict(at="server", match="-p tcp", family=6, may_idle=True)

SCENARIO = Scenario(
    title="IPv6 is dead, IPv4 is not",
    spec="https://www.rfc-editor.org/rfc/rfc8305#section-5",
    shortened={"net.ipv4.tcp_syn_retries": 1},
    files=asking(),
    expected=[Expected("connect", within=(0, 4.5), by_default=(0, 145))],
    wire=["> UDP", "< UDP!", "> S", "< SA", "> A"],
    never=["< R*", "> R*"],
    same_words={"connect-ok": "the time, and tcpdump: there one SYN is enough"},
    production="IPv6 is configured at both ends and blocked between them",
    diagnose="curl -6 and curl -4 tell the two ways apart; ss -tn state syn-sent",
    cure="mend IPv6; a client that races both families (RFC 8305)",
    hides="an address family forced by configuration",
)


def test_dual_stack_fallback(lab: Lab) -> None:
    """Dial a name that has both kinds of address, with IPv6 dead."""
    lab.server.listen(address=lab.server.host.address(4))
    with lab.fault(NameServer(addresses=lab.server.host.addresses)), lab.fault(DEAD_IPV6):
        lab.client.connect(address="both.test")
