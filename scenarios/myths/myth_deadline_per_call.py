"""A read deadline has passed once, data arrives after it, and every further read fails at once.

SetReadDeadline takes an instant, not a duration: past it every read fails before the kernel is asked (poll.FD, prepareRead), data or no
data, until another instant is set. Nothing is lost; the same read succeeds when the deadline is taken away. In languages whose timer is a
duration for each call, SO_RCVTIMEO's kind, the claim would be true.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

AT_ONCE = (0, 0.1)

SCENARIO = Scenario(
    title="Myth: a deadline is for one call",
    spec="https://pkg.go.dev/net#Conn",
    only=["go"],
    claim="SetReadDeadline holds for the next call only, so that each read begins with a fresh timer.",
    judged="false",
    expected=[
        Expected("connect"),
        Expected("deadline"),
        Expected("recv", "DEADLINE", within=(0.09, 0.6), by_default=(0.09, 0.6), since=2),
        *[Expected("recv", "DEADLINE", within=AT_ONCE, by_default=AT_ONCE)] * 2,
        Expected("deadline"),
        Expected("recv", data="late"),
    ],
    variants=["ipv6"],
    wire=["> S", "< SA", "> A", "< PA/4"],
    never=["> R*", "< R*"],
    production="a loop that sets the deadline once, and fails for ever after the first pause",
    diagnose="ss -tn: Recv-Q is not empty while the reads time out",
    cure="set the deadline anew before each read",
    hides="a longer deadline",
)


def test_myth_deadline_per_call(lab: Lab) -> None:
    """Let a deadline pass, have data arrive, read twice; take the deadline away, and read."""
    conn, peer = lab.connected()
    conn.deadline(0.1, "recv")
    conn.recv()
    peer.send(b"late")
    lab.until_wire("< PA/4")
    conn.recv()
    conn.recv()
    conn.deadline(None, "recv")
    conn.recv()
