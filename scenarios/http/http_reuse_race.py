"""The server closes an idle connection in the moment in which the client sends its next request on it.

The FIN is still on its way (here it is lost), so the client's socket is ESTABLISHED and the request goes out. The server's kernel has
nobody left to give it to and answers data on a closed socket with a RST (tcp_rcv_state_process, TcpExtTCPAbortOnData). The request was
certainly not carried out, but the client cannot know that; who repeats it by itself?
"""

from faultlab.faults.packet_filter import FilterVerdict
from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario
from faultlab.web import http

FIN_LOST = FilterVerdict(at="client", match="-p tcp --sport 9000 --tcp-flags FIN FIN")

TWICE = ["> S", "< PA", "< FA", "> PA", "< R", "> S", "> PA", "< PA"]
GO = "it repeats what is idempotent where a used connection ended before the first byte (shouldRetryRequest, isReplayable)"
JAVA = "it repeats GET and HEAD where any connection ended before the first byte (ConnectionExpiredException)"
CURL = "it repeats whatever it can send again, a POST too, where a used connection ended before the first byte (Curl_retry_request)"
URLLIB = "each fetch has a connection of its own, so it never meets one that was closed"

SCENARIO = Scenario(
    title="The request crosses the close",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-9.3.1",
    kind="http",
    expected=[Expected("fetch", data="one"), Expected("fetch", "ECONNRESET")],
    variants=["post"],
    wire=["> S", "< PA", "< FA", "> PA", "< R"],
    counters={"server TcpExtTCPAbortOnData": 1},
    wire_in={"curl": TWICE, "python-urllib": ["> S", "< PA", "> FA", "< FA", "> S", "< PA"]},
    counters_in={"python-urllib": {"server TcpExtTCPAbortOnData": 0}},
    deviations=[
        Deviation(runtime="go-http", step=2, sees="ok", variant="", words={"data": "two"}, note=GO),
        Deviation(runtime="java-httpclient", step=2, sees="ok", variant="", words={"data": "two"}, note=JAVA),
        Deviation(runtime="curl", step=2, sees="ok", words={"data": "two"}, note=CURL),
        Deviation(runtime="python-urllib", step=2, sees="ok", words={"data": "two"}, note=URLLIB),
    ],
    same_words={
        "http-no-answer-rst": "the wire: no FIN in front of the request",
    },
    production="client and load balancer with the same idle timeout: once in some thousand requests",
    diagnose="tcpdump at both ends: FIN and request cross; the server's log never heard of the request",
    cure="idle timeout of the client shorter than the server's; repeat idempotent requests",
    hides="repeating blindly; no keep-alive",
)


def test_http_reuse_race(lab: Lab) -> None:
    """Close while the FIN cannot arrive, ask again, answer whoever repeats it."""
    client, server = http(lab)
    conn = server.first(client)
    with lab.fault(FIN_LOST):
        server.close(conn)
        asking = client.start(method="POST" if lab.variant == "post" else "GET")
        if again := server.request(asking):
            again.answer("two")
        asking.result()
