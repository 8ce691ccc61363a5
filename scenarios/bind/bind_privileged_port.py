"""A program without privilege asks for a port below 1024.

Those ports are for programs that have CAP_NET_BIND_SERVICE in the network namespace's own user namespace; __inet_bind asks for it below
net.ipv4.ip_unprivileged_port_start, and says EACCES. The program here has everything but that. Container runtimes often set the limit to 0:
there the failure cannot happen, and it appears when the same image runs elsewhere.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="A privileged port without the privilege",
    spec="https://man7.org/linux/man-pages/man7/ip.7.html#NOTES",
    without=["net_bind_service"],
    expected=[Expected("listen", "EACCES", within=(0, 0.5), by_default=(0, 0.5), syscall="bind"), Expected("listen")],
    variants=["ipv6"],
    never=["> S", "< S"],
    same_words={
        "connect-route-prohibit": "the operation: there it is connect, and ip route get says prohibit",
        "connect-icmp6-admin-prohibited": "the operation: there it is connect, over IPv6",
    },
    production="a container that no longer runs as root; a service started by hand by an ordinary user",
    diagnose="sysctl net.ipv4.ip_unprivileged_port_start; getpcaps PID",
    cure="a port from 1024 on behind a forwarder; AmbientCapabilities=CAP_NET_BIND_SERVICE; setcap",
    hides="running it as root",
)


def test_bind_privileged_port(lab: Lab) -> None:
    """Listen at port 80, then at 1024, the first that is anybody's."""
    lab.client.listen(80)
    lab.client.listen(1024)
