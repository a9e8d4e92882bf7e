"""Reads public ATProto data over HTTP with the ``atproto`` SDK, and turns it into plain rows.

Which service, which accounts and which days come from the environment: ``BLUESKY_SERVICE`` (a URL; the public service
unless set), ``BLUESKY_HANDLES`` (handles with commas between) and ``BLUESKY_SINCE`` (the first day; the days of the
bundled sample unless set). None enters a row, so the same posts are the same data wherever they were read.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from atproto import models
    from atproto_client.exceptions import RequestErrorBase

#: The days of the bundled sample, both included.
SAMPLE_DAYS = ("2026-03-02", "2026-04-30")
PUBLIC_SERVICE = "https://public.api.bsky.app"
#: How far back an author's feed is read, counted from its newest entry.
HISTORY = timedelta(weeks=9)
PAGE_SIZE = 100
ACTORS_PER_REQUEST = 25
TIMEOUT_S = 30.0
#: A rate limit that lifts within this time is waited for; a longer one is reported.
PATIENCE_S = 60.0
#: Dates before this come from broken clocks; imported posts of other networks reach back to the 2000s.
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
#: What the service shows for an account whose domain no longer confirms it.
NO_HANDLE = "handle.invalid"

Answer = TypeVar("Answer", covariant=True)


class Query(Protocol[Answer]):
    """A query of the SDK."""

    def __call__(self, params: dict[str, object], /) -> Answer: ...


class BlueskyError(RuntimeError):
    """The data cannot be had, and asking again will not help."""


class Unavailable(BlueskyError):
    """The service did not answer, or not now: asking again may help."""


def is_worth_retrying(task: object, run: object, state: object) -> bool:
    """Tell the engine whether a failed read may succeed when repeated."""
    result = state.result(raise_on_failure=False)  # type: ignore[attr-defined]  # any State has it
    return isinstance(result, Unavailable)


def service_url() -> str:
    """Return the service to read from."""
    return os.environ.get("BLUESKY_SERVICE", "").rstrip("/") or PUBLIC_SERVICE


def wanted_days() -> tuple[str, str | None]:
    """Return the first and the last day to keep posts of; no last day means up to today."""
    since = os.environ.get("BLUESKY_SINCE", "").strip()
    return (since, None) if since else SAMPLE_DAYS


def wanted_handles() -> list[str]:
    """Return the accounts to read, in the order given, each once.

    Raises:
        BlueskyError: None are given, or one is not a handle.
    """
    given = os.environ.get("BLUESKY_HANDLES", "").split(",")
    handles = list(dict.fromkeys(each.strip().lstrip("@").lower() for each in given if each.strip()))
    if not handles:
        raise BlueskyError("No accounts to read.\n  → BLUESKY_HANDLES=you.bsky.social,friend.example.org")
    for handle in handles:
        if "." not in handle and not handle.startswith("did:"):
            raise BlueskyError(f"{handle!r} is not a handle.\n  → did you mean {handle}.bsky.social?")
    return handles


class Reader:
    """Reads profiles and feeds from one service.

    Args:
        url: The service.
        sleep: Waits out a rate limit.
    """

    def __init__(self, url: str, sleep: Callable[[float], None] = time.sleep) -> None:
        # Importing the SDK costs about two seconds of CPU, so only a step that reads pays for it.
        from atproto import Client, Request

        self._url = url
        self._sleep = sleep
        self._request = Request(timeout=TIMEOUT_S)
        self._app = Client(url, request=self._request).app.bsky

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._request.close()

    def profiles(self, handles: Sequence[str]) -> list[dict[str, object]]:
        """Read accounts.

        Args:
            handles: Handles or DIDs.

        Returns:
            A row per account in the order asked: did, handle, display_name, followers, follows, posts.

        Raises:
            BlueskyError: An account does not exist.
            Unavailable: The service cannot be read now.
        """
        found: list[models.AppBskyActorDefs.ProfileViewDetailed] = []
        for start in range(0, len(handles), ACTORS_PER_REQUEST):
            asked = handles[start : start + ACTORS_PER_REQUEST]
            found += self._ask(self._app.actor.get_profiles, {"actors": list(asked)}).profiles
        # The service leaves out whom it does not know.
        known = {each.handle.lower(): each for each in found} | {each.did: each for each in found}
        if missing := [handle for handle in handles if handle not in known]:
            names = ", ".join(missing)
            hint = "check the spelling: the handle may have changed"
            raise BlueskyError(f"No such account at {self._url}: {names}\n  → {hint}")
        return [_profile_row(known[handle]) for handle in handles]

    def posts(self, did: str) -> Iterator[dict[str, object]]:
        """Read an author's own posts and replies of the last nine weeks of their feed.

        Reposts are somebody else's posts (or a second showing of one's own) and are left out. A feed moves while
        it is read, so a post may come twice: the first one counts.

        Args:
            did: The author.

        Yields:
            A row per post: uri, posted_at, text, language, is_reply, likes, reposts, replies, quotes.

        Raises:
            BlueskyError: The account is gone.
            Unavailable: The service cannot be read now.
        """
        seen: set[str] = set()
        oldest: datetime | None = None
        for item in self._feed(did):
            at = _when(item.reason.indexed_at) if _is_repost(item) else posted_at(item.post)
            oldest = oldest or at - HISTORY
            if at < oldest:
                return
            if _is_repost(item) or item.post.author.did != did or item.post.uri in seen:
                continue
            seen.add(item.post.uri)
            yield _post_row(item)

    def _feed(self, did: str) -> Iterator[models.AppBskyFeedDefs.FeedViewPost]:
        cursor: str | None = None
        while True:
            asked = {"actor": did, "limit": PAGE_SIZE, "filter": "posts_with_replies", "cursor": cursor}
            page = self._ask(self._app.feed.get_author_feed, asked)
            # A page whose posts were all deleted is empty and yet not the last one: only the cursor tells.
            yield from page.feed
            if page.cursor is None or page.cursor == cursor:
                return
            cursor = page.cursor

    def _ask(self, query: Query[Answer], params: dict[str, object]) -> Answer:
        import httpx
        from atproto_client.exceptions import AtProtocolError, RequestErrorBase

        waited_s = 0.0
        while True:
            try:
                return query(params)
            except RequestErrorBase as error:
                waited_s += self._wait_or_raise(error, waited_s)
            except httpx.TransportError as error:
                raise self._unreachable(error) from error
            except AtProtocolError as error:
                what = f"{self._url} answered what the atproto SDK cannot read: {error}"
                raise BlueskyError(f"{what[:500]}\n  → a newer atproto package may know it") from error

    def _wait_or_raise(self, error: RequestErrorBase, waited_s: float) -> float:
        answer = error.response
        if answer is None:
            raise self._unreachable(error) from error
        if answer.status_code == 429:
            delay_s = retry_after_s(answer.headers, time.time())
            if waited_s + delay_s > PATIENCE_S:
                what = f"{self._url} asks to wait {delay_s:.0f} s (rate limit)"
                raise BlueskyError(f"{what}.\n  → run again after that: what is done is kept") from error
            self._sleep(delay_s)
            return delay_s
        if answer.status_code >= 500:
            what = f"{self._url} has trouble: {error}"
            raise Unavailable(f"{what}\n  → run again later: what is done is kept") from error
        raise BlueskyError(f"{self._url} refused: {error}\n  → check the handles") from error

    def _unreachable(self, error: Exception) -> Unavailable:
        reason = error.__cause__ or error
        return Unavailable(f"{self._url} cannot be reached: {reason}\n  → check the network")


def retry_after_s(headers: dict[str, str], now: float) -> float:
    """Read from a 429 how long to wait.

    Args:
        headers: The answer's headers, names in lower case.
        now: Unix time.

    Returns:
        Seconds, at least one: from ``Retry-After``, else from ``RateLimit-Reset``, else five.
    """
    for name, origin in (("retry-after", 0.0), ("ratelimit-reset", now)):
        try:
            return max(1.0, float(headers[name]) - origin)
        except (KeyError, ValueError):
            continue
    return 5.0


def posted_at(post: models.AppBskyFeedDefs.PostView) -> datetime:
    """Decide when a post was posted, in UTC.

    Its own date is the author's claim: it may be far in the future, from a broken clock, or no date at all. The date
    at which the network first saw it bounds the claim from above and replaces one that cannot be.
    """
    indexed = _when(post.indexed_at)
    try:
        claimed = _when(post.record.created_at)
    except (TypeError, ValueError, AttributeError, OverflowError):
        return indexed
    return min(claimed, indexed) if claimed >= EARLIEST else indexed


def _when(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    # The schema demands a time zone; a few clients leave it out and mean UTC.
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _is_repost(item: models.AppBskyFeedDefs.FeedViewPost) -> bool:
    return item.reason is not None and item.reason.py_type == "app.bsky.feed.defs#reasonRepost"


def _profile_row(profile: models.AppBskyActorDefs.ProfileViewDetailed) -> dict[str, object]:
    return {
        "did": profile.did,
        "handle": profile.did if profile.handle == NO_HANDLE else profile.handle,
        "display_name": profile.display_name or "",
        "followers": profile.followers_count or 0,
        "follows": profile.follows_count or 0,
        "posts": profile.posts_count or 0,
    }


def _post_row(item: models.AppBskyFeedDefs.FeedViewPost) -> dict[str, object]:
    post = item.post
    languages = post.record.langs or []
    return {
        "uri": post.uri,
        "posted_at": posted_at(post),
        "text": post.record.text or "",
        "language": languages[0] if languages else None,
        "is_reply": item.reply is not None or post.record.reply is not None,
        "likes": post.like_count or 0,
        "reposts": post.repost_count or 0,
        "replies": post.reply_count or 0,
        "quotes": post.quote_count or 0,
    }
