"""Ids sort by time and never repeat."""

from __future__ import annotations

import os
import threading

import pytest

from nacre.errors import InvalidKey
from nacre.store.ids import check_name, new_id

START = 1_700_000_000.0


def test_an_id_has_26_letters_of_its_alphabet() -> None:
    assert all(len(made) == 26 and set(made) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for made in many(100))


def test_the_first_letters_tell_the_time() -> None:
    """The time of the example in the ULID specification."""
    assert new_id(lambda: 1469918176.385)[:10] == "01ARYZ6S41"


def test_ids_of_a_clock_that_stands_still_increase() -> None:
    def clock() -> float:
        return START

    made = [new_id(clock) for _ in range(5_000)]
    assert made == sorted(set(made))
    assert len({one[:10] for one in made}) == 1


def test_ids_of_a_clock_that_steps_back_increase() -> None:
    times = iter([START, START + 1, START - 100, START + 2])

    def clock() -> float:
        return next(times)

    made = [new_id(clock) for _ in range(4)]
    assert made == sorted(set(made))


def test_a_clock_of_the_future_does_not_hold_back_the_real_one() -> None:
    future = new_id(lambda: START * 10)
    assert new_id() < future


def test_threads_never_get_the_same_id() -> None:
    made: list[list[str]] = []
    threads = [threading.Thread(target=lambda: made.append(many(2_000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for some in made for one in some}) == 8_000


def test_a_forked_child_makes_other_ids() -> None:
    new_id()
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(send, "".join(many(50)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(receive, 26 * 50).decode()
    os.close(receive)
    os.close(send)
    ours = {one[10:20] for one in many(50)}
    assert not ours & {theirs[n + 10 : n + 20] for n in range(0, len(theirs), 26)}


@pytest.mark.parametrize("name", ["", "/a", "a//b", "a/", "../a", "a/../b", ".x", "a/.x", "a\\b", "a\0"])
def test_a_name_that_could_leave_the_store_is_refused(name: str) -> None:
    with pytest.raises(InvalidKey):
        check_name(name)


def test_a_name_of_plain_segments_is_taken() -> None:
    assert check_name("data/a=1/x.y-z") == "data/a=1/x.y-z"


def many(n: int) -> list[str]:
    return [new_id() for _ in range(n)]
