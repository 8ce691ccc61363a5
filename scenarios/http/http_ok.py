"""Two requests are answered, the second one on the connection of the first.

HTTP/1.1 keeps a connection unless somebody says otherwise (RFC 9112, section 9.3). Both bodies have the length that was announced, so
the client knows where each ends without the connection's end; that is what makes it fit to be used again.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="Two answers",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-9.3",
    kind="http",
    expected=[Expected("fetch", status=200, data="one"), Expected("fetch", status=200, data="two")],
    variants=["ipv6"],
    wire=["> S", "< SA", "> PA", "< PA", "> PA", "< PA"],
    never=["> R*", "< R*"],
    null_of="http",
)


def test_http_ok(lab: Lab) -> None:
    """Ask, answer, ask again, answer again."""
    client, server = http(lab)
    for body in ("one", "two"):
        asking = client.start()
        server.must(asking).answer(body)
        asking.result()
