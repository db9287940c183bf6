"""Serves the dashboard: on this machine's loopback unless told otherwise, a thread for each request."""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from dashboards.app import make_application
from dashboards.pages import router
from dashboards.security import LOOPBACK, Policy, new_token
from dashboards.site import Site
from dashboards.wsgi import Application
from runs.errors import LedgerError

PORT = 8050
NUM_WARMED = 4  # studies that are read before anybody asks
TRIES = 20  # ports that are tried from PORT on, where none was asked for


_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EVERYWHERE = ("0.0.0.0", "::", "")
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")


class BadAddress(ValueError):
    """An address at which the dashboard may not or cannot be served."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Address:
    """Where the dashboard is served, and for whom.

    Args:
        host: to bind; another than loopback needs a token of the user's own and the names it may be called by, of which
            the first is shown to the user.
        port: None takes the first free one from PORT on.
        token: None makes a new one.
        allowed_hosts: names in the Host header that are ours besides loopback.
        is_encrypted: whether visitors come over TLS, through a proxy.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    is_encrypted: bool = False

    def check(self) -> None:
        """Raises BadAddress where the dashboard would be open to others without their having been named."""
        if not self.is_private and not (self.token and self.allowed_hosts):
            raise BadAddress(
                f"the dashboard must be bound to this machine's loopback, got {self.host!r}; to serve others, give a"
                " token of your own with --token-file and every name they call it by with --allow-host"
            )
        if self.token is not None and len(self.token) < 32:
            raise BadAddress(
                f"a token must have at least 32 characters, got {len(self.token)};"
                " make one with `openssl rand -hex 32`"
            )
        for name in self.allowed_hosts:
            if not _NAME.fullmatch(name) and not _is_ipv6(name):
                raise BadAddress(
                    f"a host must be a name or an address, without a scheme, a port or a path, got {name!r};"
                    " write it as in --allow-host nas.example.org"
                )

    @property
    def is_private(self) -> bool:
        """Returns whether only this machine can reach it."""
        return self.host in _LOOPBACK

    @property
    def hosts(self) -> tuple[str, ...]:
        """Returns the names by which it may be called, as they stand in a Host header."""
        bound = () if self.is_private or self.host in _EVERYWHERE else (self.host,)
        named = (_bracketed(name.lower()) for name in (*self.allowed_hosts, *bound))
        return (*LOOPBACK, *named)

    def url(self, port: int, prefix: str) -> str:
        """Returns the address that a visitor opens; the first allowed name, where that is not what is bound.

        A proxy that speaks TLS has its own port, the usual one.
        """
        if self.is_private:
            return f"http://{_bracketed(self.host)}:{port}{prefix}"
        if self.is_encrypted:
            return f"https://{_bracketed(self.allowed_hosts[0])}{prefix}"
        name = self.allowed_hosts[0] if self.host in _EVERYWHERE else self.host
        return f"http://{_bracketed(name)}:{port}{prefix}"

    @property
    def warning(self) -> str:
        """Returns what its user should know about it; "" where there is nothing."""
        if self.is_private or self.is_encrypted:
            return ""
        return (
            "visitors come without encryption: whoever listens on the way reads the token and sees everything;"
            " put a proxy with TLS in front, and say so with --tls"
        )


def site_prefix(text: str) -> str:
    """Returns the path under which a proxy serves the dashboard, with a slash at both ends.

    Raises:
        BadAddress: it is no plain path.

    >>> site_prefix("nas"), site_prefix("/tools/nas/"), site_prefix("")
    ('/nas/', '/tools/nas/', '/')
    """
    path = "/" + text.strip("/") if text.strip("/") else ""
    if not _PREFIX.fullmatch(path):
        raise BadAddress(
            "a prefix must be a path of letters, digits and `-_.~`, no part of it beginning with a dot,"
            f" got {text!r}; write it as in --prefix /nas"
        )
    return path + "/"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _is_ipv6(text: str) -> bool:
    try:
        return isinstance(ipaddress.ip_address(text.strip("[]")), ipaddress.IPv6Address)
    except ValueError:
        return False


class Server:
    """A dashboard that is bound, and served by `serve` until `close`.

    Example:
        >>> server = Server(Site(reader), Address())  # doctest: +SKIP
        >>> server.url  # doctest: +SKIP
        'http://127.0.0.1:8050/?token=...'
    """

    def __init__(
        self, site: Site, address: Address, *, make_optuna: Callable[[], Application] | None = None
    ) -> None:
        address.check()
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # its request log would hold the token
        self.token = address.token or new_token()
        bound = _bound(address.host, address.port)
        self.port = int(bound.getsockname()[1])
        policy = Policy(
            self.token,
            address.hosts,
            prefix=site.prefix,
            is_encrypted=address.is_encrypted,
            cookie=f"nas_dashboard_{self.port}",
        )
        application = make_application(site, policy, make_optuna=make_optuna)
        self._address, self._site = address, site
        self._server: BaseWSGIServer = make_server(
            address.host, self.port, application, threaded=True, request_handler=_Handler, fd=bound.fileno()
        )
        self._socket = bound

    @property
    def url(self) -> str:
        """Returns the address with the token, to be shown once to the person who started it."""
        return f"{self._address.url(self.port, self._site.prefix)}?token={self.token}"

    def serve(self) -> None:
        """Answers requests until `close` is called from another thread, or the process is interrupted."""
        threading.Thread(target=_warm, args=(self._site,), daemon=True, name="dashboard-warming").start()
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._socket.close()


class _Handler(WSGIRequestHandler):
    """Keeps connections open between requests, and keeps what they ask for out of logs."""

    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that a silent connection may hold its thread
    server_version, sys_version = "nas", ""

    def version_string(self) -> str:
        return self.server_version

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing: a request line may hold the token."""


def _warm(site: Site) -> None:
    """Reads the studies that changed last, so that whoever opens a page soon finds them read."""
    try:
        heads = sorted(site.reader.browse.heads(), key=lambda head: -(head.last_change or 0.0))[:NUM_WARMED]
        for head in heads[:1]:
            router.content(site, f"/s/{head.id}")
        for head in heads:
            site.reader.whole(head.id)
    except LedgerError:
        return  # a page will say why


def _bound(host: str, port: int | None) -> socket.socket:
    """Returns a listening socket at the port, or at the first free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reason = ""
    for candidate in [port] if port is not None else [*range(PORT, PORT + TRIES), 0]:
        tried = socket.socket(family, socket.SOCK_STREAM)
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, candidate))
            tried.listen(128)
            return tried
        except OSError as error:
            tried.close()
            reason = error.strerror or str(error)
    raise BadAddress(
        f"the dashboard must get a free port, got {reason!r} at {host}:{port}; give another --port"
    )
