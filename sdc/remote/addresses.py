"""Connections to public addresses: who names a URL must not reach into the network of the reader.

The address is checked that is connected to, so a name that leads elsewhere the second time is no way in.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from ..errors import SdcError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet, also the one that it leads on to."""
    address: _Address = ipaddress.ip_address(text.partition("%")[0])
    inner = _inner(address)
    if inner is not None and not is_public(str(inner)):
        return False
    return inner is not None or (address.is_global and not address.is_multicast)


def _inner(address: _Address) -> ipaddress.IPv4Address | None:
    """The address of IPv4 that one of IPv6 stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


def connect(host: str, port: int, timeout: float, private: bool, where: str) -> socket.socket:
    """A connection to a host.

    Args:
        timeout: seconds to wait for it.
        private: whether addresses of private networks, and of this machine, will do.
        where: what is read there, for messages.

    Raises:
        SdcError: ``E_IO``.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SdcError("E_IO", f"no host of this name is known: {_words(error)}", where) from None
    allowed = [row for row in found if private or is_public(str(row[4][0]))]
    if not allowed:
        addresses = ", ".join(dict.fromkeys(str(row[4][0]) for row in found))
        which = "" if addresses == host else f" ({addresses})"  # else the place says it
        allow = "to allow it: --allow private; in Python access=sdc.Access(private=True)"
        raise SdcError("E_IO", f"the host is of a private network{which}; {allow}", where)
    for family, kind, protocol, _, address in allowed:
        try:
            return _connected(family, kind, protocol, address, timeout)
        except OSError as error:
            failed = error
    raise SdcError("E_IO", f"could not connect: {_words(failed)}", where) from None


def _connected(family: int, kind: int, protocol: int, address: Any, timeout: float) -> socket.socket:
    found = socket.socket(family, kind, protocol)
    try:
        found.settimeout(timeout)
        found.connect(address)
    except BaseException:
        found.close()
        raise
    return found


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
