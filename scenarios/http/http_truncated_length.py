"""The answer announces a hundred bytes, and the connection is closed after three.

To TCP that is a proper end. Only who compares with Content-Length knows that something is missing (RFC 9112, section 8: such a message is
incomplete), and a library that does not compare hands out half an answer as if it were whole.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="Body shorter than announced",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-8",
    kind="http",
    expected=[Expected("fetch", "TRUNCATED")],
    wire=["> S", "> PA", "< PA", "< FA"],
    never=["< R*", "> R*"],
    same_words={
        "http-truncated-chunked": "the head: Content-Length or Transfer-Encoding",
        "http-body-timeout": "the wire: whose FIN is the first; after a timeout it is the client's",
    },
    production="a proxy with a limit of time or size; a worker that was killed; a wrong Content-Length",
    diagnose="curl -v: the number of bytes that are outstanding",
    cure="treat it as an error; ask for the rest with Range where that is offered",
    hides="reading until the end and counting nothing",
)


def test_http_truncated_length(lab: Lab) -> None:
    """Three bytes of a hundred, then close."""
    client, server = http(lab)
    asking = client.start()
    conn = server.must(asking)
    conn.answer("abc", length=100)
    server.close(conn)
    asking.result()
