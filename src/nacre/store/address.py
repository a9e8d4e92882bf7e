"""The URL of a bucket, taken apart. Pure."""

from __future__ import annotations

from typing import NamedTuple

from nacre.errors import UsageError
from nacre.keys import odd_segment
from nacre.store.services import SERVICES

_STARTS = tuple(f"{scheme}://" for scheme in SERVICES)


class Address(NamedTuple):
    """A bucket and where in it: ``prefix`` has no slash at either end."""

    scheme: str
    bucket: str
    prefix: str

    @property
    def url(self) -> str:
        """As a person writes it."""
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")

    def folder(self, name: str) -> str:
        """Where in the bucket a folder below the prefix lies.

        >>> parse("gs://lake/team").folder("records")
        'team/records'
        """
        return f"{self.prefix}/{name}".lstrip("/")


def is_bucket(url: str) -> bool:
    """Whether a location is in a bucket, judged by its scheme."""
    return url.startswith(_STARTS)


def parse(url: str) -> Address:
    """Split the URL of a bucket.

    Args:
        url: ``s3://bucket``, ``gs://bucket/prefix`` or ``az://container/prefix``.

    Raises:
        UsageError: It has another scheme, no bucket, or a part that can name nothing.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme not in SERVICES:
        hint = (
            f"give one of {', '.join(_STARTS)}; other services that speak S3 are reached by AWS_ENDPOINT_URL"
        )
        raise UsageError(f"There is no driver for {scheme}:// buckets", {"url": url}, hint)
    if not bucket:
        raise UsageError(
            "That is not the URL of a bucket",
            {"url": url},
            f"give {scheme}://{SERVICES[scheme].bucket}/prefix",
        )
    if (odd := odd_segment(rest)) is not None:
        meant = f"write the path that is meant, such as {scheme}://{bucket}/prefix"
        raise UsageError(f"The URL of a bucket cannot have the part {odd!r}", {"url": url}, meant)
    return Address(scheme, bucket, prefix.rstrip("/"))
