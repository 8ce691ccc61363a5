"""An answer without a length is ended by a RST.

What had come before stays readable, then the read is handed ECONNRESET: this time the client knows that the answer is not whole. Only the
wire's flag tells this from a proper end.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="Half an answer, and a reset",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-6.3",
    kind="http",
    expected=[Expected("fetch", "ECONNRESET", during="body")],
    wire=["> S", "> PA", "< PA", "< RA"],
    never=["< F*", "> R*"],
    deviations=[
        Deviation(
            runtime="node-fetch",
            step=1,
            sees="ok",
            words={"status": 200, "data": "abc"},
            note="undici takes a reset for the end of a body that has no length (onHttpSocketError), so half an answer looks whole",
        ),
    ],
    same_words={
        "http-no-answer-rst": "whether a status had come",
    },
    production="a server that is killed with something unread; SO_LINGER of zero; a middlebox",
    diagnose="tcpdump: RST instead of FIN after the last byte",
    cure="send Content-Length or chunks, close in the ordinary way",
    hides="taking what came for the whole",
)


def test_http_until_close_rst(lab: Lab) -> None:
    """Three bytes of who knows how many, then reset."""
    client, server = http(lab)
    asking = client.start()
    conn = server.must(asking)
    conn.answer_until_close("abc")
    client.settled()
    server.reset(conn)
    asking.result()
