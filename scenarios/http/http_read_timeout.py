"""The server takes the request and says nothing, and the client's timer ends the wait for the answer.

The connection stands and nothing is wrong with it: only a clock can end this. The request was received, and perhaps carried out.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="Timeout while waiting for the answer",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-9.5",
    kind="http",
    expected=[Expected("fetch", data="one"), Expected("fetch", "DEADLINE", within=(0.49, 1.6))],
    wire=["> S", "> PA", "< PA", "> PA"],
    never=["< R*"],
    same_words={
        "http-head-timeout": "the wire: a part of the head came",
        "http-connect-timeout": "the wire: whether the SYN was answered",
        "http-no-answer-fin": "the wire: whose FIN is the first; there it is the server's",
    },
    production="a slow query; a full thread pool; a deadlock",
    diagnose="ss -ti: lastsnd against lastrcv; the server's log has the request",
    cure="a timer that fits the work; decide whether the request may be repeated",
    hides="repeating: the server has twice the work then",
)


def test_http_read_timeout(lab: Lab) -> None:
    """Answer once, then take a request and keep silent."""
    client, server = http(lab)
    server.first(client)
    asking = client.start(deadline=0.5)
    server.must(asking)
    asking.result()
