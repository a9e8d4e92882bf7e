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

_SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_NO_BUCKET = frozenset({"NoSuchBucket", "InvalidBucketName"})
_NOT_OURS = frozenset(
    {"AuthFailure", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"}
)
_ELSEWHERE = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect"})
_FULL = frozenset({"QuotaExceeded", "StorageFull", "TooManyBuckets", "XMinioStorageFull"})
_WHOLE = "What was stored before is whole."


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
        return (
            f'or map it to a folder, in nacre.toml: [places]  "{scheme}://{self.bucket}" = "./{self.bucket}"'
        )


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
    code = found[1] if (found := re.search(_CODE, text)) else ""
    status = int(found[1]) if (found := re.search(_STATUS, text)) else 0
    method = found[1] if (found := re.search(_REQUEST, text)) else ""
    if code:
        said = found[1].strip().rstrip(".") if (found := re.search(_MESSAGE, text)) else ""
        problem = f"{code}: {said}" if said else code
    elif status:
        problem = text.partition("status code: ")[2].splitlines()[0].rstrip(": ")
    else:
        cause = next((a or b for a, b in re.findall(_CAUSE, text)), "")
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
    facts = site.facts(told.problem)
    if told.code in _NO_BUCKET:
        hint = f"make it, or correct its name: aws s3 mb s3://{site.bucket}"
        return StoreUnavailable(f"There is no bucket {site.bucket}", facts, (hint, site.elsewhere, SAFE))
    if told.code in _SKEWED:
        hint = "set the clock, for example with NTP, and run again"
        return StoreUnavailable("The clock of this machine is not the service's", facts, (hint, SAFE))
    if told.code in _NOT_OURS or told.status == 401:
        hint = "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_PROFILE"
        what = f"The credentials for the bucket {site.bucket} are not accepted"
        return StoreReadOnly(what, facts, (hint, site.elsewhere, SAFE))
    if told.status == 403:
        return _forbidden(told, site)
    if told.code in _ELSEWHERE or told.status in (301, 307):
        hint = "set AWS_REGION to the bucket's region, or AWS_ENDPOINT_URL to its service"
        return StoreUnavailable(f"The bucket {site.bucket} is served elsewhere", facts, (hint, SAFE))
    if told.code in _FULL or told.status == 507:
        return StoreFull("No space is left in the bucket", facts, ("free some space and run again", _WHOLE))
    if told.status:
        hint = "run again; if it stays so, ask whoever runs the service"
        return StoreUnavailable("The bucket's service could not do it", facts, (hint, _WHOLE))
    hint = "look at AWS_ENDPOINT_URL and the network, and run again"
    what = f"The bucket {site.bucket} cannot be reached"
    return StoreUnavailable(what, facts, (hint, site.elsewhere, _WHOLE))


def _forbidden(told: Reported, site: Site) -> StoreReadOnly:
    verb = "read" if told.method in ("GET", "HEAD") else "write to"
    needed = {"GET": "s3:GetObject and s3:ListBucket", "HEAD": "s3:GetObject", "DELETE": "s3:DeleteObject"}
    hint = f"the policy of these credentials must allow {needed.get(told.method, 's3:PutObject')} here"
    return StoreReadOnly(
        f"There is no permission to {verb} the bucket {site.bucket}",
        site.facts(told.problem),
        (hint, site.elsewhere, SAFE),
    )


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
            if read_off(error).code in _NO_BUCKET:
                raise from_client(error, self.site) from error
        elif is_clients(error):
            raise from_client(error, self.site) from error


def is_clients(error: BaseException) -> bool:
    """Whether an error is the client library's, told by where its class lives: importing it costs 40 ms."""
    return any(kind.__module__ == "obstore.exceptions" for kind in type(error).__mro__)
