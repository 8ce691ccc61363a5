"""The body comes, but a byte at a time: each read is quick, the whole is too slow.

A timer for each read never runs out, for it starts anew with every byte; one for the whole exchange does. Both are called timeout. Which
one a library has decides whether a slow peer can hold a client as long as it likes.
"""

from faultlab.lab import Lab
from faultlab.scenario import Deviation, Expected, Scenario
from faultlab.web import http

WHOLE = "its timer is for the whole exchange, body included"

SCENARIO = Scenario(
    title="Too slow a body",
    spec="https://www.rfc-editor.org/rfc/rfc9112#section-9.5",
    kind="http",
    expected=[Expected("fetch", data="one"), Expected("fetch", data="abcd", within=(1.1, 3.0))],
    wire=["> S", "> PA", "< PA", "> PA", "< PA", "< PA", "< PA"],
    never=["< R*"],
    wire_in={r: ["> S", "> PA", "< PA", "> PA", "< PA", "< PA"] for r in ("go-http", "node-fetch", "curl")},
    deviations=[
        Deviation(runtime="go-http", step=2, sees="DEADLINE", within=(0.79, 2.0), words={"during": "body"}, note=WHOLE),
        Deviation(runtime="node-fetch", step=2, sees="DEADLINE", within=(0.79, 2.0), words={"during": "body"}, note=WHOLE),
        Deviation(runtime="curl", step=2, sees="DEADLINE", within=(0.79, 2.0), words={"during": "body"}, note=WHOLE),
    ],
    same_words={
        "http-body-timeout": "the wire: nothing comes any more",
    },
    production="an overloaded server; a peer that means harm; a slow link",
    diagnose="tcpdump: small segments at long intervals",
    cure="a timer for the whole besides the one for each read",
    hides="a longer timer for reads",
)


def test_http_slow_body(lab: Lab) -> None:
    """Answer once, then send a byte every 0.3 s to a client whose timer is 0.8 s."""
    client, server = http(lab)
    server.first(client)
    asking = client.start(deadline=0.8)
    conn = server.must(asking)
    conn.answer(length=4)
    for byte in "abcd":
        lab.pause(0.3)
        conn.offer(byte)
    asking.result()
