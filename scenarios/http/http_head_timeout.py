"""Half the answer's head comes, and then nothing.

A head that is not finished is no answer, so the timer for the answer goes on. One that starts anew with each byte would let a server that
sends a byte now and then hold the client for ever.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="Timeout in the answer's head",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-9.5",
    kind="http",
    expected=[Expected("fetch", data="one"), Expected("fetch", "DEADLINE", within=(0.49, 1.6))],
    wire=["> S", "> PA", "< PA", "> PA", "< PA"],
    never=["< R*"],
    same_words={
        "http-read-timeout": "the wire: nothing of an answer came",
    },
    production="a proxy that begins before its backend answers; a peer that means harm",
    diagnose="tcpdump -A: the head without its empty line",
    cure="a timer for the whole, besides the one for each read",
    hides="a longer timer",
)


def test_http_head_timeout(lab: Lab) -> None:
    """Answer once, then send half a head and keep silent."""
    client, server = http(lab)
    server.first(client)
    asking = client.start(deadline=0.5)
    server.must(asking).send("HTTP/1.1 200 OK\r\nContent-Le")
    asking.result()
