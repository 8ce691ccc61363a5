"""Nothing comes for so long that the program's own timer ends the read; the connection is as good as before.

The wait ends by the clock and not by the network: no segment, no state change. What comes later can still be read, once the timer is
taken away or set anew.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Read deadline",
    spec="https://man7.org/linux/man-pages/man7/socket.7.html#DESCRIPTION",
    expected=[
        Expected("connect"),
        Expected("deadline"),
        Expected("recv", "DEADLINE", within=(0.19, 0.8), by_default=(0.19, 0.8), since=2),
        Expected("deadline"),
        Expected("recv", data="late"),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< PA"],
    never=["< R*", "> R*"],
    same_words={
        "connect-in-progress": "the socket is non-blocking there, and no time passes",
        "published-silent": "ss -ltnp at the address that was dialled: docker-proxy there; in the container no connection is established",
    },
    production="a slow peer; a lost answer; a timer that is too short",
    diagnose="ss -ti: lastrcv and lastack tell a slow peer from a dead one",
    cure="a timer that fits the answer; decide whether the request may be repeated",
    hides="reading again in a loop",
)


def test_read_deadline(lab: Lab) -> None:
    """Read with a timer of 0.2 s, then without one."""
    conn, peer = lab.connected()
    conn.deadline(0.2, "recv")
    conn.recv()
    conn.deadline(None, "recv")
    peer.send(b"late")
    conn.recv()
