"""Nobody listens in the container, yet connecting to its published port succeeds: the stream is only empty.

The engine's proxy listens for the container whether or not anything runs there (docker-proxy, clientLoop). It accepts first and dials
afterwards. The container's kernel refuses with a RST, but that answers the proxy's SYN; what is left for the proxy to do with a
connection it has accepted is to close it. A FIN says nothing of a refusal. The container's own address tells the truth.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario

SCENARIO = Scenario(
    title="Refused behind a published port: end of stream",
    spec="https://docs.docker.com/engine/network/port-publishing/#publishing-ports",
    expected=[Expected("connect"), Expected("recv", "eof")],
    variants=["own-address"],
    expected_in={"own-address": [Expected("connect", "ECONNREFUSED", within=(0, 0.5), by_default=(0, 0.5))]},
    wire=["> S", "< SA", "> A", "< FA"],
    wire_in={"own-address": ["> S", "< RA"]},
    never=["< R*"],
    never_in={"own-address": ["< SA"]},
    counters={"server TcpOutRsts": 1, "client TcpAttemptFails": 0},
    counters_in={"own-address": {"client TcpAttemptFails": 1}},
    published=True,
    same_words={
        "read-eof": "ss -ltnp at the address that was dialled: docker-proxy; and nobody accepted in the container",
        "connect-refused-rst": "the address: there it is the server's own",
        "published-reset-eof": "docker logs: there the container's program had accepted",
    },
    production="a health check that only connects says a container is up while its program still starts, or listens on 127.0.0.1 only",
    diagnose="docker exec CONTAINER ss -ltn; connect to the container's own address: there it is refused",
    cure="check health by an answer and not by a connect; listen on 0.0.0.0 inside the container; dockerd --userland-proxy=false",
    hides="retrying until it works by chance",
)


def test_published_refused(lab: Lab) -> None:
    """Connect where nobody listens, by the published port or by the container's own address."""
    if lab.variant == "own-address":
        lab.client.connect()
        return
    conn = lab.client.connect(address=lab.published)
    conn.until_fin()
    conn.recv()
