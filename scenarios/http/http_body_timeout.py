"""The head and half of the body come, and then nothing.

The status has arrived long ago, so many programs believe they are through. Whether the timer still runs depends on the library:
some stop it with the head, and then nothing ends the wait but the peer. The timer is long here, so that on any machine the head has been
read long before it runs out: a program that is slow to read would be told of the head's timeout instead.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="Timeout in the body",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-9.5",
    kind="http",
    expected=[Expected("fetch", data="one"), Expected("fetch", "DEADLINE", during="body", within=(1.99, 3.0))],
    wire=["> S", "> PA", "< PA", "> PA", "< PA"],
    never=["< R*"],
    deviations=[
        Deviation(
            runtime="java-httpclient",
            step=2,
            sees="blocked",
            note="the request's timer ends with the answer's head, nothing ends the wait for the body; from JDK 26 on it covers both",
        ),
    ],
    same_words={
        "http-slow-body": "the wire: bytes still come",
        "http-truncated-length": "the wire: whose FIN is the first; there it is the server's",
    },
    production="a stream whose source has dried up; a lost connection without keepalive",
    diagnose="ss -ti: lastrcv grows; the log says 200",
    cure="a timer that covers the body, too",
    hides="trusting a timer without knowing what it covers",
)


def test_http_body_timeout(lab: Lab) -> None:
    """Answer once, then send three bytes of a hundred and keep silent."""
    client, server = http(lab)
    server.first(client)
    asking = client.start(deadline=2.0)
    server.must(asking).answer("abc", length=100)
    asking.blocked(3.0)
