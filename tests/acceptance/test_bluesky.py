"""The main job on its bundled sample: right numbers, nothing done twice, and a plain word when something is missing."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

import nacre
from nacre.project import current_project

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "bluesky"
# What the example's modules are called when its folder is on the path, as it is for `python demo.py`.
sys.path.insert(0, str(EXAMPLE))
from bars import Bar, draw_png, draw_text  # noqa: E402
from reader import SAMPLE_DAYS, BlueskyError, Reader, Unavailable, posted_at, retry_after_s, wanted_handles  # noqa: E402
from sample import Account, Network, make_sample  # noqa: E402
from server import METHODS, Refusal, XrpcServer  # noqa: E402

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


UNCHANGED = ["checked", "checked", "reused", "reused", "reused"]


@pytest.fixture
def network() -> Network:
    return make_sample()


@pytest.fixture
def server(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[XrpcServer]:
    with XrpcServer(network) as running:
        monkeypatch.setenv("BLUESKY_SERVICE", running.url)
        monkeypatch.setenv("BLUESKY_HANDLES", ",".join(each.handle for each in network.accounts.values()))
        monkeypatch.setenv("NACRE_STORE", str(tmp_path / "store"))
        monkeypatch.setenv("NACRE_PLACES", f"s3://lake={tmp_path / 'lake'}")
        yield running


def build() -> dict[str, tuple[str, str]]:
    """Build the summary; return what happened to each asset, and why."""
    result = nacre.build("weekly_summary", modules=[EXAMPLE / "pipeline.py"])
    assert result.ok, [step.error for step in result.steps]
    return {step.name: ("checked" if step.checked else step.action, step.reason) for step in result.steps}


def actions() -> list[str]:
    """Say what happened to each asset; of the days of one, where they differ, how many were built."""
    found = []
    happened = build()
    for name in ("profiles", "feed", "posts", "daily_engagement", "weekly_summary"):
        each = [action for step, (action, _) in happened.items() if step.partition("[")[0] == name]
        n_built = each.count("built")
        found.append(each[0] if len(set(each)) == 1 else f"{n_built} of {len(each)} built")
    return found


def summary() -> dict[str, object]:
    return nacre.load("weekly_summary", as_type=dict)


def count(network: Network, first: date, n_days: int) -> dict[str, object]:
    """Count a span of days over the network itself, with nothing of the pipeline."""
    days: dict[date, list[int]] = defaultdict(list)
    accounts: dict[str, list[int]] = defaultdict(list)
    for post in network.posts.values():
        day = post.indexed_at.date()
        if post.is_deleted or not first <= day < first + timedelta(days=n_days):
            continue
        engagement = post.likes + post.reposts + post.replies + post.quotes
        days[day].append(engagement)
        accounts[network.accounts[post.did].handle].append(engagement)
    return {"days": dict(days), "accounts": dict(accounts)}


def test_every_number_of_the_summary_equals_plain_counting(server: XrpcServer, network: Network) -> None:
    build()
    found, monday = summary(), date(2026, 4, 20)
    counted, before = count(network, monday, 7), count(network, monday - timedelta(days=7), 7)
    engagement = [each for day in counted["days"].values() for each in day]
    earlier = [each for day in before["days"].values() for each in day]

    assert (found["week_start"], found["week_end"], found["is_full"]) == ("2026-04-20", "2026-04-26", True)
    assert (found["posts"], found["engagement"]) == (len(engagement), sum(engagement))
    assert found["engagement_per_post"] == round(sum(engagement) / len(engagement), 2)
    assert found["week_before"] == {
        "posts": len(earlier),
        "engagement": sum(earlier),
        "engagement_per_post": round(sum(earlier) / len(earlier), 2),
    }
    assert {each["day"]: (each["posts"], each["engagement"]) for each in found["days"]} == {
        day.isoformat(): (len(each), sum(each)) for day, each in counted["days"].items()
    }
    assert {each["handle"]: (each["posts"], each["engagement"]) for each in found["accounts"]} == {
        handle: (len(each), sum(each)) for handle, each in counted["accounts"].items()
    }
    assert found["best_post"]["engagement"] == max(engagement)
    assert found["is_sample"] is True


@pytest.mark.whole
def test_a_second_run_asks_the_sources_and_reuses_everything_else(server: XrpcServer) -> None:
    assert actions() == ["built"] * 5
    assert actions() == UNCHANGED
    assert all(reason for _, reason in build().values())


@pytest.mark.whole
def test_where_the_data_was_read_makes_no_difference(
    server: XrpcServer, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    actions()
    with XrpcServer(network) as elsewhere:
        monkeypatch.setenv("BLUESKY_SERVICE", elsewhere.url)
        assert actions() == UNCHANGED


@pytest.mark.whole
def test_a_like_on_an_old_post_is_noticed_though_no_profile_changed(
    server: XrpcServer, network: Network
) -> None:
    actions()
    before = summary()
    next(iter(network.posts.values())).likes += 1
    assert actions() == ["checked", "built", "built", "1 of 60 built", "built"]
    assert summary() == before, "that post is not of this week"


@pytest.mark.whole
def test_a_new_follower_changes_profiles_and_nothing_after_the_feed(
    server: XrpcServer, network: Network
) -> None:
    actions()
    next(iter(network.accounts.values())).followers += 1
    happened = actions()
    assert (happened[0], happened[2:]) == ("built", ["reused"] * 3)


def test_the_artifacts_of_the_week_are_stored(server: XrpcServer) -> None:
    build()
    stored = {row.key: row.kind for row in current_project().workspace(creates=False).catalog.artifacts()}
    assert stored == {"weekly-summary": "markdown", "weekly-accounts": "table", "weekly-chart": "image"}


@pytest.mark.whole
def test_a_service_in_trouble_is_asked_again(server: XrpcServer) -> None:
    server.service.refusals.append(Refusal(503, "ServiceUnavailable", "Try later"))
    assert actions() == ["built"] * 5
    assert server.service.asked[:2] == ["app.bsky.actor.getProfiles"] * 2


@pytest.mark.whole
def test_an_unknown_account_fails_once_by_name_and_keeps_what_was_there(
    server: XrpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    build()
    before = summary()
    server.service.asked.clear()
    monkeypatch.setenv("BLUESKY_HANDLES", "tidepool-lab.example.com,nobody.example.com")
    result = nacre.build("weekly_summary", modules=[EXAMPLE / "pipeline.py"])
    assert [str(step.action) for step in result.steps] == ["failed", *["skipped"] * 122]
    assert "nobody.example.com" in str(result.steps[0].error)
    assert server.service.asked == ["app.bsky.actor.getProfiles"], "a wrong name is not retried"
    assert summary() == before


def test_an_account_without_posts_gives_an_empty_summary(
    server: XrpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUESKY_HANDLES", "new-here.example.com")
    assert actions() == ["built"] * 5
    assert summary()["week_start"] is None


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────


def one_author() -> tuple[Network, Account]:
    network = Network()
    return network, network.add_account("ann.example.com", "Ann (sample)")


def read(network: Network, did: str) -> list[dict[str, object]]:
    with XrpcServer(network) as running, Reader(running.url) as reader:
        return list(reader.posts(did))


def test_reposts_are_left_out_and_a_self_repost_counts_once() -> None:
    network, ann = one_author()
    ben = network.add_account("ben.example.com", "Ben (sample)")
    own = network.add_post(ann, NOON, text="mine")
    network.add_repost(ann, own, NOON + timedelta(hours=1))
    network.add_repost(ann, network.add_post(ben, NOON, text="his"), NOON + timedelta(hours=2))
    assert [(row["text"], row["reposts"]) for row in read(network, ann.did)] == [("mine", 1)]


def test_a_page_of_deleted_posts_is_not_taken_for_the_end() -> None:
    network, ann = one_author()
    for minute in range(250):
        post = network.add_post(ann, NOON + timedelta(minutes=minute), text=str(minute))
        post.is_deleted = 20 <= minute < 220
    rows = read(network, ann.did)
    assert [int(str(row["text"])) for row in rows] == [*range(249, 219, -1), *range(19, -1, -1)]


def test_a_feed_is_read_nine_weeks_back_from_its_newest_entry() -> None:
    network, ann = one_author()
    for week in range(30):
        network.add_post(ann, NOON - timedelta(weeks=week), text=str(week))
    assert [row["text"] for row in read(network, ann.did)] == [str(week) for week in range(10)]


def test_posts_without_text_language_or_a_living_parent_are_read() -> None:
    network, ann = one_author()
    gone = {"uri": f"at://{ann.did}/app.bsky.feed.post/gone", "cid": "bafyreigone"}
    network.add_post(ann, NOON, text="", langs=["pt-BR", "en"])
    network.add_post(ann, NOON + timedelta(hours=1), reply={"root": gone, "parent": gone})
    rows = read(network, ann.did)
    assert [(row["text"], row["language"], row["is_reply"]) for row in rows] == [
        ("", None, True),
        ("", "pt-BR", False),
    ]


@pytest.mark.parametrize(
    ("claimed", "expected"),
    [
        ("2026-04-01T09:00:00.000Z", NOON - timedelta(hours=3)),
        ("2026-04-01T13:00:00+02:00", NOON - timedelta(hours=1)),
        ("2026-04-01T11:00:00.123456789Z", NOON - timedelta(hours=1) + timedelta(microseconds=123_456)),
        ("2026-04-01T11:00:00", NOON - timedelta(hours=1)),
        ("2009-06-01T00:00:00Z", datetime(2009, 6, 1, tzinfo=UTC)),
        ("2087-01-01T00:00:00Z", NOON),
        ("0001-01-01T00:00:00Z", NOON),
        ("0001-01-01T00:00:00+14:00", NOON),
        ("yesterday", NOON),
        (None, NOON),
    ],
)
def test_a_post_is_dated_by_its_author_unless_that_cannot_be(claimed: str | None, expected: datetime) -> None:
    post = SimpleNamespace(indexed_at="2026-04-01T12:00:00.000Z", record=SimpleNamespace(created_at=claimed))
    assert posted_at(post) == expected


def test_a_short_rate_limit_is_waited_out_as_long_as_the_service_asks() -> None:
    network, ann = one_author()
    waits: list[float] = []
    with XrpcServer(network) as running, Reader(running.url, sleep=waits.append) as reader:
        limit = Refusal(429, "RateLimitExceeded", "Rate Limit Exceeded", {"Retry-After": "7"})
        running.service.refusals.append(limit)
        assert reader.profiles([ann.handle])[0]["did"] == ann.did
    assert waits == [7.0]


def test_a_long_rate_limit_is_reported_instead_of_waited_for() -> None:
    network, ann = one_author()
    with XrpcServer(network) as running, Reader(running.url) as reader:
        limit = Refusal(429, "RateLimitExceeded", "Rate Limit Exceeded", {"Retry-After": "286"})
        running.service.refusals.append(limit)
        with pytest.raises(BlueskyError, match="wait 286 s"):
            reader.profiles([ann.handle])


def test_a_rate_limit_is_read_from_either_header() -> None:
    assert retry_after_s({"retry-after": "12", "ratelimit-reset": "5"}, now=0) == 12
    assert (
        retry_after_s({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "ratelimit-reset": "130"}, now=100)
        == 30
    )
    assert retry_after_s({}, now=100) == 5


def test_a_service_that_is_not_there_is_unavailable() -> None:
    with Reader("http://127.0.0.1:1") as reader, pytest.raises(Unavailable, match="cannot be reached"):
        reader.profiles(["ann.example.com"])


def test_handles_are_read_as_people_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUESKY_HANDLES", " @Ann.example.com, ben.example.com,,ann.example.com ")
    assert wanted_handles() == ["ann.example.com", "ben.example.com"]
    monkeypatch.setenv("BLUESKY_HANDLES", "ann")
    with pytest.raises(BlueskyError, match=r"did you mean ann\.bsky\.social"):
        wanted_handles()


# ── the sample and its service ───────────────────────────────────────────────────────────────────────────────────


def test_the_sample_is_the_same_everywhere(network: Network) -> None:
    facts = [
        (post.uri, post.cid, post.likes, post.reposts, post.replies, post.quotes, post.is_deleted)
        for post in network.posts.values()
    ]
    assert hashlib.sha256(repr(facts).encode()).hexdigest()[:16] == "3a4af6728df2391a"


def test_the_days_that_are_kept_unless_said_otherwise_are_those_of_the_sample(network: Network) -> None:
    days = sorted({post.indexed_at.date() for post in network.posts.values()})
    assert (days[0].isoformat(), days[-1].isoformat()) == SAMPLE_DAYS


def test_the_sample_says_that_it_is_one(network: Network) -> None:
    for account in network.accounts.values():
        assert account.handle.endswith(".example.com")
        assert account.display_name.endswith("(sample)")


def test_every_answer_fits_the_real_schemas_strictly(network: Network) -> None:
    from atproto import models
    from atproto_client.models.utils import get_or_create

    with XrpcServer(network) as running:
        answer = running.service.answer
        actors = list(network.accounts)
        checks = [
            (
                models.AppBskyActorDefs.ProfileViewDetailed,
                answer("app.bsky.actor.getProfile", {"actor": actors}),
            ),
            (
                models.AppBskyActorGetProfiles.Response,
                answer("app.bsky.actor.getProfiles", {"actors": actors}),
            ),
            (
                models.ComAtprotoIdentityResolveHandle.Response,
                answer("com.atproto.identity.resolveHandle", {"handle": ["night-bus.example.com"]}),
            ),
        ]
        for did in actors:
            feed = answer("app.bsky.feed.getAuthorFeed", {"actor": [did], "limit": ["100"]})
            checks.append((models.AppBskyFeedGetAuthorFeed.Response, feed))
            query = {"repo": [did], "collection": ["app.bsky.feed.post"], "limit": ["100"]}
            records = answer("com.atproto.repo.listRecords", query)
            checks.append((models.ComAtprotoRepoListRecords.Response, records))
    for model, body in checks:
        assert isinstance(get_or_create(body, model, strict_string_format=True), model)


@pytest.mark.parametrize(
    ("method", "query", "status"),
    [
        ("app.bsky.feed.nope", {}, 501),
        ("app.bsky.actor.getProfile", {}, 400),
        ("app.bsky.actor.getProfile", {"actor": ["nobody.example.com"]}, 400),
        ("app.bsky.feed.getAuthorFeed", {"actor": ["night-bus.example.com"], "limit": ["101"]}, 400),
        ("app.bsky.feed.getAuthorFeed", {"actor": ["night-bus.example.com"], "cursor": ["zzz"]}, 400),
        ("app.bsky.feed.getAuthorFeed", {"actor": ["night-bus.example.com"], "filter": ["best"]}, 400),
        ("com.atproto.identity.resolveHandle", {"handle": ["nobody.example.com"]}, 400),
        ("com.atproto.repo.listRecords", {"repo": ["nobody"], "collection": ["app.bsky.feed.post"]}, 400),
    ],
)
def test_a_wrong_question_is_refused_as_the_real_service_does(
    network: Network, method: str, query: dict[str, list[str]], status: int
) -> None:
    with XrpcServer(network) as running, pytest.raises(Refusal) as refused:
        running.service.answer(method, query)
    assert refused.value.status == status
    assert set(refused.value.body) == {"error", "message"}


def test_paging_gives_every_record_once_in_either_direction(network: Network) -> None:
    did = next(iter(network.accounts))
    with XrpcServer(network) as running:
        for reverse in ("true", "false"):
            query = {
                "repo": [did],
                "collection": ["app.bsky.feed.post"],
                "limit": ["7"],
                "reverse": [reverse],
            }
            keys: list[str] = []
            while page := running.service.answer("com.atproto.repo.listRecords", query)["records"]:
                keys += [each["uri"].rpartition("/")[2] for each in page]
                query["cursor"] = [keys[-1]]
            assert keys == sorted(set(keys), reverse=reverse == "false")
            assert len(keys) == sum(
                each.did == did and not each.is_deleted for each in network.posts.values()
            )
    assert len(METHODS) == 5


# ── what people see ──────────────────────────────────────────────────────────────────────────────────────────────


def demo(store: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    unset = ("BLUESKY_SERVICE", "BLUESKY_HANDLES", "BLUESKY_SINCE")
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.run(
        [sys.executable, str(EXAMPLE / "demo.py"), *arguments],
        env={
            **inherited,
            "PYTHONPATH": str(ROOT / "src"),
            "NACRE_STORE": str(store),
            "NACRE_PLACES": f"s3://lake={store.with_name(f'{store.name}-lake')}",
            "BLUESKY_DUCKDB": str(store / "bluesky.duckdb"),
            "COLUMNS": "80",
            "PYTHONIOENCODING": "utf-8",
            **environment,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.whole
def test_the_demo_shows_the_week_first_and_on_the_second_run_what_it_reused(tmp_path: Path) -> None:
    first, second = demo(tmp_path), demo(tmp_path, PYTHONIOENCODING="ascii")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    lines = first.stdout.splitlines()
    assert lines[0].startswith("Sample data")
    assert [line[:3] for line in lines[3:10]] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert all(len(line) <= 80 for line in lines[3:10])
    assert "Next" in lines
    steps = [
        " ".join(line[4:39].split()) for line in second.stdout.splitlines() if line[:3] in ("  =", "  +")
    ]
    assert steps == [
        "profiles checked",
        "feed checked",
        "posts 60 days reused",
        "daily_engagement 60 days reused",
        "weekly_summary reused",
        "stg_posts reused",
        "account_week reused",
        "posts_ranked reused",
        "hourly reused",
    ]


def test_without_network_the_demo_says_so_in_two_lines_and_offers_the_sample(tmp_path: Path) -> None:
    told = demo(tmp_path, "--me", "ann.bsky.social", BLUESKY_SERVICE="http://127.0.0.1:1")
    assert told.returncode == 1
    assert told.stdout == ""
    first, second = told.stderr.splitlines()
    assert first.startswith("No network: http://127.0.0.1:1 cannot be reached")
    assert "make demo" in second
    assert not tmp_path.joinpath("records.sqlite").exists(), "nothing was built"


@pytest.mark.whole
def test_a_store_that_cannot_be_reached_ends_the_demo_with_one_plain_error(tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nobody"}
    for variable in ("NACRE_STORE", "NACRE_PLACES"):
        there = {variable: "s3://lake/bs" if variable == "NACRE_STORE" else "s3://lake=s3://lake/bs"}
        told = demo(tmp_path, **there, **keys, AWS_ENDPOINT_URL="http://127.0.0.1:1")
        assert told.returncode == 1
        assert "The bucket lake cannot be reached" in told.stderr
        assert "Traceback" not in told.stderr
    # In a folder of its own: a log of changes beside the file would make it whole again.
    damaged = tmp_path / "damaged" / "records.sqlite"
    damaged.parent.mkdir()
    damaged.write_bytes(b"no database" * 1000)
    told = demo(damaged.parent)
    assert told.returncode == 1
    assert told.stderr.startswith(f"The file of the store is damaged\n  file     {damaged}\n")
    assert "Traceback" not in told.stderr


def test_bars_keep_to_the_width_and_start_at_zero() -> None:
    bars = [
        Bar("Mon 20", 4, "4.0", "2 posts"),
        Bar("Tue 21", 0, "-", "0 posts"),
        Bar("Wed 22", 2, "2.0", "1 post"),
    ]
    for blocks in (True, False):
        lines = draw_text(bars, 60, blocks=blocks).splitlines()
        drawn = [line.count("█" if blocks else "#") for line in lines]
        assert max(map(len, lines)) <= 60
        assert drawn == [drawn[0], 0, drawn[0] // 2]


def test_the_picture_is_a_png_of_the_stated_size() -> None:
    picture = draw_png([Bar("Mon", 4, "4.0"), Bar("Tue", 0, "-")])
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    start = picture.index(b"IDAT") + 4
    size = struct.unpack(">I", picture[start - 8 : start - 4])[0]
    assert len(zlib.decompress(picture[start : start + size])) == height * (1 + 3 * width)
