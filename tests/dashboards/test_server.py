"""Where the dashboard is served: the address it tells is one that its own door lets in; others are refused."""

from __future__ import annotations

import urllib.request
from urllib.parse import urlsplit

import pytest

from dashboards.reader import Reader
from dashboards.server import Address, BadAddress, site_prefix
from dashboards.site import Site
from runs import Store
from tests.dashboards.serving import serving

TOKEN = "t" * 43


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.2"])
def test_the_address_that_is_told_is_let_in(store: Store, host: str) -> None:
    with serving(Site(Reader(store)), Address(host, 0, TOKEN, ("127.0.0.3",))) as server:
        if host == "0.0.0.0":
            assert urlsplit(server.url).hostname == "127.0.0.3"  # a name that visitors use
        with urllib.request.urlopen(server.url, timeout=60) as answer:
            assert answer.status == 200 and "HttpOnly" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (Address(), "http://127.0.0.1:8050/nas/"),
        (Address("::1"), "http://[::1]:8050/nas/"),
        (Address("::", token=TOKEN, allowed_hosts=("fe80::1",)), "http://[fe80::1]:8050/nas/"),
        (
            Address("0.0.0.0", token=TOKEN, allowed_hosts=("nas.example",), is_encrypted=True),
            "https://nas.example/nas/",  # at the proxy, which has the usual port
        ),
    ],
)
def test_the_address_is_one_that_a_visitor_can_open(address: Address, told: str) -> None:
    address.check()
    assert address.url(8050, "/nas/") == told


def test_whoever_serves_others_without_encryption_is_warned() -> None:
    assert "--tls" in Address("0.0.0.0", token=TOKEN, allowed_hosts=("a",)).warning
    assert not Address("0.0.0.0", token=TOKEN, allowed_hosts=("a",), is_encrypted=True).warning
    assert not Address().warning


@pytest.mark.parametrize("name", ["http://nas.example", "nas.example:8050", "nas.example/nas", "", "*"])
def test_a_host_is_a_name_alone(name: str) -> None:
    with pytest.raises(BadAddress, match="got '"):
        Address("0.0.0.0", token=TOKEN, allowed_hosts=(name,)).check()


@pytest.mark.parametrize(
    "text", ["../nas", "/a/../b", "/a//b", "/a b", "/a?b", '/"><script>', "/a;Domain=x", "/a\r\nX: y", "/ä"]
)
def test_a_prefix_is_a_plain_path(text: str) -> None:
    with pytest.raises(BadAddress, match="a prefix must be a path"):
        site_prefix(text)
