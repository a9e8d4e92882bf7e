"""Hooks that are added after the decoration, alike for tasks and flows."""

from __future__ import annotations

from collections.abc import Iterable

from nacre.declare.options import Hook, Options, decode


class Hooked:
    """What has options and takes hooks: ``@my_task.on_failure`` above a function."""

    __slots__ = ("name", "options")
    name: str
    options: Options

    def on_completion(self, hook: Hook) -> Hook:
        """Add a hook for when it ends well; usable as a decorator."""
        return self._add_hook("on_completion", hook)

    def on_failure(self, hook: Hook) -> Hook:
        """Add a hook for when it fails for good; usable as a decorator."""
        return self._add_hook("on_failure", hook)

    def on_running(self, hook: Hook) -> Hook:
        """Add a hook for when it starts; usable as a decorator."""
        return self._add_hook("on_running", hook)

    def _add_hook(self, kind: str, hook: Hook) -> Hook:
        present: Iterable[Hook] = getattr(self.options, kind)
        self.options = decode({kind: (*present, hook)}, self.name, self.options)
        return hook
