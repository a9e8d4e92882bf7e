"""What every test gets: no settings of the person who runs it, no time limits on examples, and honest closing lines."""

from __future__ import annotations

import os
import re
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("house", deadline=None, max_examples=50)
hypothesis.settings.load_profile("house")
# Processes that tests start write bytecode, as a user's would.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("NACRE_")]:
        monkeypatch.delenv(name)


def lanes() -> dict[str, str]:
    """Make target to what it covers, for all that needs more than pip installs, as the Makefile names them."""
    makefile = (Path(__file__).parent.parent / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^LANES := (.+)$", makefile, re.MULTILINE)[0].split()
    told = dict(re.findall(r'@echo "make (\S+) +(.+)"', makefile))
    return {target: told[target] for target in targets}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which lanes a run of everything did not cover."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        for target, what in lanes().items():
            terminalreporter.write_line(f"not run here: {what} (make {target})")
