"""The main job on Bluesky's own servers: every number is checked against what was created through the API.

One network serves the whole module. The first test builds from it; each later one adds one thing and looks at what
runs again. ``make test-atproto`` installs the servers first; where that was not done, the lane is skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

import nacre

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
EXAMPLE = ROOT / "examples" / "bluesky"
PORTS = ("PLC_PORT", "PDS_PORT", "BSKY_PORT", "OZONE_PORT", "PGPORT", "REDISPORT")
PATIENCE_S = 60
#: The servers refuse 200 or more writes at once.
WRITES_PER_REQUEST = 100

Json = dict[str, object]
COUNTS = ("likes", "reposts", "replies", "quotes")


@dataclass
class Written:
    """A post that was created, and everything that was done to it since."""

    handle: str
    uri: str
    cid: str
    day: date
    likes: int = 0
    reposts: int = 0
    replies: int = 0
    quotes: int = 0

    @property
    def ref(self) -> Json:
        return {"uri": self.uri, "cid": self.cid}

    @property
    def engagement(self) -> int:
        return self.likes + self.reposts + self.replies + self.quotes


@dataclass
class Person:
    """An account and the session that writes for it."""

    handle: str
    did: str
    http: httpx.Client

    def write(self, collection: str, records: Sequence[Json]) -> list[Json]:
        """Create records; return the address and digest of each."""
        made: list[Json] = []
        for start in range(0, len(records), WRITES_PER_REQUEST):
            writes = [
                {
                    "$type": "com.atproto.repo.applyWrites#create",
                    "collection": collection,
                    "value": {"$type": collection, "createdAt": now(), **record},
                }
                for record in records[start : start + WRITES_PER_REQUEST]
            ]
            made += self.post("com.atproto.repo.applyWrites", {"repo": self.did, "writes": writes})["results"]
        return made

    def post(self, method: str, body: Json) -> Json:
        answer = self.http.post(f"/xrpc/{method}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.content else {}


@dataclass
class World:
    """The network, and the ledger of what the authors' posts should have received."""

    pds: str
    appview: str
    authors: list[Person] = field(default_factory=list)
    fans: list[Person] = field(default_factory=list)
    ledger: list[Written] = field(default_factory=list)

    def publish(self, author: Person, records: Sequence[Json]) -> list[Written]:
        """Create posts of an author and enter them in the ledger."""
        made = author.write("app.bsky.feed.post", records)
        written = [
            Written(author.handle, str(each["uri"]), str(each["cid"]), day_of(record))
            for each, record in zip(made, records, strict=True)
        ]
        self.ledger += written
        return written

    def like(self, fan: Person, posts: Sequence[Written]) -> None:
        fan.write("app.bsky.feed.like", [{"subject": post.ref} for post in posts])
        for post in posts:
            post.likes += 1

    def repost(self, person: Person, posts: Sequence[Written]) -> None:
        person.write("app.bsky.feed.repost", [{"subject": post.ref} for post in posts])
        for post in posts:
            post.reposts += 1

    def reply(self, fan: Person, posts: Sequence[Written]) -> None:
        records = [{"text": "so true", "reply": {"root": post.ref, "parent": post.ref}} for post in posts]
        fan.write("app.bsky.feed.post", records)
        for post in posts:
            post.replies += 1

    def quote(self, fan: Person, posts: Sequence[Written]) -> None:
        embeds = [{"$type": "app.bsky.embed.record", "record": post.ref} for post in posts]
        fan.write("app.bsky.feed.post", [{"text": "look", "embed": embed} for embed in embeds])
        for post in posts:
            post.quotes += 1

    def wait(self) -> None:
        """Wait until the AppView has indexed everything in the ledger."""
        wait_for(lambda: self._indexed() == self._expected(), "the AppView to index everything")

    def _expected(self) -> dict[str, tuple[int, ...]]:
        return {post.uri: tuple(getattr(post, name) for name in COUNTS) for post in self.ledger}

    def _indexed(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}
        for start in range(0, len(self.ledger), 25):
            uris = [post.uri for post in self.ledger[start : start + 25]]
            for view in get(self.appview, "app.bsky.feed.getPosts", uris=uris)["posts"]:
                names = ("likeCount", "repostCount", "replyCount", "quoteCount")
                found[view["uri"]] = tuple(view[name] for name in names)
        return found


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day_of(record: Json) -> date:
    """Say on which UTC day a record counts: a date in the future is replaced by that of its arrival."""
    at = datetime.fromisoformat(str(record["createdAt"])).astimezone(UTC)
    return min(at, datetime.now(UTC)).date()


def get(base: str, method: str, **params: object) -> Json:
    answer = httpx.get(f"{base}/xrpc/{method}", params=params, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def wait_for(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.2)


def free_ports(n_ports: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n_ports)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, str]]:
    # Short: Postgres puts a socket there, and the path of a socket has about a hundred characters at most.
    run = Path(tempfile.mkdtemp(prefix="nacre-at-", dir="/tmp"))
    ports = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    with (run / "start.log").open("w+") as log:
        started = subprocess.run(
            [str(HERE / "start.sh"), "start", str(run)],
            env={**os.environ, **ports},
            stdout=log,
            stderr=log,
            check=False,
            timeout=180,
        )
        log.seek(0)
        told = log.read()
    if started.returncode == 3:
        shutil.rmtree(run)
        pytest.skip(f"not run here: {told.strip()} (make test-atproto)")
    try:
        assert started.returncode == 0, told
        yield json.loads((run / "ready.json").read_text())
    finally:
        subprocess.run([str(HERE / "start.sh"), "stop", str(run)], check=False, timeout=60)
        shutil.rmtree(run, ignore_errors=True)


@pytest.fixture(scope="module")
def world(servers: dict[str, str]) -> Iterator[World]:
    world = World(servers["pds"], servers["appview"])
    world.authors = [register(world, name) for name in ("ann", "ben", "cleo")]
    world.fans = [register(world, f"fan{number}") for number in range(5)]
    seed(world)
    world.wait()
    yield world
    for person in [*world.authors, *world.fans]:
        person.http.close()


def register(world: World, name: str) -> Person:
    http = httpx.Client(base_url=world.pds, timeout=30)
    body = {"handle": f"{name}.test", "email": f"{name}@example.com", "password": "correct horse"}
    answer = http.post("/xrpc/com.atproto.server.createAccount", json=body)
    assert answer.status_code == 200, answer.text
    http.headers["Authorization"] = f"Bearer {answer.json()['accessJwt']}"
    return Person(f"{name}.test", answer.json()["did"], http)


def monday_of_full_week() -> date:
    today = datetime.now(UTC).date()
    return today - timedelta(days=today.weekday() + 7)


def seed(world: World) -> None:
    """Three authors: one with more posts than fit a page, one with what is odd, one who never writes."""
    ann, ben, _ = world.authors
    start = datetime.combine(monday_of_full_week() - timedelta(days=14), datetime.min.time(), UTC)
    hours = [start + timedelta(hours=7 * number, minutes=11) for number in range(75)]
    many = world.publish(
        ann,
        [
            {"text": f"post {number}", "createdAt": at.isoformat().replace("+00:00", "Z"), "langs": ["en"]}
            for number, at in enumerate([*hours, *(at + timedelta(minutes=30) for at in hours)])
            if at < datetime.now(UTC) - timedelta(hours=1)
        ],
    )
    midweek = start + timedelta(days=14 + 2, hours=23, minutes=30)
    odd = world.publish(
        ben,
        [
            # Half past one in Berlin is still the day before in UTC.
            {
                "text": "late",
                "createdAt": (midweek + timedelta(hours=2)).isoformat().replace("+00:00", "+02:00"),
            },
            {"text": "", "createdAt": midweek.isoformat()},
            {"text": "from the future", "createdAt": "2087-01-01T00:00:00.000Z"},
            {"text": "own thread", "createdAt": (midweek + timedelta(days=1)).isoformat()},
        ],
    )
    thread = {"root": odd[3].ref, "parent": odd[3].ref}
    day_after = (midweek + timedelta(days=2)).isoformat()
    world.publish(ben, [{"text": "and so on", "createdAt": day_after, "reply": thread}])
    odd[3].replies += 1
    gone = ben.write("app.bsky.feed.post", [{"text": "regretted", "createdAt": midweek.isoformat()}])
    key = str(gone[0]["uri"]).rpartition("/")[2]
    deleted = {"repo": ben.did, "collection": "app.bsky.feed.post", "rkey": key}
    ben.post("com.atproto.repo.deleteRecord", deleted)

    for number, fan in enumerate(world.fans):
        world.like(fan, many[:: number + 2] + odd[number % 2 :: 2])
    world.repost(world.fans[0], many[::9])
    world.repost(ben, [*many[:3], odd[0]])
    world.reply(world.fans[1], many[4::11])
    world.quote(world.fans[2], many[6::13])
    world.fans[0].write("app.bsky.graph.follow", [{"subject": ann.did}])


@pytest.fixture
def build(world: World, store: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, str]]:
    monkeypatch.setenv("BLUESKY_SERVICE", world.appview)
    monkeypatch.setenv("BLUESKY_HANDLES", ",".join(author.handle for author in world.authors))
    monkeypatch.setenv("NACRE_STORE", str(store))
    monkeypatch.setenv("NACRE_PLACES", f"s3://lake={store.with_name('lake')}")
    monkeypatch.setenv("BLUESKY_SINCE", (datetime.now(UTC).date() - timedelta(days=70)).isoformat())

    def build() -> dict[str, str]:
        """Build the summary; say what happened to each asset: built where any of its days was."""
        result = nacre.build("weekly_summary", modules=[EXAMPLE / "pipeline.py"])
        assert result.ok, [step.error for step in result.steps]
        happened: dict[str, str] = {}
        for step in result.steps:
            name, action = step.name.partition("[")[0], "checked" if step.checked else step.action
            happened[name] = "built" if "built" in (action, happened.get(name)) else action
        return happened

    return build


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def expect(**actions: str) -> dict[str, str]:
    return actions


def check_summary(world: World) -> None:
    """Compare every number of the summary with the ledger."""
    found = nacre.load("weekly_summary", as_type=dict)
    newest = max(post.day for post in world.ledger)
    monday = newest - timedelta(days=newest.weekday() + 7)
    spans = {0: monday, 7: monday - timedelta(days=7)}
    week, before = (
        [post for post in world.ledger if first <= post.day < first + timedelta(days=7)]
        for first in spans.values()
    )

    def totals(posts: list[Written]) -> Json:
        engagement = sum(post.engagement for post in posts)
        per_post = round(engagement / len(posts), 2) if posts else None
        return {"posts": len(posts), "engagement": engagement, "engagement_per_post": per_post}

    assert found["week_start"] == monday.isoformat()
    assert found["is_full"] is True
    assert found["is_sample"] is False
    assert {name: found[name] for name in totals(week)} == totals(week)
    assert found["week_before"] == totals(before)
    assert found["days"] == [
        {"day": day.isoformat(), **totals([post for post in week if post.day == day])}
        for day in (monday + timedelta(days=offset) for offset in range(7))
    ]
    by_handle: dict[str, list[Written]] = defaultdict(list)
    for post in week:
        by_handle[post.handle].append(post)
    assert {each["handle"]: each for each in found["accounts"]} == {
        handle: {
            "handle": handle,
            **totals(posts),
            **{name: sum(getattr(post, name) for post in posts) for name in COUNTS},
        }
        for handle, posts in by_handle.items()
    }
    assert found["best_post"]["engagement"] == max(post.engagement for post in week)


def test_every_number_of_the_summary_equals_what_was_created(
    world: World, build: Callable[[], dict[str, str]]
) -> None:
    import polars as pl

    assert build() == expect(
        profiles="built", feed="built", posts="built", daily_engagement="built", weekly_summary="built"
    )
    check_summary(world)
    profiles = nacre.load("bluesky://profiles", as_type=pl.DataFrame).to_dicts()
    assert [(each["handle"], each["posts"]) for each in profiles] == [
        (author.handle, sum(post.handle == author.handle for post in world.ledger))
        for author in world.authors
    ]
    assert [each["followers"] for each in profiles] == [1, 0, 0]
    posts = nacre.load("posts", as_type=pl.DataFrame)
    found = {row["uri"]: tuple(row[name] for name in COUNTS) for row in posts.iter_rows(named=True)}
    assert found == world._expected()


def test_nothing_runs_again_when_nothing_happened(build: Callable[[], dict[str, str]]) -> None:
    assert build() == expect(
        profiles="checked", feed="checked", posts="reused", daily_engagement="reused", weekly_summary="reused"
    )


def test_a_like_runs_what_follows_from_posts(world: World, build: Callable[[], dict[str, str]]) -> None:
    world.like(world.authors[2], [world.ledger[0]])
    world.wait()
    assert build() == expect(
        profiles="checked", feed="built", posts="built", daily_engagement="built", weekly_summary="built"
    )
    check_summary(world)


def test_a_follower_changes_profiles_only(world: World, build: Callable[[], dict[str, str]]) -> None:
    ann = world.authors[0]
    world.fans[1].write("app.bsky.graph.follow", [{"subject": ann.did}])
    profile = lambda: get(world.appview, "app.bsky.actor.getProfile", actor=ann.did)  # noqa: E731
    wait_for(lambda: profile()["followersCount"] == 2, "the AppView to count the follower")
    happened = build()
    assert happened.pop("feed") in ("built", "checked")
    assert happened == expect(
        profiles="built", posts="reused", daily_engagement="reused", weekly_summary="reused"
    )


def test_a_new_post_runs_all(world: World, build: Callable[[], dict[str, str]]) -> None:
    at = datetime.combine(monday_of_full_week() + timedelta(days=4), datetime.min.time(), UTC)
    world.publish(world.authors[1], [{"text": "news", "createdAt": at.isoformat()}])
    world.wait()
    assert build() == expect(
        profiles="built", feed="built", posts="built", daily_engagement="built", weekly_summary="built"
    )
    check_summary(world)


def test_a_handle_that_is_not_there_is_named(
    build: Callable[[], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUESKY_HANDLES", "ann.test,nobody.test")
    result = nacre.build("weekly_summary", modules=[EXAMPLE / "pipeline.py"])
    assert str(result.steps[0].action) == "failed"
    assert "nobody.test" in str(result.steps[0].error)


def test_the_demo_runs_live_against_the_real_servers(world: World, tmp_path: Path) -> None:
    handle = world.authors[0].handle
    told = subprocess.run(
        [sys.executable, str(EXAMPLE / "demo.py"), "--me", handle],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "BLUESKY_SERVICE": world.appview,
            "NACRE_STORE": str(tmp_path),
            "NACRE_PLACES": f"s3://lake={tmp_path.with_name('lake-live')}",
            "PYTHONIOENCODING": "utf-8",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[0].startswith(f"{handle}, week of")
    assert "Sample" not in told.stdout
