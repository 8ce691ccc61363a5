"""One thread closes the listener while another one waits in accept on it, and the waiting goes on.

close takes the descriptor away, but the system call in progress holds the socket itself (fget in __sys_accept4), so the port stays open:
the next client is connected and accepted, on a listener that is closed. Only then it goes. Runtimes that keep count of who uses a
descriptor wake the waiting thread instead, and tell it that the listener was closed.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

WOKEN = "the runtime wakes whoever waits when the program closes the listener, and the port is closed at once"
EVENTS = "no call waits in Node: close() ends the listening, and the event 'close' is its last"

SCENARIO = Scenario(
    title="The listener is closed under accept",
    spec="https://man7.org/linux/man-pages/man2/close.2.html#NOTES",
    observe="server",
    expected=[Expected("listen"), Expected("close"), Expected("accept")],
    variants=["ipv6"],
    deviations=[
        *[Deviation(runtime=name, step=3, sees="CLOSED", note=WOKEN) for name in ("go", "java", "java-nio")],
        Deviation(runtime="node", step=3, sees="eof", note=EVENTS),
    ],
    never=["> R*"],
    same_words={"accept-invalid-state": "strace: there the listener was shut down, not closed"},
    production="a graceful stop that closes the listener and waits for the thread, which waits for a client",
    diagnose="ss -ltnp: the port listens, and lsof finds no such descriptor",
    cure="shutdown(fd, SHUT_RDWR) first; or poll with a descriptor that wakes it",
    hides="a last connection to itself",
)


def test_accept_blocked_close(lab: Lab) -> None:
    """Wait in accept, close the listener, and let a client come."""
    listener = lab.server.listen()
    accepting = listener.start("accept", **{"as": "accepted"})
    accepting.waiting()
    listener.close()
    accepting.waiting()  # whoever is to be woken by it has been
    if listener.until("LISTEN", "CLOSE") == "LISTEN":
        lab.client.connect()
    accepting.result()
    listener.until("CLOSE")
