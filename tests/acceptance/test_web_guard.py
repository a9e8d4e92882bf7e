"""Nobody gets in without the token, nobody else's page gets anything, and what is stored runs nothing."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import httpx
import pytest
from starlette.types import Message

from browsing import TOKEN, Served, serving
from nacre.errors import UsageError
from nacre.web.app import ROUTES, make_app
from nacre.web.guard import HEADERS
from nacre.web.site import Site
from nacre.web.token import token_for
from sandbox import Sandbox
from shell import Shell

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
ADDRESSES = [re.sub(r"\{\w+(:path)?\}", "demo%3A%2F%2Fsales", route.path) for route in ROUTES]
ADDRESSES += [
    "/health",
    "/ready",
    "/a/health",
    "/static/../../x",
    "//",
    "/docs",
    "/openapi.json",
    "/.well-known/x",
]


@pytest.fixture
def served(shell: Shell) -> Iterator[Served]:
    with serving() as served:
        yield served


# ── the token ──


def test_no_address_answers_anything_without_the_token(served: Served) -> None:
    for method, address in product(METHODS, ADDRESSES):
        assert served.stranger.request(method, address).status_code == 401, f"{method} {address}"
    for address in ADDRESSES:
        for headers in ({"authorization": "Bearer wrong"}, {"cookie": f"{TOKEN.cookie}=wrong"}):
            assert served.stranger.get(address, headers=headers).status_code == 401, address
        assert served.stranger.get(f"{address}?token=wrong").status_code == 401


def test_nothing_but_reading_is_possible_with_the_token(served: Served) -> None:
    for method, address in product(METHODS[2:], ADDRESSES):
        answer = served.client.request(method, address)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
        assert served.stranger.request(method, f"{address}?token={TOKEN.value}").status_code == 405


def test_the_token_is_exchanged_for_a_cookie_that_scripts_cannot_read(served: Served) -> None:
    answer = served.stranger.get(f"/a/demo%3A%2F%2Fx?version=1&token={TOKEN.value}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/a/demo%3A//x?version=1"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{TOKEN.cookie}=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN.value not in cookie
    assert served.stranger.get("/").status_code == 200


def test_the_way_in_never_leads_to_another_host(served: Served) -> None:
    with httpx.Client() as client:
        answer = client.get(f"{served.url}//evil.test/%2e%2e?token={TOKEN.value}")
    assert answer.headers["location"].startswith("/evil.test/")


def test_a_cookie_of_another_token_is_worth_nothing(served: Served) -> None:
    other = token_for("", "another-token-altogether")
    assert other.cookie != TOKEN.cookie
    cookie = {"cookie": f"{TOKEN.cookie}={other.session}"}
    assert served.stranger.get("/", headers=cookie).status_code == 401


def test_the_token_is_minted_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        first = token_for(str(tmp_path))
    finally:
        os.umask(old)
    file = tmp_path / "ui-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token_for(str(tmp_path)) == first
    assert [each.name for each in tmp_path.iterdir()] == ["ui-token"]


def test_a_token_that_others_could_read_is_replaced(tmp_path: Path) -> None:
    first = token_for(str(tmp_path))
    file = tmp_path / "ui-token"
    file.chmod(0o644)
    second = token_for(str(tmp_path))
    assert second != first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("a-token-somebody-knows\n")
    (tmp_path / "ui-token").symlink_to("elsewhere")
    assert token_for(str(tmp_path)).value != "a-token-somebody-knows"
    assert (tmp_path / "elsewhere").read_text() == "a-token-somebody-knows\n"


def test_without_a_folder_a_token_lasts_as_long_as_the_process(tmp_path: Path) -> None:
    assert token_for(str(tmp_path / "none")) != token_for(str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_short_token_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="NACRE_UI_TOKEN is too short"):
        token_for("", "short")


def test_other_machines_are_let_in_only_with_a_token_of_their_own(shell: Shell) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        assert "The page would be open to other machines" in shell("ui", "--host", host, exits=2).stderr


def test_a_port_that_is_taken_is_said_to_be(shell: Shell, served: Served) -> None:
    port = served.url.rpartition(":")[2]
    assert "cannot be served there" in shell("ui", "--port", port, exits=2).stderr


# ── other sites ──


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:80", "127.0.0.1.evil.test", "localhost.", "", "[::1"]
)
def test_a_name_that_is_not_ours_is_not_answered(served: Served, host: str) -> None:
    answer = served.client.get("/", headers={"host": host})
    assert answer.status_code in (400, 421)
    assert "nacre" not in answer.text


def test_a_page_of_another_site_gets_nothing(served: Served) -> None:
    foreign = [
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    ]
    for headers in foreign:
        assert served.client.get("/", headers=headers).status_code == 403
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert served.client.get("/", headers=followed).status_code == 200
    assert served.client.get("/", headers={"origin": served.url}).status_code == 200


def test_websockets_are_closed_before_anything_looks_at_them(project: Sandbox) -> None:
    app = make_app(Site(), TOKEN)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    for path in ADDRESSES:
        query = f"token={TOKEN.value}".encode()
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": query,
            "headers": [(b"host", b"localhost")],
        }
        asyncio.run(app(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}] * len(ADDRESSES)


def test_every_answer_has_the_same_headers(served: Served) -> None:
    answers = [served.client.get(path) for path in ("/", "/runs", "/nope", "/static/nacre.css", "/image/x")]
    answers += [
        served.stranger.get("/"),
        served.client.post("/"),
        served.client.get("/", headers={"host": "x"}),
    ]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert "server" not in answer.headers
    assert HEADERS["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )
