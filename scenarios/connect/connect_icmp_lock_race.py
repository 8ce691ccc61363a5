"""The ICMP error is faster than the system call that sent the SYN.

A firewall on the same machine answers inside the very system call that sends (softirq of the transmission), while connect holds
the socket. tcp_v4_err then notes a soft error only (sk_err_soft, TcpExtLockDroppedIcmps). Whoever waits inside connect sleeps on
until the SYN is repeated a second later, and the next answer finds the socket free. Whoever polls is woken at once, since
ip_icmp_error has queued the error for it, and SO_ERROR hands over the soft one. ICMPv6 is queued only for IPV6_RECVERR
(ipv6_icmp_error): there everybody waits.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

POLLS = "its sockets do not block: the poller sees the queued error, and SO_ERROR takes the soft one"

SCENARIO = Scenario(
    title="An ICMP error that meets a locked socket",
    spec="https://www.rfc-editor.org/rfc/rfc1122#page-103",
    expected=[Expected("connect", "EHOSTUNREACH", within=(0.9, 2.5), by_default=(0.9, 2.5))],
    deviations=[
        Deviation(runtime=runtime, step=1, sees="EHOSTUNREACH", variant="", within=(0, 0.8), note=POLLS) for runtime in ("go", "node")
    ],
    variants=["ipv6"],
    wire=["> S", "< ICMP host-unreachable"],
    wire_in={"ipv6": ["> S", "< ICMP addr-unreachable", "> S", "< ICMP addr-unreachable"]},
    never=["< S*", "< R*"],
    counters={"client TcpExtLockDroppedIcmps": 1},
    same_words={"connect-icmp-host-unreach": "nstat TcpExtLockDroppedIcmps is 0 there; and nobody has to wait a second"},
    production="containers of one machine and a network policy that rejects between them",
    diagnose="nstat TcpExtLockDroppedIcmps",
    cure="reject with tcp-reset, which waits for the lock instead of being dropped",
    hides="moving the peer to another machine",
)


def test_connect_icmp_lock_race(lab: Lab) -> None:
    """Connect to a neighbour on the same machine whose firewall rejects."""
    how = "icmp-host-unreachable" if lab.family == 4 else "icmp6-addr-unreachable"
    with lab.fault(FilterVerdict(match="-p tcp --dport 9000", target=f"REJECT --reject-with {how}")):
        lab.client.connect()
