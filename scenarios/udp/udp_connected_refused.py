"""Nobody is at the datagram's port, and it is a later call that says so.

The datagram is sent, so the call succeeds. Its answer, ICMP port unreachable, comes when the call is over; because the socket is
connected the kernel knows whose it is (__udp4_lib_err) and notes ECONNREFUSED. The next call takes it, whatever it wanted: a read gets
it, or a write, which sends nothing then. After that all is as before.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

SCENARIO = Scenario(
    title="Datagram refused",
    spec="https://man7.org/linux/man-pages/man7/udp.7.html#DESCRIPTION",
    expected=[
        Expected("connect"),
        Expected("send", bytes=3),
        Expected("recv", "ECONNREFUSED"),
        Expected("send", bytes=3),
        Expected("send", "ECONNREFUSED"),
    ],
    variants=["ipv6"],
    wire=["> UDP/3", "< ICMP port-unreachable", "> UDP/3", "< ICMP port-unreachable"],
    counters={"server UdpNoPorts": (2, 3)},
    counters_in={"ipv6": {"server UdpNoPorts": 0, "server Udp6NoPorts": (2, 3)}},
    deviations=[Deviation(runtime="node", step=5, sees="ok", note="Node reads in the background: the error has been an event already")],
    same_words={
        "connect-refused-rst": "ss -u, or the operation: a connect of TCP; here it is a read or a write",
        "udp-unconnected-silent": "strace: there no connect, and IP_RECVERR",
    },
    production="a name server, statsd or syslog that is down",
    diagnose="tcpdump icmp; nstat UdpNoPorts at the receiver",
    cure="send again; do not close the socket for it",
    hides="an unconnected socket: it is not told",
)


def test_udp_connected_refused(lab: Lab) -> None:
    """Send where nobody is, and read; send, and send."""
    conn = lab.client.connect(network="udp")
    conn.send(b"one")
    conn.recv()
    conn.send(b"two")
    lab.until_wire("< ICMP port-unreachable", times=2)
    lab.client.idle()
    conn.send(b"three")
