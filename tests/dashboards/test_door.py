"""The door: who is let in, from where, and what a browser may do with the answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

from dashboards.optuna_mount import OptunaMount
from dashboards.security import Door, Policy, host_name, new_token
from dashboards.wsgi import Environ, StartResponse
from runs.errors import StorageUnreachable

TOKEN = "t" * 43
POLICY = Policy(TOKEN, ("localhost", "127.0.0.1", "nas.example"), script_hashes=("'sha256-x'",))


def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode()]


def visitor(policy: Policy = POLICY) -> Client:
    return Client(Door(hello, policy))


def bearing(**headers: str) -> dict[str, Any]:
    base = {"Host": "localhost:8050", "Authorization": f"Bearer {TOKEN}"}
    return {"headers": base | {name.replace("_", "-"): value for name, value in headers.items()}}


def test_without_a_token_nothing_is_shown() -> None:
    answer = visitor().get("/", headers={"Host": "localhost:8050"})
    assert answer.status_code == 401
    assert TOKEN not in answer.text


def test_the_token_of_the_url_becomes_a_strict_cookie_and_leaves_the_url() -> None:
    browser = visitor()
    answer = browser.get("/", query_string={"token": TOKEN}, headers={"Host": "localhost"})
    cookie = answer.headers["Set-Cookie"]
    assert answer.status_code == 200 and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert TOKEN not in cookie and TOKEN not in answer.text
    assert browser.get("/", headers={"Host": "localhost"}).text == "GET"


def test_behind_tls_the_cookie_demands_it() -> None:
    policy = Policy(TOKEN, ("localhost",), is_encrypted=True)
    answer = visitor(policy).get("/", query_string={"token": TOKEN}, headers={"Host": "localhost"})
    assert "; Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(("said", "is_secure"), [("https", True), ("HTTPS, http", True), ("http", False)])
def test_a_proxy_that_says_it_speaks_tls_is_believed(said: str, is_secure: bool) -> None:
    headers = {"Host": "localhost", "X-Forwarded-Proto": said}
    answer = visitor().get("/", query_string={"token": TOKEN}, headers=headers)
    assert ("; Secure" in answer.headers["Set-Cookie"]) == is_secure


@settings(max_examples=30)
@given(st.text(max_size=60))
def test_no_other_token_opens(text: str) -> None:
    if text != TOKEN:
        answer = visitor().get("/", query_string={"token": text}, headers={"Host": "localhost"})
        assert answer.status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.2:8050"])
def test_another_hosts_name_is_misdirected_token_or_not(host: str) -> None:
    assert visitor().get("/", **bearing(Host=host)).status_code == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:8050"}, 200),
        ({"Origin": "https://nas.example"}, 200),  # through a proxy, whose name was allowed
        ({"Origin": "http://localhost:9999"}, 403),  # another service of this machine
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Content_Type": "text/plain"}, 403),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 403),
    ],
)
def test_only_our_own_pages_may_send_anything(headers: dict[str, str], status: int) -> None:
    wanted = bearing(**({"Content_Type": "application/json"} | headers))
    assert visitor().post("/", data=b"{}", **wanted).status_code == status


def test_a_large_body_is_refused_unread() -> None:
    wanted = bearing(Content_Type="application/json")
    assert visitor().post("/", data=b"x" * 2_000_001, **wanted).status_code == 413


def test_every_answer_says_what_a_browser_may_do_with_it() -> None:
    headers = visitor().get("/", **bearing()).headers
    policy = headers["Content-Security-Policy"]
    assert "'sha256-x'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"


def test_tokens_are_long_and_new_and_hidden_from_representations() -> None:
    assert len(new_token()) >= 43 and new_token() != new_token()
    assert TOKEN not in repr(POLICY)


@pytest.mark.parametrize(
    ("header", "name"), [("LOCALHOST:1", "localhost"), ("[::1]:80", "[::1]"), ("a.b", "a.b")]
)
def test_a_host_is_named_without_its_port(header: str, name: str) -> None:
    assert host_name(header) == name


def upload(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    headers = [("Content-Type", "text/html"), ("Access-Control-Allow-Origin", "*")]
    start_response("200 OK", headers)
    return [b"<script>alert(1)</script>"]


def mounted(heavy: str | None = None) -> Client:
    return Client(OptunaMount(hello, lambda: upload, lambda: heavy))


def test_optunas_paths_go_to_optuna_and_all_others_to_us() -> None:
    assert "script" in mounted().get("/dashboard/studies/1").text
    assert mounted().get("/s/1").text == "GET"
    assert mounted().get("/optuna").headers["Location"].endswith("/dashboard/")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_optuna_dashboard_is_for_reading_only(method: str) -> None:
    assert mounted().open("/api/studies", method=method).status_code == 403


def test_what_was_uploaded_leaves_only_as_a_sandboxed_attachment() -> None:
    headers = mounted().get("/artifacts/1/2").headers
    assert headers["Content-Security-Policy"].startswith("sandbox")
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == "attachment"
    assert "Access-Control-Allow-Origin" not in headers


def test_optunas_table_has_no_formulas() -> None:
    def table(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        headers = [("Content-Type", "text/csv; chatset=cp932"), ("Content-Disposition", "attachment")]
        start_response("200 OK", headers)
        return [b"Number,\"=cmd|' /C calc'!A0\"\n0,-0.5\n1,+x\n"]

    answer = Client(OptunaMount(hello, lambda: table, lambda: None)).get("/csv/1")
    assert answer.text.splitlines() == ["Number,'=cmd|' /C calc'!A0", "0,-0.5", "1,'+x"]
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_a_storage_that_is_away_is_told_instead_of_optuna_dashboard() -> None:
    def away() -> str | None:
        raise StorageUnreachable("the storage must answer, got nothing; start it")

    answer = Client(OptunaMount(hello, lambda: upload, away)).get("/dashboard/")
    assert answer.status_code == 503 and "must answer" in answer.text


def test_a_heavy_study_switches_optuna_dashboard_off_with_a_reason() -> None:
    answer = mounted("too many trials").get("/dashboard/")
    assert answer.status_code == 503 and answer.text == "too many trials"
