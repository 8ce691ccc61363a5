"""A program sends to everybody on the network, and was not allowed to.

A broadcast troubles every host, so a program has to say that it is meant: without SO_BROADCAST ip4_datagram_connect and udp_sendmsg
refuse a route that is a broadcast one, with EACCES. It has nothing to do with the user's rights. Some runtimes set the option on every
socket.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

EVERYBODY = "198.51.100.255"

SCENARIO = Scenario(
    title="Broadcast without permission",
    spec="https://man7.org/linux/man-pages/man7/ip.7.html#ERRORS",
    expected=[Expected("connect", "EACCES", at_once=True)],
    never=["> *", "< *"],
    deviations=[Deviation(runtime="go", step=1, sees="ok", note="package net sets SO_BROADCAST on every socket for datagrams")],
    same_words={"connect-broadcast-multicast": "ss -u, or the operation: there it is TCP, which knows no broadcast at all"},
    production="discovery of devices, wake on LAN",
    diagnose="strace -e trace=setsockopt,connect,sendto",
    cure="SO_BROADCAST",
    hides="running as root",
)


def test_udp_broadcast_eacces(lab: Lab) -> None:
    """Connect a datagram socket to the network's broadcast address."""
    lab.client.connect(address=EVERYBODY, network="udp")
