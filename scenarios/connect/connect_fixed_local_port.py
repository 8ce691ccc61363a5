"""A client that always uses the same local port comes back too soon.

Whoever closes first keeps the four numbers in TIME_WAIT for a minute. A second socket cannot be bound to that port while it lasts
(inet_csk_get_port finds the TIME_WAIT socket in the way): EADDRINUSE, from the bind that precedes the connect; nothing is sent.
Servers set SO_REUSEADDR and never see this; most clients do not.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario

PORT = 45001

SCENARIO = Scenario(
    title="A fixed local port, used twice",
    spec="https://man7.org/linux/man-pages/man7/socket.7.html#DESCRIPTION",
    expected=[
        Expected("connect"),
        Expected("close"),
        Expected("connect", "EADDRINUSE", within=(0, 0.5), by_default=(0, 0.5), syscall="bind", at_once=True),
    ],
    deviations=[
        Deviation(
            runtime="node", step=3, sees="ok",
            note="libuv sets SO_REUSEADDR on whatever it binds, and the SYN takes the TIME_WAIT over (tcp_twsk_unique)",
        ),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "> FA", "< FA", "> A"],
    never=["> R*", "< R*"],
    same_words={
        "bind-addr-in-use": "ss -tan: the port is held by a listener there, by a TIME_WAIT of our own here",
        "time-wait-tw-reuse": "strace: there the first connect was not preceded by a bind",
    },
    production="firewalls that ask for a source port; a client that restarts at once",
    diagnose="ss -tan sport = :PORT shows TIME-WAIT",
    cure="let the kernel choose the local port; or SO_REUSEADDR before the bind",
    hides="waiting a minute",
)


def test_connect_fixed_local_port(lab: Lab) -> None:
    """Connect from a fixed port, close first, connect again."""
    lab.server.listen()
    local = (lab.client.address, PORT)
    conn = lab.client.connect(local=local)
    peer = lab.server.accept()
    conn.close()
    conn.until("FIN_WAIT2")
    peer.close()
    conn.until("TIME_WAIT")
    lab.client.connect(local=local)
