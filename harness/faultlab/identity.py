"""Who made what: processes and folders of the lab carry the identity of the harness that made them.

A process is known by its number and its start time together (proc(5), field 22 of stat), so that a number used again is not mistaken.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

VARIABLE = "FAULTLAB_HARNESS"


def of(pid: int) -> str | None:
    """`number.start` of a process; None where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return f"{pid}.{stat.rpartition(')')[2].split()[19]}"


def own() -> str:
    """This process's identity, for what it makes."""
    return of(os.getpid()) or f"{os.getpid()}.0"


def alive(identity: str) -> bool:
    """Whether that very process still runs."""
    pid, _, _ = identity.partition(".")
    if not pid.isdigit():
        return False
    return of(int(pid)) == identity if Path("/proc/self/stat").exists() else _runs(int(pid))


def _runs(pid: int) -> bool:
    """Whether there is a process of that number, where nothing tells when it began. Windows has no harmless way to ask: so there is one."""
    if sys.platform != "win32":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
    return True


def orphans() -> Iterator[tuple[int, str]]:
    """This user's processes whose harness is gone: number and command line."""
    for folder in Path("/proc").iterdir() if sys.platform == "linux" else ():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if folder.stat().st_uid != os.getuid():
                continue
            environment = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        mark = next((v for v in environment if v.startswith(VARIABLE.encode() + b"=")), None)
        if mark is not None and not alive(mark.partition(b"=")[2].decode()):
            yield int(folder.name), command


def end_orphans() -> list[str]:
    """Kill them; returns what they were."""
    ended = []
    for pid, command in orphans():
        with suppress(OSError):
            handle = os.pidfd_open(pid)
            try:
                if any(p == pid for p, _ in orphans()):  # still the same one, now that the descriptor holds it
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    ended.append(f"process {pid}: {command}")
            finally:
                os.close(handle)
    return ended


def temporary_folder(parent: str | None = None) -> Path:
    """A new folder for this session's own things, named for who made it."""
    return Path(tempfile.mkdtemp(prefix=f"faultlab-{own()}-", dir=parent))


def remove_folders() -> list[str]:
    """Remove those of this user whose maker is gone; returns which."""
    removed = []
    for parent in {tempfile.gettempdir(), "/tmp"}:
        for path in Path(parent).glob("faultlab-*.*-*"):
            if path.lstat().st_uid == getattr(os, "getuid", int)() and not alive(path.name.split("-")[1]):
                shutil.rmtree(path, ignore_errors=True)
                removed.append(f"folder {path}")
    return removed


def half_built(folder: Path) -> Iterator[Path]:
    """Folders of builds that nobody is building any more: `.name.number.start`."""
    for path in folder.glob(".*.*.*"):
        identity = ".".join(path.name.rsplit(".", 2)[1:])
        if not alive(identity):
            yield path


def remove_half_built(folder: Path) -> list[str]:
    """Remove them; returns which."""
    removed = []
    for path in half_built(folder):
        shutil.rmtree(path, ignore_errors=True)
        removed.append(f"half-built {path.name}")
    return removed
