"""One GET of one feed, against servers that may be dead, slow or hostile.

The rules are those that references/domain.md section 4 measured. Every wait ends at one deadline: name look-up,
connecting, handshake, headers and body together, however slowly they drip. The name is resolved once, its addresses
are checked, and the connection goes to a checked address (so that no second answer of the name server counts), while
SNI and certificate are for the name. Nothing is taken from the environment: no proxy, no cookie, no .netrc.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final, Self, cast

from newsletter.collect.feedlinks import WebAddress
from newsletter.errors import SourceError, UnknownHostError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from _typeshed import WriteableBuffer

Place = tuple[socket.AddressFamily, tuple[str | int, ...]]
"""An address to connect to: its family and what ``socket.connect`` takes."""

MAX_ADDRESSES: Final = 4
MAX_HEADER_BYTES: Final = 100_000
MAX_HEADER_VALUE: Final = 2_000
NO_SUCH_NAME: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
GZIP_MAGIC: Final = b"\x1f\x8b"
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
FIRST_UNPRIVILEGED_PORT: Final = 1024
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
PERMANENT: Final = frozenset({301, 308})
ACCEPT: Final = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.1"

# Global unicast (RFC 4291 2.4, IANA). What translates or tunnels to IPv4 is judged by the address inside, or refused.
GLOBAL_IPV6: Final = ip_network("2000::/3")
NAT64: Final = ip_network("64:ff9b::/96")  # RFC 6052
# Not for the public, whatever this Python's tables say about them.
NEVER: Final = tuple(
    ip_network(block)
    for block in (
        "192.0.0.0/24",  # IETF protocol assignments; a cloud's metadata service lives there
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "168.63.129.16/32",  # a cloud's host agent, on a public address
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2002::/16",  # 6to4, RFC 7526
        "3fff::/20",  # documentation, RFC 9637
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLimits:
    """How far we go for one feed; ``private_hosts`` are the only names that may lead to non-public addresses."""

    connect_seconds: float = 10
    total_seconds: float = 30
    max_bytes: int = 5_000_000
    max_redirects: int = 3
    parse_seconds: float = 10
    parse_memory_mb: int = 512
    max_entries: int = 200
    allow_http: bool = False
    allow_private: bool = False
    private_hosts: frozenset[str] = frozenset()
    ca_file: str | None = None
    agent: str = "newsletter/0.1 (+contact)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server said. ``body`` is decoded, and empty unless the status is 200.

    ``url`` is where the answer came from; ``moved_to`` is where permanent redirects alone led (RFC 9110 15.4).
    """

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes = b""
    moved_to: str | None = None


def fetch(url: str, limits: FeedLimits, *, etag: str | None = None, last_modified: str | None = None) -> Reply:
    """GET ``url``, conditionally when validators are given, following a few checked redirects.

    Raises SourceError, in words for an editor, whatever the world does.
    """
    headers = {"If-None-Match": etag} if etag else {}
    headers |= {"If-Modified-Since": last_modified} if last_modified else {}
    return _followed("GET", url, {"Accept": ACCEPT} | headers, limits)


def probe(url: str, limits: FeedLimits, *, method: str = "HEAD") -> Reply:
    """Ask whether ``url`` is there, as ``fetch`` does, for any kind of page and without reading it."""
    return _followed(method, url, {"Accept": "*/*"}, limits, reads=False)


def _followed(method: str, url: str, asked: Mapping[str, str], limits: FeedLimits, *, reads: bool = True) -> Reply:
    deadline = Deadline.after(limits.total_seconds)
    headers = {**asked, "Accept-Encoding": "gzip, deflate", "Connection": "close", "User-Agent": limits.agent}
    context = _tls(limits.ca_file)
    address, moved_to, settled = _checked(url, "", limits), None, True
    for _ in range(limits.max_redirects + 1):
        with _in_words(address.host, limits), _connect(address, limits, deadline, context) as sock:
            reply = _answer(sock, address, headers, limits, deadline, method=method, reads=reads)
        if reply.status not in REDIRECTS:
            return replace(reply, moved_to=moved_to)
        address = _checked(_utf8(reply.headers.get("location", "")), address.url, limits)
        settled = settled and reply.status in PERMANENT
        moved_to = address.url if settled else moved_to
    raise SourceError(f"redirects more than {limits.max_redirects} times")


def _checked(href: str, base: str, limits: FeedLimits) -> WebAddress:
    """The address to go to, if we go there; ``base`` is where we come from."""
    address = WebAddress.read(href, base) if href else None
    if address is None:
        what = "redirects to no usable address" if base else "the address is not usable"
        raise SourceError(f"{what}: https and no name or password in it, please")
    if address.scheme == "http" and base.startswith("https:"):
        raise SourceError(f"redirects from https to http (at {address.host}); that is never followed")
    if address.scheme == "http" and not limits.allow_http:
        raise SourceError("the address is http; use https, or set feeds.allow_http if the source has none")
    if address.port < FIRST_UNPRIVILEGED_PORT and address.port not in (80, 443):
        raise SourceError(f"port {address.port} belongs to another service than the web")
    return address


def _answer(
    sock: socket.socket,
    address: WebAddress,
    headers: Mapping[str, str],
    limits: FeedLimits,
    deadline: Deadline,
    *,
    method: str,
    reads: bool,
) -> Reply:
    wire = _Wire(sock, deadline, limits.max_bytes + MAX_HEADER_BYTES)
    wire.send(_request(method, address, headers))
    with HTTPResponse(cast("socket.socket", wire), method=method) as response:  # it only calls makefile()
        response.begin()
        found = {name.lower(): value for name, value in response.getheaders() if _decent(value)}
        body = _body(response, limits) if reads and response.status == HTTPStatus.OK else b""
        return Reply(status=response.status, url=address.url, headers=found, body=body)


def _decent(value: str) -> bool:
    """Whether a header may be kept, and sent back verbatim: of one line, and not used as a cupboard."""
    return len(value) <= MAX_HEADER_VALUE and not CONTROL.search(value)


def _request(method: str, address: WebAddress, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {address.target} HTTP/1.1", f"Host: {address.authority}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any(CONTROL.search(line) for line in lines):
        raise ValueError("a control character in a request header")  # the caller's fault, never the server's
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@contextmanager
def _in_words(host: str, limits: FeedLimits) -> Iterator[None]:
    """What the network throws, in words for an editor. Texts of the server stay out of them."""
    try:
        yield
    except TimeoutError as error:
        raise SourceError(f"timed out: no whole answer within {limits.total_seconds:g} s") from error
    except ssl.SSLCertVerificationError as error:
        raise SourceError(f"the certificate of {host} is refused: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise SourceError(f"no secure connection to {host}: {error.reason or 'handshake failed'}") from error
    except HTTPException as error:
        raise SourceError(f"{host} does not speak proper HTTP ({type(error).__name__})") from error
    except OSError as error:
        raise SourceError(f"cannot reach {host}: {error.strerror or type(error).__name__}") from error


# --- time and bytes -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock that no wait may pass."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """So many seconds from now."""
        return cls(time.monotonic() + seconds)

    def sooner(self, seconds: float) -> Deadline:
        """This one, or so many seconds from now if that is sooner."""
        return min(self, Deadline.after(seconds), key=lambda deadline: deadline.at)

    def left(self) -> float:
        """Seconds until then; TimeoutError when there are none."""
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class _Wire(io.RawIOBase):
    """A socket as http.client reads it, with a deadline for all reads together and a budget of bytes."""

    def __init__(self, sock: socket.socket, deadline: Deadline, budget: int) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline
        self._budget = budget

    def send(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(self._deadline.left())
        count = self._sock.recv_into(buffer)
        self._budget -= count
        if self._budget < 0:
            raise SourceError("sends more than a feed may be long")
        return count


def _body(response: HTTPResponse, limits: FeedLimits) -> bytes:
    """The decoded body. A body that ends before its announced length is no body (RFC 9112 section 8)."""
    raw = response.read(limits.max_bytes + 1)
    body = raw
    if len(raw) <= limits.max_bytes:
        if response.length:
            raise SourceError("the answer is cut off")
        body = decompress(raw, response.headers.get("content-encoding", ""), limits.max_bytes)
    if len(body) > limits.max_bytes:
        raise SourceError(f"is bigger than {limits.max_bytes:,} bytes")
    return body


def decompress(raw: bytes, coding: str, max_bytes: int) -> bytes:
    """Undo a content coding (RFC 9110 8.4.1), writing at most one byte more than ``max_bytes``: bombs stay small."""
    match coding.strip().lower():
        case "" | "identity":
            return raw
        case "gzip" | "x-gzip":
            window = zlib.MAX_WBITS | 16
        case "deflate":
            # Some servers leave out the zlib wrapper that the RFC asks for; its first byte says 8 for deflate.
            window = zlib.MAX_WBITS if raw[:1] and raw[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
        case _:
            raise SourceError("answers in a content coding that we did not ask for")
    try:
        return _inflated(raw, window, max_bytes)
    except zlib.error as error:
        raise SourceError("the compressed answer is damaged") from error


def _inflated(raw: bytes, window: int, max_bytes: int) -> bytes:
    body, rest = bytearray(), raw
    while rest and len(body) <= max_bytes:
        inflater = zlib.decompressobj(window)
        body += inflater.decompress(rest, max_bytes + 1 - len(body))
        if not inflater.eof and len(body) <= max_bytes:
            raise SourceError("the compressed answer is cut off")
        # More gzip members may follow (RFC 1952 2.2); anything else after the end is ignored, as browsers do.
        rest = inflater.unused_data if inflater.unused_data.startswith(GZIP_MAGIC) else b""
    return bytes(body)


# --- where to connect -----------------------------------------------------------------


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also when it is wrapped for transition to IPv6."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in NAT64 else None)
        if inner is not None:
            return is_public(str(inner))
        if ip not in GLOBAL_IPV6:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in block for block in NEVER)


def _tls(ca_file: str | None) -> ssl.SSLContext:
    """Certificates are checked against the system's authorities, and the site's own if it has any."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def _connect(address: WebAddress, limits: FeedLimits, deadline: Deadline, context: ssl.SSLContext) -> socket.socket:
    """A socket to a checked address of the host, encrypted and authenticated for its name if it is https."""
    connecting = deadline.sooner(limits.connect_seconds)
    try:
        sock = _first_that_answers(_places(address, limits, connecting), connecting)
        return _encrypted(sock, address.host, connecting, context) if address.scheme == "https" else sock
    except TimeoutError as error:
        raise SourceError(f"timed out: no connection within {limits.connect_seconds:g} s") from error


def _encrypted(sock: socket.socket, host: str, deadline: Deadline, context: ssl.SSLContext) -> socket.socket:
    try:
        sock.settimeout(deadline.left())
        return context.wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def _places(address: WebAddress, limits: FeedLimits, deadline: Deadline) -> list[Place]:
    """Where the host is, as far as we may go there."""
    found = _resolve(address.host, address.port, deadline)
    if limits.allow_private or address.host in limits.private_hosts:
        return found[:MAX_ADDRESSES]
    public = [place for place in found if is_public(str(place[1][0]))]
    if not public:
        raise SourceError(f"{address.host} leads to {found[0][1][0]}, which is no public address")
    return public[:MAX_ADDRESSES]


def _resolve(host: str, port: int, deadline: Deadline) -> list[Place]:
    """The host's addresses. getaddrinfo knows no time-out, so it waits in a thread that we need not wait for."""
    answer: SimpleQueue[list[Place] | Exception] = SimpleQueue()

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.put([(family, cast("tuple[str | int, ...]", place)) for family, _, _, _, place in rows])
        except (OSError, UnicodeError) as error:
            answer.put(error)

    Thread(target=look_up, name="feed-name-look-up", daemon=True).start()
    try:
        found = answer.get(timeout=deadline.left())
    except Empty as error:
        raise TimeoutError from error
    if isinstance(found, socket.gaierror) and found.errno in NO_SUCH_NAME:
        raise UnknownHostError(f"the name {host} could not be looked up")
    if isinstance(found, Exception) or not found:
        raise SourceError(f"the name {host} could not be looked up")
    return found


def _first_that_answers(places: list[Place], deadline: Deadline) -> socket.socket:
    """Try one address after the other, each with its share of the time that is left."""
    for position, (family, place) in enumerate(places):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(deadline.left() / (len(places) - position))
            sock.connect(place)
        except OSError:
            sock.close()
            if position == len(places) - 1:
                raise
        else:
            return sock
    raise AssertionError("there is always an address to try")  # pragma: no cover


def _utf8(header: str) -> str:
    """A header as the server meant it: http.client reads bytes as Latin-1, servers write UTF-8."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header
