"""The bundled sample: two months of a small, invented ATProto network, the same on every machine and every day.

Nobody here exists: handles lie below ``example.com``, which is reserved for examples, and every display name ends
in "(sample)". The sample holds what real feeds hold and pipelines trip over: replies, reposts of others and of
oneself, posts without text or language, other time zones, clocks far in the future, deleted and blocked posts.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

FIRST_DAY = datetime(2026, 3, 2, tzinfo=UTC)
N_DAYS = 60
SEED = 20260302

_Draw = Callable[[], float]


class _Member(NamedTuple):
    handle: str
    name: str
    #: Posts per day, and likes of a typical post.
    rate: float
    likes: float
    followers: int
    langs: tuple[str, ...] = ("en",)
    topics: tuple[str, ...] = ()


_CAST = (
    _Member(
        "tidepool-lab.example.com",
        "Tidepool Lab (sample)",
        rate=3.2,
        likes=24,
        followers=8_412,
        topics=("anemones", "a very patient limpet", "the spring tide", "field notes", "a new dive camera"),
    ),
    _Member(
        "harbour-bakery.example.com",
        "Harbour Bakery (sample)",
        rate=2.1,
        likes=11,
        followers=1_934,
        langs=("en", "de"),
        topics=("rye bread", "the early shift", "cinnamon knots", "our old oven", "the market stall"),
    ),
    _Member(
        "night-bus.example.com",
        "Night Bus Notes (sample)",
        rate=1.4,
        likes=37,
        followers=5_120,
        topics=("line 14 at 3 am", "fogged windows", "the last passenger", "rain", "a lost umbrella"),
    ),
    _Member(
        "quiet-garden.example.com",
        "Quiet Garden (sample)",
        rate=0.5,
        likes=6,
        followers=288,
        langs=("pt", "en"),
        topics=("the first tomatoes", "compost", "a robin", "pruning", "seed swaps"),
    ),
    _Member("new-here.example.com", "Just Arrived (sample)", rate=0, likes=0, followers=3),
)
_OPENINGS = ("Today:", "Still thinking about", "A thread on", "Small joy:", "Question about", "More on")
#: Monday to Sunday: people read at different times.
_WEEKDAY = (0.9, 1.05, 1.35, 1.15, 0.8, 0.55, 0.7)


@dataclass(slots=True)
class Account:
    """An account as its profile shows it."""

    did: str
    handle: str
    display_name: str
    followers: int
    follows: int


@dataclass(slots=True)
class Post:
    """A post record and what has happened to it since.

    Args:
        uri: Its ``at://`` address.
        cid: Digest of the record.
        did: Who wrote it.
        record: The record as written, in the schema ``app.bsky.feed.post``.
        indexed_at: When the network first saw it, or its own date where that is earlier; aware UTC.
        is_deleted: Gone from every feed; its place in a page stays empty.
    """

    uri: str
    cid: str
    did: str
    record: dict[str, object]
    indexed_at: datetime
    likes: int = 0
    reposts: int = 0
    replies: int = 0
    quotes: int = 0
    is_deleted: bool = False


@dataclass(slots=True)
class FeedItem:
    """One line of an author's feed: a post of theirs, or a repost of anybody's."""

    post: Post
    reposted_at: datetime | None = None

    @property
    def at(self) -> datetime:
        """When it entered the feed."""
        return self.reposted_at or self.post.indexed_at


@dataclass(slots=True)
class Network:
    """Accounts by DID, posts by address and each account's feed, newest first."""

    accounts: dict[str, Account] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    feeds: dict[str, list[FeedItem]] = field(default_factory=dict)
    #: Addresses of posts whose author blocked the reader.
    blocked: set[str] = field(default_factory=set)

    def find(self, actor: str) -> Account | None:
        """Return the account with this handle or DID."""
        if actor in self.accounts:
            return self.accounts[actor]
        return next((each for each in self.accounts.values() if each.handle == actor), None)

    def add_account(self, handle: str, display_name: str, followers: int = 0) -> Account:
        """Register an account with an empty feed."""
        account = Account(make_did(handle), handle, display_name, followers, follows=followers // 9)
        self.accounts[account.did] = account
        self.feeds[account.did] = []
        return account

    def add_post(self, account: Account, at: datetime, **record: object) -> Post:
        """Write a post and put it into its author's feed.

        Args:
            account: The author.
            at: When the network saw it, aware.
            record: Fields of the record; ``createdAt`` and ``text`` have defaults.
        """
        written: dict[str, object] = {
            "$type": "app.bsky.feed.post",
            "text": "",
            "createdAt": iso(at),
            **record,
        }
        uri = f"at://{account.did}/app.bsky.feed.post/{make_tid(at)}"
        post = Post(uri, make_cid(written), account.did, written, at.astimezone(UTC))
        self.posts[uri] = post
        self._place(account, FeedItem(post))
        return post

    def add_repost(self, account: Account, post: Post, at: datetime) -> None:
        """Repost a post into an account's feed."""
        post.reposts += 1
        self._place(account, FeedItem(post, reposted_at=at))

    def _place(self, account: Account, item: FeedItem) -> None:
        feed = self.feeds[account.did]
        feed.append(item)
        feed.sort(key=lambda each: (each.at, each.post.cid), reverse=True)


def iso(at: datetime) -> str:
    """Write an instant as ATProto does: UTC, milliseconds, ``Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def make_did(handle: str) -> str:
    """Derive a well-formed ``did:plc`` from a handle."""
    digest = hashlib.sha256(handle.encode()).digest()
    return "did:plc:" + base64.b32encode(digest).decode().lower()[:24]


def make_cid(record: dict[str, object]) -> str:
    """Derive a well-formed CID (version 1, dag-cbor, SHA-256) from a record's JSON."""
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).digest()
    return "b" + base64.b32encode(b"\x01\x71\x12\x20" + digest).decode().lower().rstrip("=")


def make_tid(at: datetime) -> str:
    """Write an instant as a record key: microseconds in 13 sortable base-32 digits."""
    alphabet = "234567abcdefghijklmnopqrstuvwxyz"
    number = round(at.timestamp() * 1_000_000) << 10
    return "".join(alphabet[number >> shift & 31] for shift in range(60, -1, -5))


def make_sample() -> Network:
    """Build the sample: the same network on every call."""
    # random() is the one generator whose numbers Python promises to keep between versions.
    draw = random.Random(SEED).random
    network = Network()
    accounts = [network.add_account(member.handle, member.name, member.followers) for member in _CAST]
    for day in range(N_DAYS):
        for account, member in zip(accounts, _CAST, strict=True):
            for at in _times(day, member.rate, draw):
                _write(network, account, member, at, draw)
    _reply_to_each_other(network, draw)
    _repost(network, accounts[:-1], draw)
    return network


def _times(day: int, rate: float, draw: _Draw) -> list[datetime]:
    n_posts = int(rate + draw()) if rate and draw() < 0.85 else 0
    midnight = FIRST_DAY + timedelta(days=day)
    return [midnight + timedelta(milliseconds=int((6 + 17 * draw()) * 3_600_000)) for _ in range(n_posts)]


def _write(network: Network, account: Account, member: _Member, at: datetime, draw: _Draw) -> None:
    topic = member.topics[int(draw() * len(member.topics))]
    record: dict[str, object] = {"text": f"{_OPENINGS[int(draw() * len(_OPENINGS))]} {topic}"}
    if draw() < 0.9:
        record["langs"] = [member.langs[int(draw() ** 2 * len(member.langs))]]
    kind = draw()
    if kind < 0.06:
        record |= {"text": "", "embed": _picture(topic)}
    elif kind < 0.10:
        record["createdAt"] = at.astimezone(timezone(timedelta(hours=2))).isoformat(timespec="seconds")
    elif kind < 0.11:
        record["createdAt"] = "2087-01-01T00:00:00.000Z"
    post = network.add_post(account, at, **record)
    # Exponential: most posts do little, a few do very well.
    luck = -math.log(1 - draw())
    post.likes = int(member.likes * _WEEKDAY[at.weekday()] * luck)
    post.quotes = int(post.likes * 0.04 * draw())
    post.is_deleted = draw() < 0.015


def _picture(alt: str) -> dict[str, object]:
    blob = {
        "$type": "blob",
        "ref": {"$link": make_cid({"picture": alt})},
        "mimeType": "image/jpeg",
        "size": 24_576,
    }
    return {"$type": "app.bsky.embed.images", "images": [{"alt": alt, "image": blob}]}


def _reply_to_each_other(network: Network, draw: _Draw) -> None:
    """Turn some posts into replies: to others, to oneself, to deleted posts and to people who block."""
    ordered = sorted(network.posts.values(), key=lambda each: each.indexed_at)
    for position, post in enumerate(ordered[20:], start=20):
        if draw() > 0.22:
            continue
        parent = ordered[position - 1 - int(draw() * 19)]
        target = {"uri": parent.uri, "cid": parent.cid}
        post.record["reply"] = {"root": target, "parent": target}
        post.cid = make_cid(post.record)
        parent.replies += 1
        if parent.did != post.did and draw() < 0.03:
            network.blocked.add(parent.uri)


def _repost(network: Network, accounts: Sequence[Account], draw: _Draw) -> None:
    ordered = sorted(network.posts.values(), key=lambda each: each.indexed_at)
    for post in ordered:
        for account in accounts:
            if draw() < 0.03:
                network.add_repost(account, post, post.indexed_at + timedelta(hours=1 + int(draw() * 30)))
        # Reposts by accounts that are not in the sample show in the count only.
        post.reposts += int(post.likes * 0.15 * draw())
