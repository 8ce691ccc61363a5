"""There is no name server in resolv.conf.

Then it is this very host's: 127.0.0.1, says resolv.conf(5), and glibc and musl ask there; Go asks at ::1, too. Nobody listens, the loopback
answers by ICMP, and who connects his UDP socket learns of it at once (ECONNREFUSED). No question ever leaves the host.
"""

from faultlab.faults.resolver import asking
from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

SCENARIO = Scenario(
    title="No name server in resolv.conf",
    spec="https://man7.org/linux/man-pages/man5/resolv.conf.5.html#DESCRIPTION",
    files={**asking(), "/etc/resolv.conf": "options timeout:1 attempts:1\n"},
    expected=[Expected("resolve", "ECONNREFUSED", within=(0, 2.0), by_default=(0, 2.0))],
    wire=["> UDP", "> ICMP port-unreachable"],
    never=["> ARP", "> S"],
    counters={"server IpInReceives": 0},
    deviations=[
        Deviation(
            runtime="go", step=1, sees="ECONNREFUSED", note="it asks at 127.0.0.1 and at ::1, and tells of the last (defaultNS)",
            words={"message": "lookup {name} on [::1]:53: read udp {local}->[::1]:53: read: {words}"},
        ),
    ],
    same_words={"dns-server-unreachable": "tcpdump: there the question leaves the host"},
    production="an empty file in a container image; a network manager that was stopped, or never told of a server",
    diagnose="cat /etc/resolv.conf: no line with nameserver; tcpdump -i lo port 53",
    cure="name a server, or start one on this host",
    hides="names in /etc/hosts",
)  # fmt: skip


def test_dns_no_server(lab: Lab) -> None:
    """Ask with a resolv.conf that has options only."""
    lab.client.resolve("any.test")
