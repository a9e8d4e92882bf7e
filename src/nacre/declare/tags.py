"""``with tags("a"):`` tags everything that is started inside the block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nacre import context


@contextmanager
def tags(*names: str) -> Iterator[frozenset[str]]:
    """Tag every run started inside the block.

    Args:
        names: The tags; added to those of enclosing blocks.
    """
    both = context.current_tags.get() | frozenset(names)
    token = context.current_tags.set(both)
    try:
        yield both
    finally:
        context.current_tags.reset(token)
