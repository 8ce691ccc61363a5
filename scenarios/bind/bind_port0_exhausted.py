"""Any free port will do, and there is none.

Port 0 lets the kernel choose from ip_local_port_range (inet_csk_find_open_port). Both ports of the range here have a listener, so nothing
is left: EADDRINUSE, though no port was named. A client that binds its source address before it dials asks for a port in the same way, and
is told the same; without the bind, connect itself would choose, and say EADDRNOTAVAIL.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

FULL = [Expected("listen"), Expected("listen")]

SCENARIO = Scenario(
    title="No free port to bind",
    spec="https://man7.org/linux/man-pages/man2/bind.2.html#ERRORS",
    settings={"net.ipv4.ip_local_port_range": "42000 42001"},
    expected=[*FULL, Expected("listen", "EADDRINUSE", within=(0, 0.5), by_default=(0, 0.5), syscall="bind")],
    expected_in={"dial": [*FULL, Expected("connect", "EADDRINUSE", within=(0, 0.5), by_default=(0, 0.5), syscall="bind", at_once=True)]},
    variants=["ipv6", "dial"],
    never=["> S", "< S"],
    same_words={"bind-addr-in-use": "the port asked for: there it is a certain one, not 0"},
    production="a proxy that binds its source address for each of very many connections",
    diagnose="ss -tan | wc -l against sysctl net.ipv4.ip_local_port_range",
    cure="IP_BIND_ADDRESS_NO_PORT, which leaves the port to connect; more source addresses; a pool",
    hides="a wider range",
)


def test_bind_port0_exhausted(lab: Lab) -> None:
    """Listen at any port until there is none; then once more, or dial from there."""
    lab.client.listen(0)
    lab.client.listen(0)
    if lab.variant == "dial":
        lab.client.connect(local=(lab.client.address, 0))
    else:
        lab.client.listen(0)
