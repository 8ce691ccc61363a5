"""A socket bound to the loopback address dials somebody else.

An address of the loopback may not appear on any wire. For IPv4 the route lookup of connect refuses the pair
(ip_route_output_key_hash_rcu): EINVAL at once. For IPv6 Linux sends the SYN from ::1 all the same, and the receiver throws it
away (ip6_rcv_core, Ip6InHdrErrors): a black hole.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

PORT = 45001

SCENARIO = Scenario(
    title="A loopback source address towards another host",
    spec="https://www.rfc-editor.org/rfc/rfc1122#page-31",
    expected=[Expected("connect", "EINVAL", within=(0, 0.2), by_default=(0, 0.2), at_once=True)],
    expected_in={"ipv6": [Expected("connect", "DEADLINE", within=(0.29, 0.9), by_default=(0.29, 0.9))]},
    variants=["ipv6"],
    wire_in={"ipv6": ["> S"]},
    never=["> S"],
    never_in={"ipv6": ["< *"]},
    counters={"server Ip6InHdrErrors": 0},
    counters_in={"ipv6": {"server Ip6InHdrErrors": (1, 9)}},
    same_words={
        "connect-route-blackhole": "ip route get ADDRESS fails there without a source; here only with `from` the loopback address",
        "connect-family-mismatch": "strace: the families of socket and address differ there",
    },
    production="a local address copied from the configuration of a listener on localhost",
    diagnose="ss -tan shows the local address; ip route get ADDRESS from 127.0.0.1",
    cure="bind an address of the outgoing interface, or none",
    hides="net.ipv4.conf.all.route_localnet",
)


def test_connect_loopback_source(lab: Lab) -> None:
    """Dial the server from the loopback address."""
    lab.server.listen()
    lab.client.connect(local=(lab.loopback, PORT), deadline=0.3)
