"""No local port is left for that destination.

A connection is known by four numbers; towards one address and port only the local port varies. The range here holds two ports, two
connections have them, and the third connect finds none (__inet_hash_connect): EADDRNOTAVAIL at once, nothing is sent. Another
destination would still work.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Ephemeral ports exhausted",
    spec="https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html#ip-variables",
    settings={"net.ipv4.ip_local_port_range": "41000 41001"},
    expected=[
        Expected("connect"),
        Expected("connect"),
        Expected("connect", "EADDRNOTAVAIL", within=(0, 0.5), by_default=(0, 0.5), at_once=True),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> S", "< SA"],
    same_words={
        "bind-not-local": "the operation: there it is the bind of an address that is not this host's",
        "time-wait-tw-reuse": "ss -tan: there it is TIME-WAIT that holds the port",
    },
    production="a client without a connection pool: its own TIME_WAIT sockets hold the ports",
    diagnose="ss -tan state time-wait dst ADDRESS | wc -l",
    cure="keep connections and reuse them; more source addresses",
    hides="a wider ip_local_port_range",
)


def test_connect_ephemeral_exhausted(lab: Lab) -> None:
    """Use up both ports, then connect once more."""
    lab.server.listen()
    lab.client.connect()
    lab.client.connect()
    lab.client.connect()
