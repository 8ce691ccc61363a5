"""The name server keeps silent.

UDP promises nothing, so only the resolver's own timer ends this: five seconds, two attempts for each server (resolv.conf(5)), here one
second and one attempt. Most languages cannot tell it from a server that failed: EAI_AGAIN, and the time is the only hint.
"""

from faultlab.faults.resolver import NameServer, asking
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="The name server is silent",
    spec="https://man7.org/linux/man-pages/man5/resolv.conf.5.html#DESCRIPTION",
    files=asking("timeout:1 attempts:1"),
    expected=[Expected("resolve", "DEADLINE", within=(0.9, 2.8), by_default=(0.9, 2.8), syscall="getaddrinfo")],
    wire=["> UDP"],
    never=["> S", "< *"],
    same_words={"dns-servfail": "the time: a server that fails says so at once"},
    production="UDP port 53 is blocked; the first server of resolv.conf is dead, and every lookup waits for it",
    diagnose="tcpdump port 53: questions, no answers; dig @SERVER NAME for each server of resolv.conf",
    cure="open the port, take the dead server out; a local cache",
    hides="options timeout:1 attempts:1",
)


def test_dns_timeout(lab: Lab) -> None:
    """Ask a name server that never answers."""
    with lab.fault(NameServer(says="")):
        lab.client.resolve("silent.test")
