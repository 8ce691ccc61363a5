"""Two programs bind the same port, and both succeed; the second to listen is refused.

With SO_REUSEADDR on both, sockets that only are bound do not stand in each other's way. The port is looked at once more when a socket
starts to listen (inet_csk_listen_start calls get_port again), and by then the other one listens: EADDRINUSE, from listen.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Bound twice, listening once",
    spec="https://man7.org/linux/man-pages/man2/listen.2.html#ERRORS",
    expected=[Expected("bind"), Expected("bind"), Expected("listen"), Expected("listen", "EADDRINUSE", syscall="listen")],
    variants=["ipv6"],
    never=["> S", "< S"],
    same_words={"bind-addr-in-use": "strace: there it is bind that is refused"},
    production="two copies of a service that are started at the same moment",
    diagnose="strace -e trace=bind,listen",
    cure="take an error of listen for what it is: the port is taken",
    hides="a success of bind taken for the port",
)


def test_bind_both_then_listen_race(lab: Lab) -> None:
    """Bind, bind, listen, listen."""
    one = lab.client.bind(options={"reuseaddr": True})
    other = lab.client.bind(options={"reuseaddr": True})
    one.listen()
    other.listen()
