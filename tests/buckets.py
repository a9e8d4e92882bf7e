"""A real S3 service on this machine, and a relay before it that counts requests and spoils answers on demand."""

from __future__ import annotations

import http.client
import itertools
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.config import Config

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
_numbers = itertools.count(1)
_RUNNING = re.compile(r"Running on http://127\.0\.0\.1:(\d+)")


class Service:
    """One S3 service for all tests of a session; each has buckets of its own."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._lines: list[str] = []
        self.port = 0
        command = [sys.executable, str(Path(__file__).with_name("moto_in_turn.py"))]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        # Its log is read for ever: a full pipe would stop it.
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        assert self._ready.wait(60), "".join(self._lines)
        assert self.port, "".join(self._lines)
        self.client = self.client_of(**KEYS)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client_of(self, **keys: str) -> Any:
        return self._boto("s3", keys)

    def new_bucket(self) -> str:
        name = f"lake-{next(_numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def user_who_may(self, *actions: str) -> dict[str, str]:
        """Make a user with a policy of these actions; the keys, as environment variables."""
        iam = self._boto("iam", KEYS)
        name = f"user-{next(_numbers)}"
        iam.create_user(UserName=name)
        allowed = [{"Effect": "Allow", "Action": list(actions) or ["s3:None"], "Resource": "*"}]
        policy = {"Version": "2012-10-17", "Statement": allowed}
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=_json(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def check_permissions(self, does: bool) -> None:
        """Let the service look at keys and policies from now on, or no more."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("POST", "/moto-api/reset-auth", b"0" if does else b"inf")
        assert connection.getresponse().status == 200
        connection.close()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()

    def _boto(self, service: str, keys: dict[str, str]) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"max_attempts": 5}),
        )

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as log:
            for line in log:
                if not self._ready.is_set():
                    self._lines.append(line)
                    if found := _RUNNING.search(line):
                        self.port = int(found[1])
                        self._ready.set()
        self._ready.set()


class Lake(NamedTuple):
    """A bucket that one test has to itself."""

    service: Service
    bucket: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}"

    def names(self) -> list[str]:
        """The names of all objects."""
        pages = self.service.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def unfinished(self) -> list[str]:
        """Uploads in parts that were neither completed nor given up."""
        found = self.service.client.list_multipart_uploads(Bucket=self.bucket)
        return [each["Key"] for each in found.get("Uploads", [])]

    def read(self, key: str) -> bytes:
        data: bytes = self.service.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data

    def write(self, key: str, data: bytes) -> None:
        self.service.client.put_object(Bucket=self.bucket, Key=key, Body=data)


class Asked(NamedTuple):
    """A request as it passes the relay."""

    method: str
    path: str
    headers: dict[str, str]

    @property
    def kind(self) -> str:
        """The method, or LIST, COPY or PART, which S3 does not tell apart by it."""
        if self.method == "GET" and "list-type=2" in self.path:
            return "LIST"
        if "x-amz-copy-source" in self.headers:
            return "COPY"
        return "PART" if "uploadId=" in self.path or "uploads=" in self.path else self.method


Spoil = Callable[[Asked], str]
"""Says of a request what becomes of it: ``""`` lets it through; ``"unconditional"`` drops its conditions; ``"lost"``
lets it take effect, and answers 500; ``"cut"`` breaks off in the middle of the answer; ``"reset"`` lets it take effect
and breaks off before any answer; status and code, as ``"403 AccessDenied"``, answer without asking the service."""


class Relay:
    """A server between client and service: counts requests by kind, and spoils the ones it is told to."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.asked: list[Asked] = []
        self.spoil: Spoil = lambda asked: ""
        #: Changes the body of an answer, as a service would that is behind or wrong.
        self.rewrite: Callable[[Asked, bytes], bytes] = lambda asked, data: data
        relay = self

        class Handler(_Handler):
            owner = relay

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(asked.kind for asked in self.asked))

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: Relay
    protocol_version = "HTTP/1.1"

    def _relay(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        asked = Asked(self.command, self.path, headers)
        self.owner.asked.append(asked)
        fate = self.owner.spoil(asked)
        if fate == "unconditional":
            headers = {name: value for name, value in headers.items() if not name.startswith("if-")}
        if not fate[:1].isdigit():
            status, answer, data = self._ask(headers, body)
        if fate == "reset":
            self.close_connection = True
            return
        if not fate[:1].isdigit():
            data = self.owner.rewrite(asked, data)
        if fate == "lost" or fate[:1].isdigit():
            said, _, code = fate.replace("lost", "500 InternalError").partition(" ")
            error = f"<Error><Code>{code}</Code><Message>As the test wants.</Message></Error>"
            status, answer, data = int(said), {}, error.encode()
        self.send_response(status)
        for name, value in answer.items():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server", "content-length"):
                self.send_header(name, value)
        length = answer.get("Content-Length", "0") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length)
        self.end_headers()
        if fate == "cut":
            data, self.close_connection = data[: len(data) // 2], True
        if self.command != "HEAD":
            self.wfile.write(data)

    def _ask(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.owner.service.port, timeout=30)
        try:
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _relay

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def closed_port() -> int:
    """A port of this machine on which nothing answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _json(value: object) -> str:
    import json

    return json.dumps(value)


@pytest.fixture(scope="session")
def s3_service() -> Iterator[Service]:
    """The service; started by the first test that asks for it."""
    service = Service()
    yield service
    service.stop()


@pytest.fixture
def lake(s3_service: Service, monkeypatch: pytest.MonkeyPatch, _no_settings_from_outside: None) -> Lake:
    """A new bucket, with the AWS variables that reach it."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_service.endpoint)
    return Lake(s3_service, s3_service.new_bucket())


@pytest.fixture
def relay(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A relay through which the bucket is reached from now on."""
    relay = Relay(lake.service)
    monkeypatch.setenv("AWS_ENDPOINT_URL", relay.endpoint)
    yield relay
    relay.stop()


class _Page(BaseHTTPRequestHandler):
    """What any web server says: a page to whoever reads, with or without an ETag, and that it takes nothing."""

    def _answer(self) -> None:
        status = 200 if self.command in ("GET", "HEAD") else 405
        page = b"<!DOCTYPE html><html><body>Welcome</body></html>"
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        if "etag" in self.path:
            self.send_header("ETag", '"1"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

    do_GET = do_HEAD = do_PUT = do_DELETE = _answer

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def web_server(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A web server that is no S3 service, as the endpoint from now on; its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        yield endpoint
        server.shutdown()
        thread.join()
