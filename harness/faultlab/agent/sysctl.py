"""Kernel settings of the namespace the caller is in (sysctl(8))."""

from __future__ import annotations

import os

OWN_SETTINGS = "/faultlab/"
"""Where a container may write the settings of its own network, if it may: `/proc/sys` is read-only there."""


def _sysctl_path(name: str) -> str:
    """`net.ipv6.conf.eth0.accept_dad` -> its file; a dot inside an interface's name is not supported."""
    return (OWN_SETTINGS if name.startswith("net.") and os.path.isdir(OWN_SETTINGS + "net") else "/proc/sys/") + name.replace(".", "/")


def read(name: str) -> str:
    """What it is."""
    with open(_sysctl_path(name), encoding="ascii") as f:
        return f.read().strip()


def write(name: str, value: str | int) -> None:
    """Set it. Raises OSError, FileNotFoundError where this kernel has none of that name."""
    fd = os.open(_sysctl_path(name), os.O_WRONLY)
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)
