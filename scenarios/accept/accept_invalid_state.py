"""accept is called on a socket that does not listen: not yet, or not any more.

inet_csk_accept looks at the state before anything else, and it is not LISTEN: EINVAL. shutdown of a listener ends its listening
(inet_shutdown, tcp_disconnect), so it wakes an accept that waits in another thread, with the same errno. That is how to stop one.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Accept on what does not listen",
    spec="https://man7.org/linux/man-pages/man2/accept.2.html#ERRORS",
    observe="server",
    expected=[Expected("bind"), Expected("accept", "EINVAL"), Expected("listen"), Expected("shutdown"), Expected("accept", "EINVAL")],
    variants=["ipv6"],
    never=["> S", "< S"],
    same_words={"accept-blocked-close": "strace: there the listener was closed, and accept goes on"},
    production="a wrong order of calls; a server that is being stopped",
    diagnose="strace -e trace=bind,listen,accept4,shutdown",
    cure="socket, bind, listen, accept; leave the loop at EINVAL when stopping",
    hides="trying again",
)


def test_accept_invalid_state(lab: Lab) -> None:
    """Accept before listening; then listen, accept, and shut the listener down meanwhile."""
    listener = lab.server.bind()
    lab.server.accept(listener)
    listener.listen()
    accepting = listener.start("accept", **{"as": "nobody"})
    accepting.waiting()
    listener.shutdown("rdwr")
    accepting.result()
