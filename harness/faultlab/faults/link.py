"""A link that goes down: the interface is switched off, as when a cable is pulled or a tunnel ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faultlab.errors import FaultNotObserved
from faultlab.testbed import Testbed


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDown:
    """A host's interface is down; its routes are gone, and so are its IPv6 addresses."""

    at: str = "client"

    @contextmanager
    def applied(self, bed: Testbed) -> Iterator[Mapping[str, Any]]:
        """Switch it off; the kernel must then know no way to the other host. Switched on again, IPv6 addresses stay away."""
        host = bed.host(self.at)
        target = bed.host("server" if self.at == "client" else "client").address(bed.family)
        host.link(state="down")
        try:
            if not host.lookup(target)["errno"]:
                raise FaultNotObserved(self, "the kernel still knows a way")
            yield {"lookup": "no route"}
        finally:
            host.link(state="up")
