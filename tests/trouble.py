"""What ends a run badly: the n-th request fails, once or from then on."""

from __future__ import annotations

from nacre.errors import StoreUnavailable
from nacre.store.wrap import Call, Fault


class Killed(BaseException):
    """The machine is switched off."""


class Trouble:
    """Fails the n-th request of a build: once with a lost answer, or from then on."""

    def __init__(self, at: int, kind: str) -> None:
        self._left = at
        self._kind = kind
        self.is_over = False

    def __call__(self, call: Call) -> Fault | None:
        self._left -= 1
        if self._left > 0 or (self.is_over and self._kind != "killed"):
            return None
        is_first, self.is_over = not self.is_over, True
        if self._kind == "killed":
            # The first may have taken effect before the end came.
            return Fault(Killed(), after=is_first and self._left % 2 == 0)  # type: ignore[arg-type]
        return Fault(StoreUnavailable("There was no answer"), after=self._kind == "lost")
