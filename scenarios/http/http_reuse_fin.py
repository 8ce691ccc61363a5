"""A connection is used a second time, and the server closes it without answering the second request.

The client cannot know whether the request was carried out. Where nothing of an answer has come on a connection that was used before, HTTP
lets a client repeat what is idempotent (RFC 9110, section 9.2.2): some libraries do so by themselves, some leave it to the program, and a
POST is another matter. The second connection on the wire is the repetition.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario
from faultlab.web import http

TWICE = ["> S", "< PA", "> PA", "< FA", "> S", "> PA", "< PA"]
GO = "it repeats what is idempotent where a used connection ended before the first byte (shouldRetryRequest, isReplayable)"
JAVA = "it repeats GET and HEAD where any connection ended before the first byte (ConnectionExpiredException)"
CURL = "it repeats whatever it can send again, a POST too, where a used connection ended before the first byte (Curl_retry_request)"

SCENARIO = Scenario(
    title="FIN on a connection used again",
    spec="https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2",
    kind="http",
    expected=[Expected("fetch", data="one"), Expected("fetch", "EOF_BEFORE_ANSWER")],
    variants=["post"],
    wire=["> S", "< PA", "> PA", "< FA"],
    never=["< R*"],
    wire_in={"curl": TWICE},
    deviations=[
        Deviation(runtime="go-http", step=2, sees="ok", variant="", words={"data": "two"}, note=GO),
        Deviation(runtime="java-httpclient", step=2, sees="ok", variant="", words={"data": "two"}, note=JAVA),
        Deviation(runtime="curl", step=2, sees="ok", words={"data": "two"}, note=CURL),
    ],
    same_words={
        "http-no-answer-fin": "the wire: it is the first request of that connection",
    },
    production="the server's idle timeout ends while the request is under way; a server that stops gracefully, but not gracefully enough",
    diagnose="tcpdump: was it the first request on that connection? The log of the server says whether it came to the application",
    cure="idle timeout of the client shorter than the server's; repeat idempotent requests; keys that make a POST idempotent",
    hides="no keep-alive at all: every request pays for a handshake",
)


def test_http_reuse_fin(lab: Lab) -> None:
    """Answer, take the second request and close; answer whoever repeats it."""
    client, server = http(lab)
    server.first(client)
    asking = client.start(method="POST" if lab.variant == "post" else "GET")
    server.close(server.must(asking))
    if again := server.request(asking):
        again.answer("two")
    asking.result()
