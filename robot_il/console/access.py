"""Who may speak to the console: checked before anything else sees a request, for pages and websockets alike.

Two kinds of stranger are kept out. Somebody else on the network, where the console is bound beyond this machine: by a
token that only the person who started it has seen. And a web page of another origin in the browser of somebody who may
speak to it: by the names under which the console knows itself (against DNS that is made to point here) and by the
origin that a browser puts on what a page sends (Fetch standard; RFC 6455, section 10.2, for websockets).
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_BYTES = 32
COOKIE_DAYS = 7
_LOCAL_NAMES = frozenset({"localhost"})


@dataclass(frozen=True)
class Access:
    """The rules.

    Attributes:
        host: address the console is bound to.
        port: likewise.
        token: needed of everybody; empty where the console is bound to this machine alone.
        names: under which it may be spoken to besides addresses; see ``access_for``.
    """

    host: str
    port: int
    token: str = ""
    names: frozenset[str] = field(default=_LOCAL_NAMES)

    @property
    def cookie(self) -> str:
        """Name of the cookie that carries the token; cookies know no ports, so it has the port's number."""
        return f"robot_il_{self.port}"

    @property
    def url(self) -> str:
        """What a person opens, token included."""
        host, address = "localhost" if is_local(self.host) else self.host, _address(self.host)
        if address is not None and address.is_unspecified:
            host = socket.gethostname()
        query = f"?token={self.token}" if self.token else ""
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/{query}"


def access_for(host: str, port: int) -> Access:
    """Rules for a console that is bound to an address.

    Args:
        host: address or name to bind to.
        port: likewise.

    Returns:
        Without a token where only this machine can reach it; with a new random one elsewhere. Beyond addresses it
        answers to ``localhost``, and where it is bound elsewhere to this machine's own name.
    """
    if is_local(host):
        return Access(host, port)
    own = socket.gethostname().lower()
    return Access(host, port, secrets.token_urlsafe(TOKEN_BYTES), _LOCAL_NAMES | {own, f"{own}.local", host.lower()})


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_local(host: str) -> bool:
    """Whether an address reaches this machine alone."""
    address = _address(host)
    return host.lower() in _LOCAL_NAMES if address is None else address.is_loopback


def refusal(access: Access, scope: Scope) -> tuple[int, str] | None:
    """Why a request or a websocket is refused.

    Args:
        access: the rules.
        scope: ASGI scope of type ``http`` or ``websocket``.

    Returns:
        Status and one line for the person; None where it may go on.
    """
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if not _known_host(access, host):
        return 421, f"expected the console's own name or address in Host; came {host[:80]!r}; open {_plain_url(access)}"
    if not _same_origin(scope, headers, host):
        return 403, "expected a request of the console's own page; came one of another origin; open the console itself"
    if access.token and not _has_token(access, scope, headers):
        return 401, "expected the console's token; came none or another; open the address that it printed at its start"
    return None


def _plain_url(access: Access) -> str:
    return access.url.partition("?")[0]


def _known_host(access: Access, host: str) -> bool:
    """Whether Host names this console: an address cannot be made to point elsewhere by DNS, a foreign name can."""
    try:
        parts = urlsplit(f"//{host}")
        name, port = parts.hostname or "", parts.port or 80
    except ValueError:
        return False
    if port != access.port or "@" in host:
        return False
    address = _address(name)
    if address is None:
        return name in access.names
    return address.is_loopback or not is_local(access.host)


def _same_origin(scope: Scope, headers: Headers, host: str) -> bool:
    """Whether it comes of the console's own page, or of no page at all."""
    origin = headers.get("origin")
    if scope["type"] == "websocket":
        # every browser sends an Origin here, and nobody else has any business with it
        return origin is not None and _is_own(origin, host)
    if origin is not None and not _is_own(origin, host):
        return False
    site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "")
    # a link or a bookmark may lead here; a frame, an image or a script of another page may not
    follows_link = mode == "navigate" and headers.get("sec-fetch-dest") == "document" and scope["method"] == "GET"
    return site in ("none", "same-origin") or follows_link


def _is_own(origin: str, host: str) -> bool:
    return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def _query_token(scope: Scope) -> str:
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    return query.get("token", [""])[0]


def _cookie_token(access: Access, headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(access.cookie)
    except CookieError:
        return ""
    return "" if morsel is None else morsel.value


def _matches(access: Access, token: str) -> bool:
    return secrets.compare_digest(token.encode(), access.token.encode())


def _has_token(access: Access, scope: Scope, headers: Headers) -> bool:
    if _matches(access, _cookie_token(access, headers)):
        return True
    # Only a page may bring it in its address: that is answered by the cookie, and the address is then clean again.
    return scope["type"] == "http" and scope["method"] == "GET" and _matches(access, _query_token(scope))


class AccessMiddleware:
    """Refuses strangers, for every route and websocket of an application.

    Args:
        app: what lies behind it.
        access: the rules.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on, refuses, or takes the token out of the address."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refused = refusal(self._access, scope)
        if refused is not None:
            await _refuse(scope, receive, send, *refused)
        elif self._access.token and scope["type"] == "http" and _query_token(scope):
            await self._welcome(scope, send)
        else:
            await self._app(scope, receive, _framed(scope, send))

    async def _welcome(self, scope: Scope, send: Send) -> None:
        """Puts the token into a cookie and asks the browser for the same address without it."""
        rest = [pair for pair in parse_qsl(scope["query_string"].decode("latin-1")) if pair[0] != "token"]
        # A path of its own origin: a second slash at the start, of either kind, would name another host.
        target = "/" + quote(scope["path"].lstrip("/")) + (f"?{urlencode(rest)}" if rest else "")
        access = self._access
        cookie = f"{access.cookie}={access.token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={COOKIE_DAYS * 86400}"
        headers = [(b"location", target.encode("ascii")), (b"set-cookie", cookie.encode()), *_QUIET]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


_QUIET = ((b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer"))
_OWN_FRAME = ((b"x-frame-options", b"SAMEORIGIN"), (b"content-security-policy", b"frame-ancestors 'self'"))


def _framed(scope: Scope, send: Send) -> Send:
    """Forbids other pages to show the console inside themselves, where a click could be led astray."""
    if scope["type"] != "http":
        return send

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *_OWN_FRAME]
        await send(message)

    return sending


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, line: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        # closed before it was accepted, which the server answers with HTTP 403
        await send({"type": "websocket.close", "code": 1008, "reason": line[:120]})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_QUIET]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": (line + "\n").encode()})
