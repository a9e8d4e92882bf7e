"""Google's emulator on this machine, with the XML API that the client library speaks before it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from buckets import Relay

_numbers = count(1)


class GoogleService:
    """One service for all tests of a session; each has buckets of its own."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("gcs_in_turn.py"))]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        said = self._process.stderr.readline()
        assert said.startswith("listening on"), said + self._process.stderr.read()
        self.port, json_port = (int(word) for word in said.split()[-2:])
        self.json_api = f"http://127.0.0.1:{json_port}"
        # Its log is read for ever: a full pipe would stop it.
        self._reader = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._reader.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def new_bucket(self, name: str = "") -> str:
        name = name or f"lake-{next(_numbers)}"
        self.ask("/storage/v1/b", json.dumps({"name": name}).encode(), "application/json")
        return name

    def ask(self, path: str, data: bytes | None = None, kind: str = "application/octet-stream") -> bytes:
        """Send a request to the emulator's own JSON API: a program that knows neither nacre nor its client library."""
        request = urllib.request.Request(self.json_api + path, data, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=30) as answer:
            body: bytes = answer.read()
            return body

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


class GoogleLake(NamedTuple):
    """A bucket that one test has to itself."""

    service: GoogleService
    bucket: str

    @property
    def url(self) -> str:
        return f"gs://{self.bucket}"

    def names(self) -> list[str]:
        """The names of all objects."""
        listed = json.loads(self.service.ask(f"/storage/v1/b/{self.bucket}/o"))
        return sorted(each["name"] for each in listed.get("items", []))

    def read(self, key: str) -> bytes:
        return self.service.ask(
            f"/download/storage/v1/b/{self.bucket}/o/{urllib.parse.quote(key, safe='')}?alt=media"
        )

    def write(self, key: str, data: bytes) -> None:
        name = urllib.parse.quote(key, safe="")
        self.service.ask(f"/upload/storage/v1/b/{self.bucket}/o?uploadType=media&name={name}", data)


@pytest.fixture(scope="session")
def google_service() -> Iterator[GoogleService]:
    """The service; started by the first test that asks for it."""
    service = GoogleService()
    yield service
    service.stop()


@pytest.fixture
def google_lake(
    google_service: GoogleService, monkeypatch: pytest.MonkeyPatch, _no_settings_from_outside: None
) -> GoogleLake:
    """A new bucket, with the variable that reaches it."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"127.0.0.1:{google_service.port}")
    return GoogleLake(google_service, google_service.new_bucket())


@pytest.fixture
def google_relay(google_lake: GoogleLake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A relay through which the bucket is reached from now on."""
    relay = Relay(google_lake.service)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", relay.endpoint)
    yield relay
    relay.stop()
