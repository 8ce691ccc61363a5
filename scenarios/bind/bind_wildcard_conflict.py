"""A listener at all addresses has the port, so one of them alone cannot be had any more.

0.0.0.0 means every address of this host, so it overlaps with each (inet_rcv_saddr_equal): EADDRINUSE, in either order. [::] means every
IPv6 address and, unless IPV6_V6ONLY is set, every IPv4 address too (ipv6_rcv_saddr_equal): then it even stands in the way of 0.0.0.0.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

SCENARIO = Scenario(
    title="The port is taken at all addresses",
    spec="https://man7.org/linux/man-pages/man7/ip.7.html#DESCRIPTION",
    settings={"net.ipv6.bindv6only": 0},
    expected=[Expected("listen"), Expected("listen", "EADDRINUSE", syscall="bind")],
    variants=["ipv6", "other-order", "dual-stack"],
    never=["> S", "< S"],
    deviations=[
        Deviation(
            runtime="python", variant="dual-stack", step=2, sees="ok",
            note="create_server() sets IPV6_V6ONLY unless it is asked for dual-stack, so [::] leaves 0.0.0.0 alone",
        ),
    ],
    same_words={"bind-addr-in-use": "ss -ltn: the listener there has the very address that was asked for"},
    production="a sidecar at 127.0.0.1 beside a service at 0.0.0.0; a service that listens at both families by itself",
    diagnose="ss -ltn sport = :PORT: look for 0.0.0.0, [::] and *",
    cure="give each the address it needs; set IPV6_V6ONLY where both families have listeners of their own",
    hides="SO_REUSEPORT: both listen, and each gets connections meant for the other",
)  # fmt: skip


def test_bind_wildcard_conflict(lab: Lab) -> None:
    """Listen at all addresses and at one; or at all of both families."""
    one, everywhere = lab.client.address, "::" if lab.family == 6 else "0.0.0.0"
    first, second = {"other-order": (one, everywhere), "dual-stack": ("::", "0.0.0.0")}.get(lab.variant or "", (everywhere, one))
    lab.client.listen(address=first)
    lab.client.listen(address=second)
