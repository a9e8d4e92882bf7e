"""From an access to a connection of the client library."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from nacre.store.credentials.access import Access
from nacre.store.services import Service

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

    Client = S3Store | GCSStore | AzureStore


class Patience(NamedTuple):
    """How long a request may take, in seconds, and how often it is sent again where it failed for the moment."""

    connect_s: float
    request_s: float
    retry_s: float
    backoff_s: float
    max_retries: int


def connected(service: Service, bucket: str, access: Access, patience: Patience) -> Client:
    """The connection to a bucket; one for each bucket and identity, so that what goes to the same one is known to.

    Raises:
        obstore.exceptions.BaseError: The settings are none that the client library takes.
    """
    key = (service.scheme, bucket, access)
    client = _connected.get(key)
    if client is None:
        client = _connected[key] = _client(service, bucket, access, patience)
    return client


_connected: dict[tuple[str, str, Access], Client] = {}


def _client(service: Service, bucket: str, access: Access, patience: Patience) -> Client:
    from obstore.store import AzureStore, GCSStore, S3Store

    # Each takes settings of its own type; ours are checked by the finders' tests.
    opener: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[service.scheme]
    client: Client = opener(
        bucket,
        config=dict(access.settings),
        client_options={
            "allow_http": access.endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=patience.connect_s),
            "timeout": timedelta(seconds=patience.request_s),
        },
        retry_config={
            "max_retries": patience.max_retries + service.more_retries,
            "retry_timeout": timedelta(seconds=patience.retry_s),
            "backoff": {
                "init_backoff": timedelta(milliseconds=service.init_backoff_ms),
                "max_backoff": timedelta(seconds=patience.backoff_s),
                "base": 2,
            },
        },
    )
    return client
