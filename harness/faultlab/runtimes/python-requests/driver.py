"""The requests driver: fetches what it is told to with a requests.Session, as most Python programs do."""

from __future__ import annotations

import requests
from conversation import answered, body_of, converse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conversation import Fields, Stopwatch

sessions: dict[str, requests.Session] = {}


def fetch(request: Fields, clock: Stopwatch) -> Fields:
    """Session.request(), which reads the body, too. One number as timeout is for connecting and for each read."""
    session = sessions.setdefault(request["sock"], requests.Session())
    limit = request.get("deadline")
    if "connect_deadline" in request:
        limit = (request["connect_deadline"], limit)
    with clock:
        response = session.request(request["method"], request["url"], data=body_of(request), timeout=limit)
    return answered(response.status_code, response.content)


if __name__ == "__main__":
    converse("python-requests", requests.__version__, fetch)
