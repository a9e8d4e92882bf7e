"""What every test gets: no settings of the person who runs it, no time limits on examples, and honest closing lines."""

from __future__ import annotations

import os

import hypothesis
import pytest

# Lanes that need more than pip installs; each is a make target of its own.
LANES = {
    "test-atproto": "ATProto servers",
    "test-kill": "builds ended by kill -9, again and again",
}

hypothesis.settings.register_profile("house", deadline=None, max_examples=50)
hypothesis.settings.load_profile("house")
# Processes that tests start write bytecode, as a user's would.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NACRE_")]:
        monkeypatch.delenv(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which lanes a run of everything did not cover."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        for target, what in LANES.items():
            terminalreporter.write_line(f"not run here: {what} (make {target})")
