"""A socket of one family is told to connect to an address of the other.

tcp_v4_connect finds an address that is not AF_INET: EAFNOSUPPORT. tcp_v6_connect looks at the length first, and an IPv4 address
is too short for it: EINVAL. Either way nothing is sent. Few programs get that far: most libraries make the socket to suit the
address.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

RESOLVES = "the address goes through getaddrinfo() for the socket's family, and the resolver refuses it before the kernel is asked"
BOTH = "a Java socket is of both families: IPv6, with IPv4 mapped into it"
GVISOR = "gVisor sends IPv4 through an IPv6 socket unasked, and has EINVAL for the other way (checkFamily in netstack.go)"

SCENARIO = Scenario(
    title="An address of the other family",
    spec="https://man7.org/linux/man-pages/man2/connect.2.html#ERRORS",
    expected=[Expected("socket"), Expected("connect", "EAFNOSUPPORT", within=(0, 0.5), by_default=(0, 0.5), at_once=True)],
    expected_in={"ipv6": [Expected("socket"), Expected("connect", "EINVAL", within=(0, 0.5), by_default=(0, 0.5), at_once=True)]},
    deviations=[
        Deviation(stack="gvisor", variant="", step=2, sees="EINVAL", note=GVISOR),
        Deviation(stack="gvisor", variant="ipv6", step=2, sees="ok", note=GVISOR),
        Deviation(runtime="python", step=2, sees="EAI_ADDRFAMILY", note=RESOLVES),
        Deviation(runtime="java", step=2, sees="ok", note=BOTH),
        Deviation(runtime="java-nio", step=2, sees="ok", note=BOTH),
    ],
    variants=["ipv6"],
    never=["< R*"],
    same_words={
        "connect-route-blackhole": "ip route get ADDRESS fails there",
        "connect-loopback-source": "the local address of the socket is a loopback address there",
    },
    production="a socket made before the name was resolved; a list of addresses of both families, one socket for all",
    diagnose="strace -e socket,connect: the two families",
    cure="resolve first, then make the socket to suit the address",
    hides="switching IPv6 off",
)


def test_connect_family_mismatch(lab: Lab) -> None:
    """Dial the server's address of the other family."""
    other = lab.server.host.address(10 - lab.family)
    lab.server.listen(address=other)
    lab.client.socket().connect(address=other)
