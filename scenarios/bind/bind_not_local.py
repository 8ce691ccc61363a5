"""The address asked for is not one of this host's.

bind checks that the address is configured somewhere on the host (inet_addr_valid_or_nonlocal); it is not, and nothing is sent to find
out more: EADDRNOTAVAIL.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

NOBODYS = {4: "203.0.113.99", 6: "2001:db8:99::99"}

SCENARIO = Scenario(
    title="Binding an address that is not ours",
    spec="https://man7.org/linux/man-pages/man2/bind.2.html#ERRORS",
    expected=[Expected("listen", "EADDRNOTAVAIL", within=(0, 0.5), by_default=(0, 0.5), syscall="bind")],
    variants=["ipv6"],
    never=["> S", "< S", "> ARP"],
    same_words={"connect-ephemeral-exhausted": "the operation: there it is connect, and the local address is fine"},
    production="a cloud instance's public address; a floating address that has moved away; a copied configuration",
    diagnose="ip -br address",
    cure="bind the address the host really has, or all of them",
    hides="net.ipv4.ip_nonlocal_bind",
)


def test_bind_not_local(lab: Lab) -> None:
    """Listen at an address of nobody."""
    lab.client.listen(address=NOBODYS[lab.family])
