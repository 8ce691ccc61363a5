"""The accept queue is full, tcp_abort_on_overflow is set, and a SYN is dropped all the same.

A SYN that finds the queue full goes no further than tcp_conn_request, which drops it and never looks at the setting. Only the last ACK of
a handshake that began while there was room is answered with a RST (tcp_check_req): backlog-full-abort. So a server that is stuck for long
makes its clients time out, set or not.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Myth: abort_on_overflow always resets",
    spec="https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html#tcp-variables",
    settings={"net.ipv4.tcp_abort_on_overflow": 1},
    claim="With tcp_abort_on_overflow every client that meets a full accept queue is reset.",
    judged="false",
    expected=[Expected("connect"), Expected("connect"), Expected("connect", "DEADLINE", within=(0.29, 0.9), by_default=(0.29, 0.9))],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> S", "< SA", "> A", "> S"],
    never=["< R*", "> R*"],
    counters={"server TcpExtListenOverflows": (1, 12), "server TcpExtListenDrops": (1, 12), "server TcpExtEmbryonicRsts": 0},
    production="a setting made so that clients fail fast, and they do not",
    diagnose="nstat TcpExtListenOverflows TcpExtEmbryonicRsts: the first rises, the second does not",
    cure="accept faster, a larger backlog; a timer at the client",
    hides="the setting",
)


def test_myth_abort_on_overflow_always_rst(lab: Lab) -> None:
    """Fill the queue of a listener that never accepts, and dial once more with a timer."""
    lab.server.listen(backlog=1)
    lab.client.connect()
    lab.client.connect()
    lab.client.connect(deadline=0.3)
