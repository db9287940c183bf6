"""The door of the dashboard: who may ask, from where, and what a browser may do with an answer.

A WSGI wrapper around everything that is served, so that no route can forget it. In this order:

1. the request names a host that was allowed, else 421 (a rebound DNS name is not one of ours);
2. its body is small, else 413; what is no GET or HEAD comes from our own pages (Origin, Sec-Fetch-Site) and carries
   JSON, which no form of another site can send, else 403;
3. it has the token: as a cookie, as `Authorization: Bearer`, or once in the URL, which is turned into the cookie;
4. the answer gets a content security policy and keeps its own only where that is stricter.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dashboards.wsgi import Application, Environ, Header, StartResponse

MAX_BODY = 2_000_000  # bytes; a figure's state is sent back by some callbacks
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

# Styles stand in elements, as plotly and the grid write them.
_POLICY = (
    "default-src 'none'; script-src 'self'{compiling} {hashes}; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:;"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)
# Plotly compiles its WebGL shaders' drivers with `Function`: without this its WebGL charts stay empty, and no error is
# shown. Only the one page that draws by WebGL has it.
_COMPILING = " 'unsafe-eval'"
# Scripts of installed packages: the same for everybody, and several megabytes.
_LIBRARIES = ("/_dash-component-suites/",)
_LIBRARY_AGE_S = 3_600
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


def new_token() -> str:
    """Returns 256 random bits as text that fits a URL."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the door lets through.

    Args:
        token: what a visitor must bring.
        hosts: values of the Host header, without a port, that are ours.
        script_hashes: of the page's inline scripts.
        prefix: under which a reverse proxy serves us, "/" or "/nas/".
        is_encrypted: whether visitors come over TLS, so that the cookie may demand it.
        cookie: its name; one for each port, since cookies know no ports.
        compiling: paths of the pages whose scripts may make scripts.
    """

    token: str = field(repr=False)
    hosts: tuple[str, ...] = LOOPBACK
    script_hashes: tuple[str, ...] = ()
    prefix: str = "/"
    is_encrypted: bool = False
    cookie: str = "nas_dashboard"
    compiling: re.Pattern[str] | None = None

    def content_security_policy(self, path: str) -> str:
        """Returns the header of our own page at a path."""
        may_compile = self.compiling is not None and self.compiling.fullmatch(path) is not None
        return _POLICY.format(
            hashes=" ".join(self.script_hashes), compiling=_COMPILING if may_compile else ""
        )

    @property
    def pass_text(self) -> str:
        """Returns the cookie's value: it proves the token without being it."""
        return hmac.new(self.token.encode(), b"dashboard cookie", hashlib.sha256).hexdigest()


class Door:
    """A WSGI application that lets visitors through to another one."""

    def __init__(self, inner: Application, policy: Policy) -> None:
        self._inner, self._policy = inner, policy

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        refusal = self._refusal(environ)
        if refusal is not None:
            status, sentence = refusal
            return _answer(start_response, status, _page("Not here", sentence))
        if self._has_pass(environ):
            return self._inner(environ, self._with_headers(start_response, environ.get("PATH_INFO", "")))
        if self._brings_token(environ):
            return self._welcome(start_response, is_encrypted=self._is_encrypted(environ))
        sentence = (
            "Open the dashboard with the address that <code>nas dashboard</code> printed: it holds the token."
        )
        return _answer(start_response, "401 Unauthorized", _page("A token is needed", sentence))

    def _refusal(self, environ: Environ) -> tuple[str, str] | None:
        """Returns why a request is turned away, whoever it is from; None: it is not."""
        if host_name(environ.get("HTTP_HOST", "")) not in self._policy.hosts:
            return (
                "421 Misdirected Request",
                "This server does not go by that name; see <code>--allow-host</code>.",
            )
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return None
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) > MAX_BODY:
            return "413 Content Too Large", "The request is larger than any of ours."
        if environ.get("HTTP_TRANSFER_ENCODING"):
            return "411 Length Required", "A request must say how long it is."
        if not self._is_from_us(environ):
            return "403 Forbidden", "Requests that send something must come from the dashboard's own pages."
        if not environ.get("CONTENT_TYPE", "").startswith("application/json"):
            return "403 Forbidden", "Requests that send something must send JSON."
        return None

    def _is_from_us(self, environ: Environ) -> bool:
        origin, site = environ.get("HTTP_ORIGIN"), environ.get("HTTP_SEC_FETCH_SITE")
        if site is not None and site not in ("same-origin", "none"):
            return False
        if origin is None:
            return True
        place = urlsplit(origin).netloc
        named = set(self._policy.hosts) - set(LOOPBACK)  # behind a proxy, which may hand us another Host
        return place == environ.get("HTTP_HOST", "") or host_name(place) in named

    def _has_pass(self, environ: Environ) -> bool:
        try:
            cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(self._policy.cookie)
        except CookieError:
            cookie = None
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        brought = cookie.value if cookie is not None else ""
        if _equal(brought, self._policy.pass_text):
            return True
        return scheme.lower() == "bearer" and _equal(token.strip(), self._policy.token)

    def _brings_token(self, environ: Environ) -> bool:
        brought = parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0]
        return environ["REQUEST_METHOD"] == "GET" and _equal(brought, self._policy.token)

    def _is_encrypted(self, environ: Environ) -> bool:
        """Returns whether the visitor came over TLS; one who lies about it gets a cookie that is only stricter."""
        said = environ.get("HTTP_X_FORWARDED_PROTO", "").split(",")[0].strip().lower()
        return self._policy.is_encrypted or said == "https"

    def _welcome(self, start_response: StartResponse, *, is_encrypted: bool) -> Iterable[bytes]:
        """Turns the token of the URL into a cookie, and leaves the URL.

        By a page rather than a redirect: a strict cookie is not sent along a redirect that another site began (a link
        in a chat), but it is when our own page goes on.
        """
        prefix = self._policy.prefix
        cookie = f"{self._policy.cookie}={self._policy.pass_text}; Path={prefix}; HttpOnly; SameSite=Strict"
        body = _page("Welcome", f'Going on to the <a href="{prefix}">dashboard</a> …', onward=prefix)
        return _answer(
            start_response,
            "200 OK",
            body,
            ("Set-Cookie", cookie + ("; Secure" if is_encrypted else "")),
        )

    def _with_headers(self, start_response: StartResponse, path: str) -> StartResponse:
        """Returns a `start_response` that adds what every answer of ours must say."""
        kept = f"private, max-age={_LIBRARY_AGE_S}" if path.startswith(_LIBRARIES) else "no-store"

        def start(status: str, headers: list[Header], *rest: Any) -> Any:
            names = {name.lower() for name, _ in headers}
            extra = [one for one in _HEADERS if one[0].lower() not in names]
            if "content-security-policy" not in names:
                extra.append(("Content-Security-Policy", self._policy.content_security_policy(path)))
            if "cache-control" not in names:
                extra.append(("Cache-Control", kept))
            return start_response(status, [*headers, *extra], *rest)

        return start


def host_name(header: str) -> str:
    """Returns the name in a Host header, without its port.

    >>> host_name("localhost:8050"), host_name("[::1]:8050")
    ('localhost', '[::1]')
    """
    if header.startswith("["):
        return header.partition("]")[0].lower() + "]"
    return header.partition(":")[0].lower()


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _answer(start_response: StartResponse, status: str, body: str, *headers: Header) -> Sequence[bytes]:
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
    fixed = [*_HEADERS, ("Content-Security-Policy", policy), ("Cache-Control", "no-store")]
    content = body.encode()
    length = ("Content-Length", str(len(content)))
    start_response(status, [("Content-Type", "text/html; charset=utf-8"), length, *fixed, *headers])
    return [content]


def _page(title: str, sentence: str, onward: str | None = None) -> str:
    """Returns a page without scripts; all its text is ours."""
    refresh = f'<meta http-equiv="refresh" content="0;url={onward}">' if onward else ""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{refresh}'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<title>{title}</title></head>"
        '<body style="font:16px/1.6 system-ui,sans-serif;max-width:36rem;margin:18vh auto;padding:0 1.5rem">'
        f"<main><h1>{title}</h1><p>{sentence}</p></main></body></html>"
    )
