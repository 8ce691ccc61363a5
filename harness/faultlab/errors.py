"""Errors of the lab itself; what a program under observation reports is never one of these.

LabError                   something is wrong with the lab, not with the program      -> error, exit 3
  Unavailable              this machine cannot do it; carries the remedy               -> skipped
    BackendUnavailable       no testbed of this kind here
    RuntimeUnavailable       no toolchain, or it cannot build the driver
  Unsupported              the runtime has no such operation                           -> skipped, shown as a gap
  FaultNotObserved         the fault was applied and left no trace                     -> error
  WireMismatch             the capture or a counter contradicts what the scenario says -> error
  WaitTimedOut             an awaited event did not come in time                       -> error
  PeerFailed               an operation of the peer, which has to succeed, failed      -> error
  ForbiddenTarget          an address outside the lab's own ranges                     -> error
  AgentError               the agent at a host broke the conversation                  -> error
    GuestHung                a kernel that runs as a process gave no answer in real time
    GuestDied                it panicked, switched itself off or was killed
  DriverError              a driver broke the protocol                                 -> error
    DriverNotReady           it never said it was ready
    DriverHung               it did not answer in time
    DriverCrashed            it ended, with its status and last words
    DriverBabbled            it said something that is not an answer
  ScenarioError            a scenario file breaks a rule of the catalogue              -> error
  RecordError              a record cannot be read as one                              -> exit 3
Disagreement               the program saw something else than the catalogue says      -> failed, exit 1
"""

from collections.abc import Sequence


class LabError(Exception):
    """Something is wrong with the lab or the machine, not with the program under observation."""


class Unavailable(LabError):
    """This machine cannot do it. `what` is missing because of `reason`; `remedy` is what to do."""

    def __init__(self, what: str, reason: str, remedy: str) -> None:
        super().__init__(f"{what} is not available here: {reason}. Remedy: {remedy}")
        self.what, self.reason, self.remedy = what, reason, remedy

    def __reduce__(self) -> tuple[type["Unavailable"], tuple[str, str, str]]:
        return type(self), (self.what, self.reason, self.remedy)


class BackendUnavailable(Unavailable):
    """No testbed of this kind can be built on this machine."""


class RuntimeUnavailable(Unavailable):
    """A runtime's toolchain is missing or cannot build its driver."""


class Unsupported(LabError):
    """The runtime has no such operation, or the testbed no such ability."""


class FaultNotObserved(LabError):
    """A fault was applied and left no trace, so nothing that was seen can be blamed on it."""

    def __init__(self, fault: object, why: str) -> None:
        super().__init__(f"{fault!r} did not act: {why}")


class WireMismatch(LabError):
    """The capture or a kernel counter contradicts what the scenario says happened."""


class WaitTimedOut(LabError):
    """An awaited event did not come in time; says what was awaited and what was last seen."""

    def __init__(self, awaited: str, seconds: float, last_seen: str) -> None:
        super().__init__(f"no {awaited} within {seconds:g} s; last seen: {last_seen}")


class PeerFailed(LabError):
    """An operation of the peer, which has to succeed for the story to mean anything, failed."""


class ForbiddenTarget(LabError):
    """An address outside the documentation ranges and loopback."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address} is not an address of the lab: only 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32, "
            "multicast, link-local and loopback addresses may appear in a scenario"
        )


class AgentError(LabError):
    """The agent at a host broke the conversation or refused a request."""


class GuestHung(AgentError):
    """A kernel that runs as a process gave no answer in real time, whatever its own clock says."""


class GuestDied(AgentError):
    """A kernel that runs as a process panicked, switched itself off or was killed; carries the last lines of its console."""


class DriverError(LabError):
    """A driver broke the protocol of `runtimes/README.md`."""


class DriverNotReady(DriverError):
    """A driver was started and never said it was ready."""


class DriverHung(DriverError):
    """A driver did not answer in time."""


class DriverCrashed(DriverError):
    """A driver ended although it was not told to."""


class DriverBabbled(DriverError):
    """A driver said something that is not an answer to what it was asked."""


class ScenarioError(LabError):
    """A scenario file breaks a rule of the catalogue."""


class RecordError(LabError):
    """A file cannot be read as a record."""


class Disagreement(Exception):
    """The program saw something else than the catalogue says; carries every difference at once."""

    def __init__(self, differences: Sequence[str], observed: str) -> None:
        super().__init__("\n".join([*differences, "", "observed:", observed]))
        self.differences = tuple(differences)
