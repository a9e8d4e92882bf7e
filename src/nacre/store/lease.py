"""A lease: of several processes that want to do the same, on any machine, one does it and the others stand by.

It only saves effort. That no tick runs twice rests on the tick's own record, and that a result is recorded once on the
record of its recipe, so a lease that two processes believe in for a while does no harm. When it has run out is judged
without comparing the clocks of machines: whoever has seen it unchanged for ``TTL_S`` by their own clock may take it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from nacre.errors import StoreError
from nacre.store.claims import Claim
from nacre.store.codec import encode, readable
from nacre.store.connect import at_once
from nacre.store.paths import lease_path
from nacre.store.port import RecordStore, Stored, Token
from nacre.store.records import Lease

#: Renewed this often, looked at this often by those who stand by, and given up after this long.
RENEW_S = 3.0
TTL_S = 10.0


class Clock(Protocol):
    """As much of the engine's clock as a lease needs."""

    def now(self) -> datetime:
        """The instant, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class Watch:
    """Judges whether the holders of leases still live: whoever does not renew for ``TTL_S`` is gone.

    Args:
        records: Where the leases lie.
        clock: Time.
    """

    def __init__(self, records: RecordStore, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._seen: dict[str, tuple[Token, float]] = {}

    def is_gone(self, path: str, holder: str) -> bool:
        """Look at a lease; True when the holder has it no more, or did not renew it for long enough."""
        stored = self._records.get(path)
        lease = readable(stored, Lease) if stored is not None else None
        if stored is None or lease is None or lease.holder != holder:
            return True
        return self.has_run_out(stored)

    def has_run_out(self, stored: Stored) -> bool:
        """Judge a lease as it lies in the store now: True when it has been the same for long enough."""
        now = self._clock.monotonic()
        token, since = self._seen.get(stored.path, ("", now))
        if token != stored.token:
            since = now
        self._seen[stored.path] = stored.token, since
        return now - since >= TTL_S


class Tenure:
    """One process's hold on a lease.

    Args:
        records: Where the lease lies.
        what: What it is about.
        holder: Names this process; two never share it.
        clock: Time.
        is_new: True where probably nobody had it yet, so that it is created before it is looked at: one request less.
        is_dead: Says of a holder that it is known to be gone, so that nobody need wait until its lease has run out.
    """

    def __init__(
        self,
        records: RecordStore,
        what: str,
        holder: str,
        clock: Clock,
        *,
        is_new: bool = False,
        is_dead: Callable[[str], bool] = lambda holder: False,
    ) -> None:
        self.path = lease_path(what)
        #: True once somebody was seen to have, or have had, it.
        self.had_holder = False
        self._is_new = is_new
        self._is_dead = is_dead
        self._records = records
        self._holder = holder
        self._clock = clock
        self._token: Token | None = None
        self._renewed = 0.0
        self._watch = Watch(records, clock)

    def hold(self) -> bool:
        """Take or renew the lease where that can be done; True while this process has it.

        Raises:
            StoreError: The store did not answer; whether the lease is held is not known then.
        """
        now = self._clock.monotonic()
        if self._token is not None and now - self._renewed < RENEW_S:
            return True
        if self._token is not None:
            # Unknown until answered: a renewal that was lost on its way back is found under our own name below.
            token, self._token = self._token, None
            return self._write(token, now)
        if self._is_new:
            self._is_new = False
            if self._write(None, now):
                return True
        stored = self._records.get(self.path)
        if stored is None:
            return self._write(None, now)
        self.had_holder = True
        lease = readable(stored, Lease) or Lease(holder="", renewed_at=self._clock.now())
        is_free = lease.holder in ("", self._holder) or self._is_dead(lease.holder)
        is_free = is_free or self._watch.has_run_out(stored)
        return self._write(stored.token, now) if is_free else False

    def release(self) -> None:
        """Give the lease back, so that another process need not wait until it has run out."""
        if self._token is not None:
            self._records.replace(self.path, self._encoded(""), self._token)
            self._token = None

    def _write(self, expect: Token | None, now: float) -> bool:
        data = self._encoded(self._holder)
        if expect is None:
            self._token = self._records.create(self.path, data)
        else:
            self._token = self._records.replace(self.path, data, expect)
        self._renewed = now
        return self._token is not None

    def _encoded(self, holder: str) -> bytes:
        return encode(Lease(holder=holder, renewed_at=self._clock.now()))


class _Held(NamedTuple):
    """A lease that this process has or asks for; its lock keeps what renews it from what gives it back."""

    tenure: Tenure
    lock: threading.Lock


class LeaseClaims:
    """Claims as leases in the store, for machines that share it: two writes for each, and more while it is held.

    Args:
        records: Where the leases lie.
        holder: Names this process; two never share it.
        clock: Judges when another's lease has run out.
        is_dead: Says of a holder that it is known to be gone.
    """

    def __init__(
        self,
        records: RecordStore,
        holder: str,
        clock: Clock,
        is_dead: Callable[[str], bool] = lambda holder: False,
    ) -> None:
        self._records = records
        self._holder = holder
        self._clock = clock
        self._is_dead = is_dead
        self._lock = threading.Lock()
        self._tenures: dict[str, Tenure] = {}
        self._held: dict[str, _Held] = {}
        self._heart: threading.Thread | None = None

    def claim(self, fingerprint: str) -> Claim | None:
        """Take the lease of a fingerprint; where the store does not let us, everybody goes on."""
        with self._lock:
            if fingerprint in self._held:
                return None
            tenure = self._tenures.get(fingerprint)
            if tenure is None:
                tenure = self._tenures[fingerprint] = Tenure(
                    self._records, fingerprint, self._holder, self._clock, is_new=True, is_dead=self._is_dead
                )
            held = self._held[fingerprint] = _Held(tenure, threading.Lock())
        try:
            with held.lock:
                is_ours = tenure.hold()
        except StoreError:
            is_ours = True  # what is wrong with the store is told when something is to be recorded
        if not is_ours:
            with self._lock:
                del self._held[fingerprint]
            return None
        self._keep_beating()
        return Claim(fingerprint, tenure.had_holder)

    def release(self, claims: Iterable[Claim]) -> None:
        """Give the leases back, several at a time."""
        at_once(self._give_back, list(claims))

    def renew(self) -> None:
        """Renew what is held, where it is time to; done by a thread of its own while anything is."""
        for fingerprint, held in list(self._held.items()):
            with held.lock:
                if self._held.get(fingerprint) is held:
                    _try(held.tenure.hold)

    def _give_back(self, claim: Claim) -> None:
        held = self._held.get(claim.fingerprint)
        if held is None:
            return
        with held.lock:
            _try(held.tenure.release)
            with self._lock:
                self._held.pop(claim.fingerprint, None)
                self._tenures.pop(claim.fingerprint, None)

    def _keep_beating(self) -> None:
        with self._lock:
            if self._heart is None:
                self._heart = threading.Thread(target=self._beat, name="nacre-leases", daemon=True)
                self._heart.start()

    def _beat(self) -> None:
        rest = threading.Event()  # never set: only a wait that costs nothing
        while True:
            rest.wait(RENEW_S)
            with self._lock:
                if not self._held:
                    self._heart = None
                    return
            self.renew()


def _try(action: Callable[[], object]) -> None:
    """Do what only saves effort: where it fails, the lease runs out, and somebody makes the same thing again."""
    try:
        action()
    except StoreError:
        return
