"""What every test gets: no settings of the person who runs it, no time limits on examples, and honest closing lines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

pytest.register_assert_rewrite(
    "nacre.testing", "cloud_story"
)  # its asserts explain themselves only if asked for before any import

from branches import home, use  # noqa: E402, F401  # see above; pytest finds fixtures by their names here
from buckets import lake, relay, s3_service, web_server  # noqa: E402, F401  # see above; pytest finds fixtures by their names here
from disks import small_disk  # noqa: E402, F401  # likewise
from google_buckets import google_lake, google_relay, google_service  # noqa: E402, F401
from sandbox import Sandbox  # noqa: E402  # see above

hypothesis.settings.register_profile("house", deadline=None, max_examples=50)
hypothesis.settings.load_profile("house")
# Processes that tests start write bytecode, as a user's would.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


#: How the variables begin that would change what is tested.
FOREIGN = (
    "NACRE_",
    "AWS_",
    "GOOGLE_",
    "GCE_",
    "STORAGE_EMULATOR_HOST",
    "AZURE_",
    "AZURITE_",
    "IDENTITY_",
    "MSI_",
    "K_SERVICE",
    "CLOUD_RUN_",
)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(name)
    # Nor the credentials of whoever runs this, nor the cloud machine that it may run on.
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", os.devnull)


@pytest.fixture
def project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _no_settings_from_outside: None
) -> Iterator[Sandbox]:
    """A project of its own in a temporary folder, quiet, with a clock that the test moves."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NACRE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("NACRE_QUIET", "1")
    # Bytecode of an edit within the same second would be taken for the edited file's.
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    sandbox = Sandbox(tmp_path)
    yield sandbox
    sandbox.close()
    sandbox.forget_modules()


def lanes() -> dict[str, str]:
    """Make target to what it covers, for all that needs more than pip installs, as the Makefile names them."""
    makefile = (Path(__file__).parent.parent / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^LANES := (.+)$", makefile, re.MULTILINE)[0].split()
    told = dict(re.findall(r'@echo "make (\S+) +(.+)"', makefile))
    return {target: told[target] for target in targets}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which lanes a run of everything did not cover."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS and config.option.markexpr != "whole":
        for target, what in lanes().items():
            terminalreporter.write_line(f"not run here: {what} (make {target})")
