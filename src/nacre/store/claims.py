"""The port of claims: of several runs that want to make the same thing, one does and the others wait for it.

A claim only saves work. What may be recorded rests on the records alone, so two that make the same thing at the same
time do no harm, and a driver that cannot tell lets everybody go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Claim(NamedTuple):
    """That this process makes something.

    Args:
        fingerprint: What.
        had_holder: True where somebody had the claim before, so that the result may be there by now.
    """

    fingerprint: str
    had_holder: bool = False


class Claims(Protocol):
    """Claims on what is recorded under a fingerprint. Safe for threads, which exclude each other too."""

    def claim(self, fingerprint: str) -> Claim | None:
        """Claim what has this fingerprint; None while another thread, process or machine has it. Never waits.

        Atomic. A holder that was killed loses its claims by itself, at once or after a while.
        """
        ...

    def release(self, claims: Iterable[Claim]) -> None:
        """Give claims back, each after its result can be found or has failed. Idempotent; raises nothing."""
        ...


class NoClaims:
    """For stores that no other process can see, and for what is only tried out."""

    def claim(self, fingerprint: str) -> Claim | None:
        """Let everybody go on."""
        return Claim(fingerprint)

    def release(self, claims: Iterable[Claim]) -> None:
        """Nothing was taken."""
