"""The connection is closed in the middle of the answer's head.

Status line and half a field have come, then a FIN. The head ends with an empty line, so this one is incomplete (RFC 9112, section 8);
what a library makes of it depends on whether its parser insists on that line.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario
from faultlab.web import http

WHOLE = {"status": 200, "data": ""}
PYTHON = "the parser of the email package reads the head to the empty line or to the end, whichever comes first"

SCENARIO = Scenario(
    title="FIN in the answer's head",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-8",
    kind="http",
    expected=[Expected("fetch", "EOF_IN_HEAD")],
    wire=["> S", "> PA", "< PA", "< FA"],
    never=["< R*", "> R*"],
    deviations=[
        Deviation(runtime="python-urllib", step=1, sees="ok", words=WHOLE, note=PYTHON),
        Deviation(runtime="python-requests", step=1, sees="ok", words=WHOLE, note=PYTHON),
        Deviation(runtime="curl", step=1, sees="ok", words=WHOLE, note="libcurl 7 takes the end of the connection for the end of the head"),
    ],
    same_words={
        "http-no-answer-fin": "the wire: nothing came before the FIN",
    },
    production="a server that is killed in the moment it answers; a proxy with a limit on the size of heads",
    diagnose="tcpdump -A: no empty line before the FIN",
    cure="treat it as if nothing had come",
    hides="a parser that makes do with half a head",
)


def test_http_head_cut(lab: Lab) -> None:
    """Half a head, then close."""
    client, server = http(lab)
    asking = client.start()
    conn = server.must(asking)
    conn.send("HTTP/1.1 200 OK\r\nContent-Le")
    server.close(conn)
    asking.result()
