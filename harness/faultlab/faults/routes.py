"""Routes that lead nowhere, each in its own way (ip-route(8); fib_props in net/ipv4/fib_semantics.c)."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faultlab.errors import FaultNotObserved
from faultlab.testbed import Testbed

SAYS = {"blackhole": errno.EINVAL, "unreachable": errno.EHOSTUNREACH, "prohibit": errno.EACCES, "throw": errno.ENETUNREACH}
"""What the kernel's route lookup says of each kind, from fib_props."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRoute:
    """The client's route to the server is `blackhole`, `unreachable`, `prohibit`, or `none` at all (its network is not connected)."""

    kind: str
    at: str = "client"

    @contextmanager
    def applied(self, bed: Testbed) -> Iterator[Mapping[str, Any]]:
        """Put the route in place; the kernel's own lookup has to say so while the block lasts."""
        host = bed.host(self.at)
        target = bed.host("server" if self.at == "client" else "client").address(bed.family)
        evidence: dict[str, Any] = {"kind": self.kind}
        if self.kind == "none":
            wanted, undo = errno.ENETUNREACH, ("add",)
            network = "198.51.100.0/24" if bed.family == 4 else "2001:db8::/64"
            host.route("del", network, scope="nowhere")
        else:
            wanted, undo = SAYS[self.kind], ("del",)
            network = f"{target}/{32 if bed.family == 4 else 128}"
            host.route("add", network, kind=self.kind)
        try:
            evidence["lookup"] = errno.errorcode.get(host.lookup(target)["errno"], "a route")
            if evidence["lookup"] != errno.errorcode[wanted]:
                raise FaultNotObserved(self, f"the kernel's route lookup says {evidence['lookup']}")
            yield evidence
        finally:
            host.route(undo[0], network, **({"kind": self.kind} if undo[0] == "del" else {"dev": "eth0"}))
