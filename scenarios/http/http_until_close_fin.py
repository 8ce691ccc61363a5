"""An answer without a length ends with a FIN in the middle, and nobody can tell.

Without Content-Length and without chunks the body is whatever comes until the connection is closed (RFC 9112, section 6.3, rule 8). A
process that dies closes just like one that is finished: half an answer looks whole, in every library.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="Half an answer that looks whole",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-6.3",
    kind="http",
    expected=[Expected("fetch", "ok", status=200, data="abc")],
    wire=["> S", "> PA", "< PA", "< FA"],
    never=["< R*", "> R*"],
    production="CGI programs, HTTP/1.0 servers and backends, bytes lost without an error",
    diagnose="compare with what the server meant to send: nothing on the client's side shows it",
    cure="send Content-Length or chunks",
    hides="nothing: there is nothing to see",
)


def test_http_until_close_fin(lab: Lab) -> None:
    """Three bytes of who knows how many, then close."""
    client, server = http(lab)
    asking = client.start()
    conn = server.must(asking)
    conn.answer_until_close("abc")
    server.close(conn)
    asking.result()
