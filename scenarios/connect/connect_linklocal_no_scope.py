"""An IPv6 link-local address says which host, but not on which link.

fe80::/10 exists on every link of a host, so such an address means something only with an interface (`fe80::1%eth0`). Without one
tcp_v6_connect cannot choose and says EINVAL, at once; nothing is sent.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A link-local address without a scope",
    spec="https://www.rfc-editor.org/rfc/rfc4007#section-6",
    expected=[Expected("connect", "EINVAL", within=(0, 0.5), by_default=(0, 0.5), at_once=True)],
    never=["> S"],
    counters={"client TcpActiveOpens": 0},
    same_words={"connect-route-blackhole": "the address; and ip route get ADDRESS fails there"},
    production="addresses learnt by multicast DNS or from ip address, passed on without their interface",
    diagnose="strace: sin6_scope_id=0",
    cure="append %INTERFACE, or set sin6_scope_id",
    hides="using another of the host's addresses",
)


def test_connect_linklocal_no_scope(lab: Lab) -> None:
    """Dial a link-local address without saying on which link."""
    lab.client.connect(address="fe80::1")
