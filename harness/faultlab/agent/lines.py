"""How requests come to the agent, and how answers leave it."""

from __future__ import annotations

import contextlib
import json
import os
import termios
from typing import Any


class Pipes:
    """Requests come on one descriptor, answers leave on another; time goes on for both ends."""

    def __init__(self, requests: int, answers: int) -> None:
        self.requests: int | None = requests
        self._answers = answers
        self._buffer = b""

    @property
    def waiting(self) -> bool:
        """Whether another request is here already."""
        return b"\n" in self._buffer

    def next(self) -> bytes | None:
        """The next request; None when there will be none."""
        assert self.requests is not None
        while b"\n" not in self._buffer:
            chunk = os.read(self.requests, 65536)
            if not chunk:
                return None
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def answer(self, answer: dict[str, Any]) -> None:
        """Answer it."""
        _write_all(self._answers, json.dumps(answer).encode() + b"\n")


class Frozen:
    """Requests are files of a folder outside, answers leave by a terminal line; while there is no request, time stands still.

    What is written to the second terminal line goes into a pipe outside that is full: the write is the kernel's own system call there, and
    blocks the kernel as a whole. The lab puts the next request into a file and then takes one byte out of the pipe. When nobody
    holds the pipe's other end any more, the lab is gone. Each request has a file of its own because a file read once is in this
    kernel's page cache.
    """

    requests: int | None = None
    waiting = False

    def __init__(self, folder: str) -> None:
        self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        self._answers, self._stop = _raw_terminal("/dev/tty1"), _raw_terminal("/dev/tty2")
        self._number = 0

    def started(self) -> None:
        """Wait, standing still, until the lab has seen that we are here: only then both pipes are as they have to be."""
        while True:
            with contextlib.suppress(FileNotFoundError):
                os.stat("0", dir_fd=self._folder)
                return

    def next(self) -> bytes | None:
        """The next request; None when there will be none."""
        self._number += 1
        try:
            os.write(self._stop, b"F")  # exactly one for each request
            file = os.open(str(self._number), os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
        except OSError:
            return None
        with open(file, "rb") as f:
            return f.read()

    def answer(self, answer: dict[str, Any]) -> None:
        """Answer it."""
        _write_all(self._answers, json.dumps(answer).encode() + b"\n")


def _write_all(fd: int, payload: bytes) -> None:
    while payload:
        payload = payload[os.write(fd, payload) :]


def _raw_terminal(path: str) -> int:
    """Open a terminal line that passes everything on as it is."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    modes = termios.tcgetattr(fd)
    modes[0] = modes[1] = modes[3] = 0
    modes[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
    termios.tcsetattr(fd, termios.TCSANOW, modes)
    return fd
