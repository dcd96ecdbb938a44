"""Which addresses of repositories may be fetched from, and to which machines they lead.

A host is resolved once, each of its addresses is checked, and git is held to exactly these: what
the name means a moment later does not matter.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote, unquote, urlsplit

from accounts.errors import AgnesError

HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
UNUSABLE: Final = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")
DEFAULT_PORTS: Final = {"https": 443, "http": 80}
NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(AgnesError):
    """An address that is not fetched from, whatever is there."""

    code: ClassVar[str] = "address_refused"
    status: ClassVar[int] = 422


class HostUnknown(AgnesError):
    """A host without an address."""

    code: ClassVar[str] = "host_unknown"
    status: ClassVar[int] = 422


@dataclass(frozen=True)
class Rules:
    """What the operator allows beyond https to public addresses.

    `private_hosts` may lie in a private network, `http_hosts` may be talked to without encryption,
    `files` lets repositories of this machine be read.
    """

    private_hosts: frozenset[str] = field(default_factory=frozenset)
    http_hosts: frozenset[str] = field(default_factory=frozenset)
    files: bool = False

    def without_files(self) -> "Rules":
        """For an address that a catalogue gives, which no admin has seen."""
        return Rules(self.private_hosts, self.http_hosts)


@dataclass(frozen=True)
class Address:
    """A repository's address, taken apart. `host` is empty for a folder of this machine."""

    url: str
    scheme: str
    host: str = ""
    port: int = 0

    @property
    def origin(self) -> str:
        """Scheme, host and port: tokens never leave it."""
        return f"{self.scheme}://{_bracketed(self.host)}:{self.port}"


def read_address(url: str, rules: Rules) -> Address:
    """The address, written anew from its parts. Raises AddressRefused; resolves nothing."""
    text = url.strip()
    if not text or len(text) > 500 or UNUSABLE.search(text):
        raise AddressRefused(
            "The address is empty, too long, or holds blanks, control or non-ASCII characters.",
            fix="Write it as https://host/path.git, a host with other letters in its xn-- form.",
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise AddressRefused(
            "The address cannot be read.", fix="Write it as https://host/path.git."
        ) from None
    scheme = parts.scheme.lower()
    if scheme == "file":
        return _file_address(parts.netloc, parts.path, rules)
    if scheme not in DEFAULT_PORTS:
        raise AddressRefused(
            f"Addresses of the form {scheme or 'path'}: are not fetched from.",
            fix="Register the repository's https:// address.",
        )
    return _web_address(scheme, parts.netloc, parts.hostname or "", port, text, rules)


def _file_address(netloc: str, path: str, rules: Rules) -> Address:
    if not rules.files:
        raise AddressRefused(
            "Repositories of this machine (file://) are not read.",
            fix="Register an https:// address, or set AGNES_MARKETPLACE_ALLOW_FILE=true.",
        )
    folder = Path(unquote(path))
    if netloc not in {"", "localhost"} or not folder.is_absolute() or ".." in folder.parts:
        raise AddressRefused(
            "This file:// address names no folder of this machine.",
            fix="Write file:///folder/of/the/repository.",
        )
    return Address(f"file://{quote(str(folder))}", "file")


def _web_address(
    scheme: str, netloc: str, hostname: str, port: int | None, text: str, rules: Rules
) -> Address:
    host = hostname.lower().rstrip(".")
    if "@" in netloc:
        raise AddressRefused(
            "The address holds a user name or password.",
            fix="Leave it out and give the token in its own field.",
        )
    if not HOST.fullmatch(host) and _ip(host) is None:
        raise AddressRefused(
            "The address names no usable host.", fix="Write it as https://host/path.git."
        )
    if scheme == "http" and host not in rules.http_hosts:
        raise AddressRefused(
            f"{host} would be talked to without encryption.",
            fix="Register its https:// address, or name the host in AGNES_MARKETPLACE_HTTP_HOSTS.",
        )
    parts = urlsplit(text)
    if parts.query or parts.fragment:
        raise AddressRefused(
            "The address has a query or a fragment.", fix="Leave out what follows ? or #."
        )
    number = port or DEFAULT_PORTS[scheme]
    shown = "" if number == DEFAULT_PORTS[scheme] else f":{number}"
    path = quote(unquote(parts.path), safe="/~!$&'()*+,;=:@-._") or "/"
    return Address(f"{scheme}://{_bracketed(host)}{shown}{path}", scheme, host, number)


def resolve(address: Address, rules: Rules) -> tuple[str, ...]:
    """The IP addresses of a web address, all of them allowed. Raises HostUnknown, AddressRefused.

    A host with one private address among public ones is refused: the next answer may be that one.
    """
    try:
        answers = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise HostUnknown(
            f"The host {address.host} has no address.",
            fix="Check the spelling, and that this server can resolve it.",
        ) from None
    found = sorted({str(answer[4][0]).partition("%")[0] for answer in answers})
    refused = [ip for ip in found if not is_public(ip)]
    if refused and address.host not in rules.private_hosts:
        raise AddressRefused(
            f"The host {address.host} lies in a private network.",
            fix="If that is meant, name the host in AGNES_MARKETPLACE_PRIVATE_HOSTS.",
        )
    return tuple(found)


def is_public(text: str) -> bool:
    """Whether an IP address is one of the internet's, also where it wraps an IPv4 address."""
    ip = _ip(text)
    if ip is None:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
        if ip.ipv4_mapped:
            return True
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _ip(host: str) -> Ip | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
