"""The services that buckets lie at: what each is called, what it needs, how it compares. Pure: a table to look up."""

from __future__ import annotations

from typing import NamedTuple


class Service(NamedTuple):
    """What is true of all buckets of one scheme.

    Args:
        scheme: Of their URLs.
        name: As a person calls the service.
        bucket: Its own word for a bucket.
        make: The command that makes one; ``{bucket}`` stands for its name.
        identity: Where a person looks when the credentials are wrong.
        endpoint: Where a person looks when nothing answers.
        elsewhere: What to do about a bucket that is served from another place.
        reads: The permissions that reading takes.
        writes: Those that writing takes.
        deletes: Those that deleting takes.
        max_copy_bytes: The most that it copies at once without the bytes passing through here; 0 for no limit.
        has_generations: True where conditions name a generation, which only GET, HEAD and PUT tell, and not the ETag.
        quotes_etags: True where an ETag in a condition keeps its quotes; else it is sent bare, as Ceph needs it.
        init_backoff_ms: How long a refused request waits before it is sent again; doubled each time.
        more_retries: How much more often than elsewhere it is sent again.
    """

    scheme: str
    name: str
    bucket: str
    make: str
    identity: str
    endpoint: str
    elsewhere: str
    reads: str
    writes: str
    deletes: str
    max_copy_bytes: int = 0
    has_generations: bool = False
    quotes_etags: bool = False
    init_backoff_ms: int = 50
    more_retries: int = 0

    def needed(self, method: str) -> str:
        """The permissions that a request takes."""
        return {"GET": self.reads, "HEAD": self.reads, "DELETE": self.deletes}.get(method, self.writes)


S3 = Service(
    scheme="s3",
    name="S3",
    bucket="bucket",
    make="aws s3 mb s3://{bucket}",
    identity="AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_PROFILE",
    endpoint="AWS_ENDPOINT_URL",
    elsewhere="set AWS_REGION to the bucket's region, or AWS_ENDPOINT_URL to its service",
    reads="s3:GetObject and s3:ListBucket",
    writes="s3:PutObject",
    deletes="s3:DeleteObject",
    max_copy_bytes=5 * 1024**3,
)
#: One object takes about one write a second there, and who is faster is asked to wait: hence the patience.
GOOGLE = Service(
    scheme="gs",
    name="Google Cloud Storage",
    bucket="bucket",
    make="gcloud storage buckets create gs://{bucket}",
    identity="GOOGLE_APPLICATION_CREDENTIALS and GOOGLE_BEARER_TOKEN",
    endpoint="STORAGE_EMULATOR_HOST",
    elsewhere="unset STORAGE_EMULATOR_HOST, or correct it",
    reads="storage.objects.get and storage.objects.list",
    writes="storage.objects.create and storage.objects.delete (to replace)",
    deletes="storage.objects.delete",
    has_generations=True,
    init_backoff_ms=250,
    more_retries=2,
)
AZURE = Service(
    scheme="az",
    name="Azure Blob Storage",
    bucket="container",
    make="az storage container create --name {bucket}",
    identity="AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY",
    endpoint="AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_ENDPOINT",
    elsewhere="set AZURE_STORAGE_ENDPOINT to the account's own endpoint",
    reads="the role Storage Blob Data Reader",
    writes="the role Storage Blob Data Contributor",
    deletes="the role Storage Blob Data Contributor",
    quotes_etags=True,
)
SERVICES: dict[str, Service] = {each.scheme: each for each in (S3, GOOGLE, AZURE)}
