"""A small ATProto service on loopback: serves a ``Network`` in the real schemas, as public.api.bsky.app does.

It is the demo's source. It answers reads only, keeps nothing, and never talks to another machine. What it answers
is what the network held at that moment, so a test may change the network between two requests.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from sample import Account, FeedItem, Network, Post, iso

MAX_LIMIT = 100
DEFAULT_LIMIT = 50
MAX_ACTORS = 25

Query = Mapping[str, Sequence[str]]
Json = dict[str, object]


class Refusal(Exception):
    """An answer other than 200.

    Args:
        status: The HTTP status.
        error: The short name of the error, as in the schemas.
        text: What a person reads.
        headers: Further headers, such as ``Retry-After``.
    """

    def __init__(self, status: int, error: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.body: Json = {"error": error, "message": text}
        self.headers = dict(headers or {})


def _invalid(text: str) -> Refusal:
    return Refusal(400, "InvalidRequest", text)


def _one(query: Query, name: str) -> str:
    values = query.get(name)
    if not values:
        raise _invalid(f'Params must have the property "{name}"')
    return values[0]


def _limit(query: Query) -> int:
    given = query.get("limit", [str(DEFAULT_LIMIT)])[0]
    if not given.isdigit() or not 1 <= int(given) <= MAX_LIMIT:
        raise _invalid(f"limit must be a whole number from 1 to {MAX_LIMIT}, got {given}")
    return int(given)


@dataclass(slots=True)
class Service:
    """Answers the queries of one network.

    Args:
        network: What there is to serve.
        refusals: Given out first, one per request: for tests of what goes wrong.
        asked: The method of every request so far, in order.
    """

    network: Network
    refusals: deque[Refusal] = field(default_factory=deque)
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, query: Query) -> Json:
        """Answer one query.

        Args:
            method: The method's name, such as ``app.bsky.feed.getAuthorFeed``.
            query: Parameters, each with all its values.

        Raises:
            Refusal: The answer is an error.
        """
        self.asked.append(method)
        if self.refusals:
            raise self.refusals.popleft()
        if method not in METHODS:
            raise Refusal(501, "MethodNotImplemented", "Method Not Implemented")
        return METHODS[method](self, query)

    def get_profile(self, query: Query) -> Json:
        """Answer ``app.bsky.actor.getProfile``."""
        return self._profile(self._account(_one(query, "actor")))

    def get_profiles(self, query: Query) -> Json:
        """Answer ``app.bsky.actor.getProfiles``; unknown actors are left out, as the real service does."""
        actors = query.get("actors", ())
        if len(actors) > MAX_ACTORS:
            raise _invalid(f"actors must not have more than {MAX_ACTORS} elements")
        found = [account for actor in actors if (account := self.network.find(actor))]
        return {"profiles": [self._profile(account) for account in found]}

    def get_author_feed(self, query: Query) -> Json:
        """Answer ``app.bsky.feed.getAuthorFeed``: newest first, deleted posts missing from their page."""
        account = self._account(_one(query, "actor"))
        kind = query.get("filter", ["posts_with_replies"])[0]
        if kind not in FILTERS:
            raise _invalid(f"filter must be one of {', '.join(FILTERS)}, got {kind}")
        items = [each for each in self.network.feeds[account.did] if FILTERS[kind](each)]
        if cursor := query.get("cursor"):
            last = _decode(cursor[0])
            items = [each for each in items if _position(each) < last]
        limit = _limit(query)
        page = items[:limit]
        answer: Json = {
            "feed": [self._feed_item(account, each) for each in page if not each.post.is_deleted],
        }
        if len(items) > limit:
            answer["cursor"] = "{}::{}".format(*_position(page[-1]))
        return answer

    def resolve_handle(self, query: Query) -> Json:
        """Answer ``com.atproto.identity.resolveHandle``."""
        account = self.network.find(_one(query, "handle"))
        if account is None:
            raise _invalid("Unable to resolve handle")
        return {"did": account.did}

    def list_records(self, query: Query) -> Json:
        """Answer ``com.atproto.repo.listRecords`` for posts: newest first unless ``reverse``."""
        repo = _one(query, "repo")
        account = self.network.find(repo)
        if account is None:
            raise _invalid(f"Could not find repo: {repo}")
        written: list[Post] = []
        if _one(query, "collection") == "app.bsky.feed.post":
            is_theirs = (each for each in self.network.posts.values() if each.did == account.did)
            written = [each for each in is_theirs if not each.is_deleted]
        oldest_first = query.get("reverse", ["false"])[0] == "true"
        if cursor := query.get("cursor"):
            last = cursor[0]
            written = [
                each for each in written if (_rkey(each) > last) is oldest_first and _rkey(each) != last
            ]
        written.sort(key=_rkey, reverse=not oldest_first)
        page = written[: _limit(query)]
        records = [{"uri": each.uri, "cid": each.cid, "value": each.record} for each in page]
        return {"records": records, **({"cursor": _rkey(page[-1])} if page else {})}

    def _account(self, actor: str) -> Account:
        account = self.network.find(actor)
        if account is None:
            raise _invalid("Profile not found")
        return account

    def _profile(self, account: Account) -> Json:
        n_posts = sum(each.did == account.did and not each.is_deleted for each in self.network.posts.values())
        return {
            **_author(account),
            "followersCount": account.followers,
            "followsCount": account.follows,
            "postsCount": n_posts,
            "indexedAt": "2026-03-01T00:00:00.000Z",
        }

    def _feed_item(self, account: Account, item: FeedItem) -> Json:
        view: Json = {"post": self._post(item.post)}
        if item.reposted_at:
            view["reason"] = {
                "$type": "app.bsky.feed.defs#reasonRepost",
                "by": _author(account),
                "indexedAt": iso(item.reposted_at),
            }
        reply = item.post.record.get("reply")
        if isinstance(reply, dict):
            view["reply"] = {end: self._reply_end(reply[end]["uri"]) for end in ("root", "parent")}
        return view

    def _reply_end(self, uri: str) -> Json:
        parent = self.network.posts.get(uri)
        if parent is None or parent.is_deleted:
            return {"$type": "app.bsky.feed.defs#notFoundPost", "uri": uri, "notFound": True}
        if uri in self.network.blocked:
            kind = "app.bsky.feed.defs#blockedPost"
            return {"$type": kind, "uri": uri, "blocked": True, "author": {"did": parent.did}}
        return {"$type": "app.bsky.feed.defs#postView", **self._post(parent)}

    def _post(self, post: Post) -> Json:
        view: Json = {
            "uri": post.uri,
            "cid": post.cid,
            "author": _author(self.network.accounts[post.did]),
            "record": post.record,
            "indexedAt": iso(post.indexed_at),
            "likeCount": post.likes,
            "repostCount": post.reposts,
            "replyCount": post.replies,
            "quoteCount": post.quotes,
            "labels": [],
        }
        embed = post.record.get("embed")
        if isinstance(embed, dict):
            picture = "http://127.0.0.1/no-picture-in-the-sample.jpg"
            images = [{"thumb": picture, "fullsize": picture, "alt": each["alt"]} for each in embed["images"]]
            view["embed"] = {"$type": "app.bsky.embed.images#view", "images": images}
        return view


def _author(account: Account) -> Json:
    return {
        "did": account.did,
        "handle": account.handle,
        "displayName": account.display_name,
        "labels": [],
    }


def _position(item: FeedItem) -> tuple[int, str]:
    return round(item.at.timestamp() * 1000), item.post.cid


def _decode(cursor: str) -> tuple[int, str]:
    millis, separator, cid = cursor.partition("::")
    if not separator or not millis.isdigit():
        raise _invalid("Malformed cursor")
    return int(millis), cid


def _rkey(post: Post) -> str:
    return post.uri.rpartition("/")[2]


def _is_own_thread(item: FeedItem) -> bool:
    reply = item.post.record.get("reply")
    if item.reposted_at or not isinstance(reply, dict):
        return True
    return f"at://{item.post.did}/" in str(reply["parent"]["uri"])


METHODS: Mapping[str, Callable[[Service, Query], Json]] = {
    "app.bsky.actor.getProfile": Service.get_profile,
    "app.bsky.actor.getProfiles": Service.get_profiles,
    "app.bsky.feed.getAuthorFeed": Service.get_author_feed,
    "com.atproto.identity.resolveHandle": Service.resolve_handle,
    "com.atproto.repo.listRecords": Service.list_records,
}
FILTERS: Mapping[str, Callable[[FeedItem], bool]] = {
    "posts_with_replies": lambda _: True,
    "posts_no_replies": lambda item: bool(item.reposted_at) or "reply" not in item.post.record,
    "posts_and_author_threads": _is_own_thread,
    "posts_with_media": lambda item: not item.reposted_at and "embed" in item.post.record,
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A body that follows its headers in a packet of its own waits 40 ms for the first one's acknowledgement.
    wbufsize = -1
    service: ClassVar[Service]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        headers: Mapping[str, str] = {}
        body: Json
        try:
            if not parts.path.startswith("/xrpc/"):
                raise Refusal(404, "NotFound", "Only /xrpc/ lives here")
            body = self.service.answer(parts.path.removeprefix("/xrpc/"), parse_qs(parts.query))
            status = 200
        except Refusal as refusal:
            status, body, headers = refusal.status, refusal.body, refusal.headers
        self._send(status, body, headers)

    def do_POST(self) -> None:
        self.close_connection = True
        self._send(501, {"error": "MethodNotImplemented", "message": "This service answers reads only"}, {})

    def _send(self, status: int, body: Json, headers: Mapping[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the demo's terminal is for the user's data."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class XrpcServer:
    """Serves a network on 127.0.0.1, on a port the system chooses, while the ``with`` block lasts.

    Args:
        network: What to serve.
    """

    def __init__(self, network: Network) -> None:
        self.service = Service(network)
        handler = type("_BoundHandler", (_Handler,), {"service": self.service})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> XrpcServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
