"""Somebody who does not see the SYN sends an ICMP error about it, and is not believed.

An ICMP error quotes the packet it is about. Whoever forges one blindly has to guess the sequence number of the SYN; one that was
never sent is thrown away and counted (tcp_v4_err and tcp_v6_err: not between snd_una and snd_nxt). The SYN is repeated after a
second, and the connection is made.
"""

from faultlab.faults.icmp import IcmpAnswer
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

FORGED = IcmpAnswer(kind="port-unreachable", kind6="port-unreachable", shift=5, times=1)

SCENARIO = Scenario(
    title="An ICMP error that quotes a wrong sequence number",
    spec="https://www.rfc-editor.org/rfc/rfc5927#section-4.1",
    expected=[Expected("connect", within=(0.9, 4), by_default=(0.9, 4))],
    variants=["ipv6"],
    wire=["> S", "< ICMP port-unreachable!", "> S", "< SA", "> A"],
    never=["< R*"],
    counters={"client TcpExtOutOfWindowIcmps": 1, "client TcpAttemptFails": 0, "client TcpExtLockDroppedIcmps": 0},
    same_words={"connect-ok": "nstat TcpExtOutOfWindowIcmps is 0 there"},
    production="a blind attack on connections being made; a box that rewrites sequence numbers and does not mend what ICMP quotes",
    diagnose="nstat TcpExtOutOfWindowIcmps",
    cure="none is needed: this is the protection at work",
    hides="dropping all ICMP, which breaks the discovery of the path's MTU",
)


def test_connect_icmp_bad_seq(lab: Lab) -> None:
    """The first SYN is lost and a forged error comes in its place; the next one gets through."""
    lab.server.listen()
    with lab.fault(FORGED):
        _, connecting = lab.client.start_connect()
        lab.until_wire("< ICMP port-unreachable!")
    connecting.result()
