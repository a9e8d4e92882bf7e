"""A store and places on Google Cloud Storage, from end to end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gcp_storage_emulator.server import create_server

import nacre
from cloud_story import PIPELINE, CloudStory
from google_buckets import GoogleLake
from nacre.errors import StoreUnavailable
from sandbox import Sandbox


class TestGoogleStory(CloudStory):
    @pytest.fixture(autouse=True)
    def _bucket(self, google_lake: GoogleLake) -> None:
        self.lake = google_lake


@pytest.fixture
def bare_emulator(monkeypatch: pytest.MonkeyPatch, _no_settings_from_outside: None) -> Iterator[str]:
    """The emulator as it is, which knows neither conditions nor the API that the client library speaks."""
    emulator = create_server("127.0.0.1", 0, in_memory=True, default_bucket="lake")
    emulator.start()
    host = f"127.0.0.1:{emulator._api._httpd.server_address[1]}"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", host)
    yield host
    emulator.stop()


@pytest.mark.whole
def test_an_emulator_that_keeps_no_conditions_is_refused_before_any_step(
    project: Sandbox, bare_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NACRE_STORE", "gs://lake/team")
    project.reopen()
    module = project.module(PIPELINE.replace("{url}", "demo:/"))
    with pytest.raises(StoreUnavailable, match="does not answer as Google Cloud Storage does") as caught:
        project.build(module)
    assert bare_emulator in str(caught.value)
    assert "NACRE_STORE=.nacre" in str(caught.value)
    assert module.calls == []


def test_without_credentials_it_is_said_what_to_set_before_any_step(
    project: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url, hint in (
        ("gs://lake/team", "gcloud auth application-default login"),
        ("az://lake/team", "AZURE_STORAGE_CONNECTION_STRING"),
    ):
        monkeypatch.setenv("NACRE_STORE", url)
        project.reopen()
        with pytest.raises(nacre.errors.StoreReadOnly, match="There are no credentials") as caught:
            project.build(project.module(PIPELINE.replace("{url}", "demo:/")))
        assert hint in str(caught.value)
