"""Chromium as the lanes drive it, and pages that keep what they asked for and what went wrong in them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "bluesky"
IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 800}
MAX_IMAGE_BYTES = 150_000
# Nothing that Chromium would ask anybody for by itself.
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@dataclass
class Recorded:
    """A page, every address it asked for, and everything that went wrong in it."""

    page: Page
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def picture(self, name: str) -> None:
        """Take a picture without the folders of this machine; KEEP_PICTURES=1 keeps it in docs/images."""
        self.page.locator("footer").evaluate_all(
            "(all) => all.forEach((each) => each.style.visibility = 'hidden')"
        )
        picture = self.page.screenshot(animations="disabled", caret="hide")
        assert len(picture) <= MAX_IMAGE_BYTES
        if os.environ.get("KEEP_PICTURES"):
            (IMAGES / f"{name}.png").write_bytes(picture)

    def hosts(self) -> set[str]:
        return {urlsplit(each).netloc for each in self.requests if not each.startswith("data:")}
