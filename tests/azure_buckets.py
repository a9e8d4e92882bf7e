"""Azure's own emulator on this machine, as the lane test-s3-real installs it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

from buckets import closed_port
from nacre.store.credentials.azure import EMULATOR_ACCOUNT, EMULATOR_KEY

LANE = Path(__file__).parents[1] / ".lanes/s3_real"
_numbers = itertools.count(1)


class AzureService:
    """azurite, in memory; asked by hand-signed requests, which know neither nacre nor its client library."""

    def __init__(self) -> None:
        self.endpoint = f"http://127.0.0.1:{closed_port()}/{EMULATOR_ACCOUNT}"
        port = self.endpoint.rpartition(":")[2].partition("/")[0]
        command = [LANE / "node_modules/.bin/azurite-blob", "--blobPort", port, "--inMemoryPersistence"]
        quiet = ["--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        self._process = subprocess.Popen([*command, *quiet], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, "azurite ended"
            assert time.monotonic() < deadline, "azurite does not answer"

    def _answers(self) -> bool:
        try:
            self.ask("GET", "", {"comp": "list"})
        except OSError:
            return False
        return True

    def ask(self, method: str, path: str, query: dict[str, str], data: bytes = b"", **headers: str) -> bytes:
        """Send a request signed with the account's key."""
        told = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06", **headers}
        signed = "".join(f"{name}:{value}\n" for name, value in sorted(told.items()))
        path = urllib.parse.quote(path)
        resource = f"/{EMULATOR_ACCOUNT}/{EMULATOR_ACCOUNT}{path}"
        resource += "".join(f"\n{name}:{value}" for name, value in sorted(query.items()))
        kind = "application/octet-stream" if data else ""
        text = f"{method}\n\n\n{len(data) or ''}\n\n{kind}\n\n\n\n\n\n\n{signed}{resource}"
        digest = hmac.new(base64.b64decode(EMULATOR_KEY), text.encode(), hashlib.sha256).digest()
        told["Authorization"] = f"SharedKey {EMULATOR_ACCOUNT}:{base64.b64encode(digest).decode()}"
        if kind:
            told["Content-Type"] = kind
        url = f"{self.endpoint}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(url, data or None, told, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body: bytes = answer.read()
            return body

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


class AzureLake(NamedTuple):
    """A container that one test has to itself."""

    service: AzureService
    container: str

    @property
    def url(self) -> str:
        return f"az://{self.container}"

    def names(self) -> list[str]:
        """The names of all blobs."""
        query = {"restype": "container", "comp": "list"}
        listed = ET.fromstring(self.service.ask("GET", f"/{self.container}", query))
        return [each.text or "" for each in listed.findall("./Blobs/Blob/Name")]

    def read(self, key: str) -> bytes:
        return self.service.ask("GET", f"/{self.container}/{key}", {})

    def write(self, key: str, data: bytes) -> None:
        self.service.ask("PUT", f"/{self.container}/{key}", {}, data, **{"x-ms-blob-type": "BlockBlob"})


@pytest.fixture(scope="session")
def azure_service() -> Iterator[AzureService]:
    service = AzureService()
    yield service
    service.stop()


@pytest.fixture
def azure_lake(
    azure_service: AzureService, monkeypatch: pytest.MonkeyPatch, _no_settings_from_outside: None
) -> AzureLake:
    """A new container, with the variables that reach it."""
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", azure_service.endpoint)
    lake = AzureLake(azure_service, f"lake-{next(_numbers)}")
    azure_service.ask("PUT", f"/{lake.container}", {"restype": "container"})
    return lake
