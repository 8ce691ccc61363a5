"""A link-local address is given without its interface.

fe80:: addresses exist once on every link, so the address alone does not say which interface is meant. bind wants the scope id and gets 0
(__inet6_bind): EINVAL, before it even looks whether the address is there.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

SCENARIO = Scenario(
    title="Link-local address without a scope",
    spec="https://www.rfc-editor.org/rfc/rfc4007#section-6",
    expected=[Expected("listen", "EINVAL", within=(0, 0.5), by_default=(0, 0.5), syscall="bind")],
    never=["> S", "< S"],
    deviations=[
        Deviation(stack="gvisor", step=1, sees="EADDRNOTAVAIL", note="gVisor asks only whether the address is its own (CheckLocalAddress)"),
    ],
    same_words={"bind-twice": "strace: there it is the second bind of one socket"},
    production="an address copied from ip addr into a configuration",
    diagnose="strace -e trace=bind: sin6_scope_id=0",
    cure="add the interface: fe80::1%eth0",
    hides="listening at all addresses",
)


def test_bind_linklocal_no_scope(lab: Lab) -> None:
    """Listen at fe80::1, wherever that is."""
    lab.client.listen(address="fe80::1")
