"""Another socket already listens at that address and port.

bind looks through the sockets that hold the port (inet_csk_get_port). One of them is in LISTEN with the same address, and next to a
listener SO_REUSEADDR counts for nothing (inet_bind_conflict): EADDRINUSE. Linux lets nobody take a port from a listener that way.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="The port is taken",
    spec="https://man7.org/linux/man-pages/man2/bind.2.html#ERRORS",
    expected=[Expected("listen"), Expected("listen", "EADDRINUSE", within=(0, 0.5), by_default=(0, 0.5), syscall="bind")],
    variants=["ipv6"],
    never=["> S", "< S"],
    same_words={
        "bind-wildcard-conflict": "ss -ltn: there the other listener has another address, 0.0.0.0 or [::]",
        "bind-time-wait-restart": "ss -ltn shows no listener there; ss -tan shows what is left of its connections",
        "bind-reuseport": "ss -ltn: there two listeners share the port already",
        "bind-both-then-listen-race": "strace: there bind succeeds and listen is refused",
        "bind-port0-exhausted": "the port asked for: there it is 0, any free one",
        "connect-fixed-local-port": "the operation: there a client binds before it connects, and ss -tan shows its own TIME_WAIT",
        "bind-time-wait-60s": "ss -ltn: here a listener has the port",
    },
    production="a second copy of a service; the old process has not gone yet; another program has the port",
    diagnose="ss -ltnp sport = :PORT names the process that has it",
    cure="stop the holder, or choose another port",
    hides="trying again until it works: then the holder went, and nobody knows why it was there",
)


def test_bind_addr_in_use(lab: Lab) -> None:
    """Listen twice at one address."""
    lab.client.listen()
    lab.client.listen()
