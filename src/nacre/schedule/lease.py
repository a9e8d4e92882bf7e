"""A lease: of several processes that serve the same schedules, one does the work and the others stand by.

It only saves effort. That no tick runs twice rests on the tick's own record, so a lease that two processes believe in
for a while does no harm. When it has run out is judged without comparing the clocks of machines: whoever has seen it
unchanged for ``TTL_S`` by their own clock may take it.
"""

from __future__ import annotations

from nacre.execute.clock import Clock
from nacre.store.paths import lease_path
from nacre.store.port import RecordStore, Stored, Token
from nacre.store.records import Lease, decode, encode

#: Renewed this often, looked at this often by those who stand by, and given up after this long.
RENEW_S = 3.0
TTL_S = 10.0


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
        if stored is None or decode(stored.data, Lease, path).holder != holder:
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
    """

    def __init__(self, records: RecordStore, what: str, holder: str, clock: Clock) -> None:
        self.path = lease_path(what)
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
        stored = self._records.get(self.path)
        if stored is None:
            return self._write(None, now)
        lease = decode(stored.data, Lease, stored.path)
        is_free = lease.holder in ("", self._holder) or self._watch.has_run_out(stored)
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
