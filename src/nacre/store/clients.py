"""From an access to a connection of the client library: the time-outs and retries that every request has."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nacre.store.credentials.access import Access
from nacre.store.services import Service

if TYPE_CHECKING:
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Store

    Client = S3Store | GCSStore | AzureStore

CONNECT_TIMEOUT_S, TIMEOUT_S, RETRY_TIMEOUT_S = 5, 60, 60
#: At most; a service may be known to need fewer.
MAX_RETRIES = 10
MAX_BACKOFF_S = 2


def connected(service: Service, bucket: str, access: Access) -> Client:
    """The connection to a bucket; one for each bucket and identity, so that what goes to the same one is known to.

    Raises:
        obstore.exceptions.BaseError: The settings are none that the client library takes.
    """
    key = (service.scheme, bucket, access)
    client = _connected.get(key)
    if client is None:
        client = _connected[key] = _client(service, bucket, access)
    return client


_connected: dict[tuple[str, str, Access], Client] = {}


def _client(service: Service, bucket: str, access: Access) -> Client:
    from obstore.store import AzureStore, GCSStore, S3Store

    # Each takes settings of its own type; ours are checked by the finders' tests.
    opener: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[service.scheme]
    client: Client = opener(
        bucket,
        config=dict(access.settings),
        client_options=_options(access),
        retry_config=_retries(service),
    )
    return client


def _options(access: Access) -> ClientConfig:
    return {
        "allow_http": access.endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_S),
        "timeout": timedelta(seconds=TIMEOUT_S),
    }


def _retries(service: Service) -> RetryConfig:
    return {
        "max_retries": min(service.max_retries, MAX_RETRIES),
        "retry_timeout": timedelta(seconds=RETRY_TIMEOUT_S),
        "backoff": {
            "init_backoff": timedelta(milliseconds=service.init_backoff_ms),
            "max_backoff": timedelta(seconds=MAX_BACKOFF_S),
            "base": 2,
        },
    }
