"""Who listens where: the addresses that a process and all that descend from it accept connections on, from /proc."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sys
from pathlib import Path

from tests.contracts.ray_cluster import family

_LISTENS = "0A"


def listening(first: int) -> set[str]:
    """The local addresses of the family's listening TCP sockets, IPv4 and IPv6."""
    mine = {inode for process in family(first) for inode in _sockets(process)}
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():  # a kernel without IPv6
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENS and fields[9] in mine:
                found.add(_address(fields[1].partition(":")[0]))
    return found


def is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _sockets(process: int) -> set[str]:
    inodes = set()
    for link in Path(f"/proc/{process}/fd").glob("*"):
        with contextlib.suppress(OSError):  # closed meanwhile
            target = os.readlink(link)
            if target.startswith("socket:["):
                inodes.add(target[len("socket:[") : -1])
    return inodes


def _address(text: str) -> str:
    """The kernel writes an address in words of 32 bits, each in the byte order of the machine."""
    words = [bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8)]
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
