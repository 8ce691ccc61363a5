"""Limits that all hosts of a kernel share, and that no namespace has of its own: only where the kernel is the lab's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from faultlab.errors import FaultNotObserved
from faultlab.testbed import Testbed


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLimit:
    """A setting of the whole kernel is set so low that it is reached."""

    name: str
    value: int | str
    says: str
    """What the kernel writes into its log when the limit has been reached."""

    @contextmanager
    def applied(self, bed: Testbed) -> Iterator[Mapping[str, Any]]:
        """Set it; on exit the kernel's own log has to say that the limit was reached."""
        before = bed.kernel(self.name, self.value)
        evidence: dict[str, Any] = {"setting": f"{self.name} = {self.value}", "before": before["value"]}
        try:
            yield evidence
            lines = [line for line in bed.kernel(self.name)["log"].splitlines() if self.says in line]
            if not lines:
                raise FaultNotObserved(self, f"the kernel's log does not say {self.says!r}")
            evidence |= {"log": lines[0].partition(">")[2], "lines": len(lines)}
        finally:
            bed.kernel(self.name, before["value"])
