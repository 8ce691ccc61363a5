"""A datagram is larger than a datagram can be.

Its length stands in 16 bits, headers included: 65,507 bytes over IPv4, 65,527 over IPv6. One more is refused before anything is sent
(ip_append_data, ip6_append_data). A datagram is whole or not at all, so nothing of it goes out. One that is merely larger than the MTU
is sent in fragments.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

LARGEST = {4: 65507, 6: 65527}

SCENARIO = Scenario(
    title="Datagram too large",
    spec="https://man7.org/linux/man-pages/man2/send.2.html#ERRORS",
    expected=[Expected("connect"), Expected("send", "EMSGSIZE"), Expected("send", bytes=65507), Expected("send", bytes=5)],
    expected_in={"ipv6": [Expected("connect"), Expected("send", "EMSGSIZE"), Expected("send", bytes=65527), Expected("send", bytes=5)]},
    variants=["ipv6"],
    wire=["> UDP", "> UDP/5"],
    wire_in={"ipv6": ["> UDP/5"]},
    never=["< ICMP"],
    production="log lines, metrics or answers that have grown",
    diagnose="strace -e trace=sendto: the length, and EMSGSIZE",
    cure="several datagrams, or a stream; below 1,200 bytes if it has to pass everywhere",
    hides="a larger send buffer",
)


def test_udp_emsgsize(lab: Lab) -> None:
    """One byte more than fits, then the most that fits, then a few."""
    lab.server.bind(network="udp")
    conn = lab.client.connect(network="udp")
    conn.send(size=LARGEST[lab.family] + 1)
    conn.send(size=LARGEST[lab.family])
    conn.send(b"small")
