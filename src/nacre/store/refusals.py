"""What the service of a bucket reports, told as errors of the store. The only place that translates them."""

from __future__ import annotations

import re
from types import TracebackType
from typing import NamedTuple

from nacre.errors import SAFE, NacreError, StoreError, StoreFull, StoreReadOnly, StoreUnavailable

# Compiled when something was refused: every start of nacre loads this module.
_CODE = r"<Code>(\w+)</Code>"
_MESSAGE = r"<Message>([^<]+)</Message>"
_STATUS = r"status code: (\d{3})"
_REQUEST = r"Error performing ([A-Z]+)"
_CAUSE = r'(?:ConnectError\(|error: )"([^"]+)"|message: "([^"]+)"'

_SAID_OF_A_REDIRECT = "redirect without LOCATION"
_WHOLE = "What was stored before is whole."


class _Telling(NamedTuple):
    """How a kind of refusal is told: the error, its sentence, what to do, whether another place helps, what is safe."""

    kind: type[StoreError]
    what: str
    hint: str
    elsewhere: bool = False
    safe: str = SAFE


_NO_BUCKET = _Telling(
    StoreUnavailable,
    "There is no bucket {bucket}",
    "make it, or correct its name: aws s3 mb s3://{bucket}",
    elsewhere=True,
)
_SKEWED = _Telling(
    StoreUnavailable,
    "The clock of this machine is not the service's",
    "set the clock, for example with NTP, and run again",
)
_NOT_OURS = _Telling(
    StoreReadOnly,
    "The credentials for the bucket {bucket} are not accepted",
    "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_PROFILE",
    elsewhere=True,
)
_FORBIDDEN = _Telling(
    StoreReadOnly,
    "There is no permission to {verb} the bucket {bucket}",
    "the policy of these credentials must allow {needed} here",
    elsewhere=True,
)
_SERVED_ELSEWHERE = _Telling(
    StoreUnavailable,
    "The bucket {bucket} is served elsewhere",
    "set AWS_REGION to the bucket's region, or AWS_ENDPOINT_URL to its service",
)
_FULL = _Telling(
    StoreFull, "No space is left in the bucket {bucket}", "free some space and run again", safe=_WHOLE
)
_FAILED = _Telling(
    StoreUnavailable,
    "The service of the bucket {bucket} could not do it",
    "run again; if it stays so, ask whoever runs the service",
    safe=_WHOLE,
)
_NOT_S3 = _Telling(
    StoreUnavailable,
    "The endpoint does not answer as S3 does",
    "look at AWS_ENDPOINT_URL: a web server or a proxy's page answers there",
    elsewhere=True,
    safe=_WHOLE,
)
_SILENT = _Telling(
    StoreUnavailable,
    "The bucket {bucket} cannot be reached",
    "look at AWS_ENDPOINT_URL and the network, and run again",
    elsewhere=True,
    safe=_WHOLE,
)
_BY_CODE = {
    "AuthFailure": _NOT_OURS,
    "AuthorizationHeaderMalformed": _SERVED_ELSEWHERE,
    "ExpiredToken": _NOT_OURS,
    "InvalidAccessKeyId": _NOT_OURS,
    "InvalidBucketName": _NO_BUCKET,
    "InvalidToken": _NOT_OURS,
    "NoSuchBucket": _NO_BUCKET,
    "PermanentRedirect": _SERVED_ELSEWHERE,
    "QuotaExceeded": _FULL,
    "RequestExpired": _SKEWED,
    "RequestTimeTooSkewed": _SKEWED,
    "SignatureDoesNotMatch": _NOT_OURS,
    "TemporaryRedirect": _SERVED_ELSEWHERE,
}
_BY_STATUS = {0: _SILENT, 301: _SERVED_ELSEWHERE, 401: _NOT_OURS, 403: _FORBIDDEN, 507: _FULL}
_NEEDED = {
    "GET": "s3:GetObject and s3:ListBucket",
    "HEAD": "s3:GetObject and s3:ListBucket",
    "DELETE": "s3:DeleteObject",
}


#: How a place's trouble offers to do without it; whoever knows the key may know better.
MAPPING = "or map it to a folder, in nacre.toml: places = "


def map_to_folder(start: str) -> str:
    """Offer the line that lets a beginning of keys, such as ``s3://lake``, stand for a folder of the project."""
    return f'{MAPPING}{{"{start}" = "./{start.rstrip("/").rpartition("/")[2]}"}}'


class Site(NamedTuple):
    """Where requests go, as errors name it.

    Args:
        url: Such as ``s3://lake/bluesky``.
        endpoint: The service that answers for it.
        is_store: True for the store itself, False for a place that a key names.
    """

    url: str
    endpoint: str = ""
    is_store: bool = False

    @property
    def bucket(self) -> str:
        """The bucket's own name."""
        return self.url.partition("://")[2].partition("/")[0]

    def facts(self, problem: object = "") -> dict[str, object]:
        """What an error says about it."""
        label = "store" if self.is_store else "place"
        return {label: self.url, "bucket": self.bucket, "endpoint": self.endpoint, "problem": problem}

    @property
    def elsewhere(self) -> str:
        """How to do without it."""
        if self.is_store:
            return "or keep versions in a folder: NACRE_STORE=.nacre"
        scheme = self.url.partition("://")[0]
        return map_to_folder(f"{scheme}://{self.bucket}")


class Reported(NamedTuple):
    """What can be read off an error of the client library, whose own classes tell little apart.

    Args:
        code: The service's own code, such as ``AccessDenied``; empty where it sent none.
        status: The status of the answer; 0 where there was none.
        method: Of the request.
        problem: One line for people.
    """

    code: str
    status: int
    method: str
    problem: str


def read_off(error: BaseException) -> Reported:
    """Read what a client's error says; its text carries the answer of the service."""
    text = str(error)
    code = "PermanentRedirect" if _SAID_OF_A_REDIRECT in text else ""
    code = found[1] if (found := re.search(_CODE, text)) else code
    status = int(found[1]) if (found := re.search(_STATUS, text)) else 0
    method = found[1] if (found := re.search(_REQUEST, text)) else ""
    if code and status:
        said = found[1].strip().rstrip(".") if (found := re.search(_MESSAGE, text)) else ""
        problem = f"{code}: {said}" if said else code
    elif status:
        problem = text.partition("status code: ")[2].splitlines()[0].rstrip(": ")
    else:
        cause = next((a or b for a, b in re.findall(_CAUSE, text)), "")
        cause = cause or ("no answer in time" if "TimedOut" in text else "")
        problem = cause or text.splitlines()[0].rpartition(" - ")[2]
    return Reported(code, status, method, problem)


def no_credentials(site: Site, problem: str, hint: str = "") -> StoreReadOnly:
    """The error of a bucket for which this process has no credentials; no request was made."""
    given = hint or "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    return StoreReadOnly(
        f"There are no credentials for the bucket {site.bucket}",
        site.facts(problem),
        (given, site.elsewhere, SAFE),
    )


def from_client(error: BaseException, site: Site) -> StoreError:
    """Translate what the client library raised about a request."""
    told = read_off(error)
    # What serves S3 may itself be behind a server that tells its absence by a page.
    is_page = not told.code and told.status not in (500, 502, 503, 504) and "<html" in str(error).lower()
    telling = _NOT_S3 if is_page else _BY_CODE.get(told.code) or _BY_STATUS.get(told.status, _FAILED)
    words = {
        "bucket": site.bucket,
        "verb": "read" if told.method in ("GET", "HEAD") else "write to",
        "needed": _NEEDED.get(told.method, "s3:PutObject"),
    }
    hint = [telling.hint.format(**words), *([site.elsewhere] if telling.elsewhere else []), telling.safe]
    return telling.kind(telling.what.format(**words), site.facts(told.problem), hint)


def not_s3(site: Site, problem: str) -> StoreError:
    """The error of an endpoint that answered a request well, but with something that S3 would never send."""
    hint = [_NOT_S3.hint, site.elsewhere, SAFE]
    return _NOT_S3.kind(_NOT_S3.what, site.facts(problem), hint)


def says_no_bucket(error: BaseException) -> bool:
    """Whether the bucket is missing, which the client library does not tell from a missing object."""
    return _BY_CODE.get(read_off(error).code) is _NO_BUCKET


class answered:
    """Run a block of requests, in which errors of the client library become errors of the store.

    FileNotFoundError of an object passes unchanged; that of a bucket does not.

    Args:
        site: Where the requests go; named in the error.
    """

    __slots__ = ("site",)

    def __init__(self, site: Site) -> None:
        self.site = site

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, NacreError):
            return
        if isinstance(error, FileNotFoundError):
            if says_no_bucket(error):
                raise from_client(error, self.site) from None
        elif is_clients(error):
            # Its own text is a page of the client's insides, of which the new error has what matters.
            raise from_client(error, self.site) from None


def is_clients(error: BaseException) -> bool:
    """Whether an error is the client library's, told by where its class lives: importing it costs 40 ms.

    Its writers raise an OSError without a number instead, with the same text.
    """
    if type(error) is OSError and error.errno is None and str(error).startswith("Generic "):
        return True
    return any(kind.__module__ == "obstore.exceptions" for kind in type(error).__mro__)
