"""connect is called on a socket that is a connection already, or a listener.

A TCP socket lives once. One that is connected (SS_CONNECTED) or listening (not in CLOSE) is no longer free to be connected
(__inet_stream_connect): EISCONN, nothing is sent, and the connection that was there is not harmed.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

POLLED = "its connect did not wait, so the kernel still owes the good news, and the next connect gets it (SS_CONNECTING until then)"

SCENARIO = Scenario(
    title="Connecting a socket that is connected",
    spec="https://man7.org/linux/man-pages/man2/connect.2.html#ERRORS",
    expected=[
        Expected("connect"),
        Expected("connect", "EISCONN", within=(0, 0.5), by_default=(0, 0.5), at_once=True),
        Expected("send", bytes=5),
    ],
    expected_in={
        "listener": [
            Expected("listen"),
            Expected("connect", "EISCONN", within=(0, 0.5), by_default=(0, 0.5), at_once=True),
        ]
    },
    deviations=[Deviation(runtime="node", step=2, sees="ok", variant=variant, note=POLLED) for variant in ("", "ipv6")],
    variants=["ipv6", "listener"],
    wire=["> S", "< SA", "> A", "> PA/5"],
    wire_in={"listener": []},
    never=["> R*", "< R*"],
    counters={"client TcpActiveOpens": 1},
    counters_in={"listener": {"client TcpActiveOpens": 0}},
    same_words={"connect-in-progress": "the sequence: there EINPROGRESS and EALREADY came before"},
    production="a retry loop that does not notice that the first attempt succeeded",
    diagnose="strace -e connect",
    cure="make a new socket for each attempt",
    hides="ignoring the error",
)


def test_connect_eisconn(lab: Lab) -> None:
    """Connect twice with one socket; or connect a listener."""
    lab.server.listen()
    if lab.variant == "listener":
        lab.client.listen().connect()
        return
    conn = lab.client.connect()
    conn.connect()
    conn.send(b"still")
