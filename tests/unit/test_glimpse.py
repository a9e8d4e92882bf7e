"""What a person is shown of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from nacre.values import preview


@pytest.mark.parametrize(
    ("data", "text", "complete"),
    [
        (b"a,b\n1,2\n", "file of 8 bytes\na,b\n1,2", True),
        (b"1\n2\n3\n4\n", "file of 8 bytes\n1\n2\n…", False),
        (b"\x89PNG\x00", "file of 5 bytes\n89 50 4e 47 00", True),
        (b"a" * 399 + "\u00fc".encode(), "file of 401 bytes\n" + "a" * 399 + "\n…", False),
        (b"", "file of 0 bytes", True),
    ],
    ids=["text", "long", "binary", "cut inside a character", "empty"],
)
def test_a_file_is_shown_by_size_and_beginning(
    tmp_path: Path, data: bytes, text: str, complete: bool
) -> None:
    path = tmp_path / "value-x7"
    path.write_bytes(data)
    shown = preview(path, rows=2)
    assert (shown.kind, shown.text, shown.complete) == ("file", text, complete)
