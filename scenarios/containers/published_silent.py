"""The container answers nothing at all, yet connecting to its published port succeeds at once; the answer never comes.

The engine's proxy accepts for it and then dials, as long as its own timer lets it. A timer for connecting, which is there to find dead
servers, has been satisfied by the proxy; only one for reading is left. To the container's own address it is the connect that hangs.
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

DEAD = FilterVerdict(at="server", match="-p tcp --dport 9000")

SCENARIO = Scenario(
    title="Silence behind a published port",
    spec="https://docs.docker.com/engine/network/port-publishing/#publishing-ports",
    expected=[
        Expected("connect", within=(0, 0.5), by_default=(0, 0.5)),
        Expected("deadline"),
        Expected("recv", "DEADLINE", within=(0.29, 0.9), by_default=(0.29, 0.9), since=2),
    ],
    variants=["own-address"],
    expected_in={"own-address": [Expected("connect", "DEADLINE", within=(0.29, 0.9), by_default=(0.29, 0.9))]},
    wire=["> S", "< SA", "> A"],
    wire_in={"own-address": ["> S"]},
    never=["< R*", "< F*", "< PA"],
    never_in={"own-address": ["< *"]},
    published=True,
    same_words={
        "read-deadline": "ss -ltnp at the address that was dialled: docker-proxy; in the container no connection is established",
        "connect-blackhole-app-timeout": "the address: there it is the server's own",
    },
    production="a container that is paused, or whose firewall drops; connect timeouts never fire",
    diagnose="ss -tan state syn-sent on the engine's machine: the proxy still dials the container",
    cure="a timer for the answer, not only for the connect; health checks that ask something",
    hides="a shorter timer for connecting",
)


def test_published_silent(lab: Lab) -> None:
    """Connect and read with a timer of 0.3 s, by the published port or by the container's own address."""
    with lab.fault(DEAD):
        if lab.variant == "own-address":
            lab.client.connect(deadline=0.3)
            return
        conn = lab.client.connect(address=lab.published)
        lab.until_wire("* S", times=2)  # the client's, and the proxy's
        conn.deadline(0.3, "recv")
        conn.recv()
