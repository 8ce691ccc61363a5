"""The server closes an idle connection, and the client has noticed before it asks again.

The FIN lies in the socket (CLOSE_WAIT) long before the next request. Every library looks: either something reads idle connections all
the time, or the socket is asked before it is used. So the request goes out on a new connection, and nobody sees an error.
"""

from faultlab.lab import Lab
from faultlab.scenario import Expected, Scenario
from faultlab.web import http

SCENARIO = Scenario(
    title="Idle connection closed in good time",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-9.3",
    kind="http",
    expected=[Expected("fetch", data="one"), Expected("fetch", data="two")],
    wire=["> S", "< PA", "< FA", "> S", "< PA"],
    never=["< R*"],
    counters={"server TcpPassiveOpens": 2},
    production="every server has an idle timeout: 5 s, 60 s, 75 s",
    diagnose="tcpdump: FIN, then a second SYN before the next request",
    cure="nothing to cure: this is how it should be",
    hides="nothing",
)


def test_http_idle_fin(lab: Lab) -> None:
    """Answer, close, let the client notice, answer again."""
    client, server = http(lab)
    conn = server.first(client)
    server.close(conn)
    conn.far_end.until_fin()
    client.settled()
    asking = client.start()
    server.must(asking).answer("two")
    asking.result()
