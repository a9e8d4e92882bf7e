"""Inputs whose stored bytes are gone or damaged: whoever can make them does so again and goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

from nacre.errors import SAFE, CorruptObject, CorruptRecord
from nacre.keys import key_of, partition_of
from nacre.planning.explain import short
from nacre.store.contents import Contents
from nacre.store.records import Output

P = ParamSpec("P")
T = TypeVar("T")


class InputLost(Exception):
    """What is stored of an input cannot be read; whoever knows who makes it decides what comes of that.

    Args:
        slot: Which input.
        error: What was found.
    """

    def __init__(self, slot: str, error: CorruptObject | CorruptRecord) -> None:
        super().__init__(slot)
        self.slot = slot
        self.error = error


def or_lost(slot: str, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Read what is stored of a slot.

    Args:
        slot: Which.
        read: Reads it.
        args: For ``read``.
        kwargs: Likewise.

    Raises:
        InputLost: It cannot be read.
    """
    try:
        return read(*args, **kwargs)
    except (CorruptObject, CorruptRecord) as error:
        raise InputLost(slot, error) from error


def cannot_be_read(lost: InputLost, held: str = "") -> CorruptObject | CorruptRecord:
    """Give the error of an input that cannot be read and that nobody makes again.

    Args:
        lost: Which, and why.
        held: The version it is held at; empty where it is not held.
    """
    error = lost.error
    if held:
        error.about("held", f"at {held}")
        name = short(key_of(lost.slot))
        error.advise((f"go on with what is newest: nacre rollback {name} --release", *error.hint[1:], SAFE))
    return error


def read_parts(outputs: Mapping[str, Output], contents: Contents, as_type: object | None) -> object:
    """Read partitions as one value.

    Args:
        outputs: Slot to what its record says, in the order they shall come in.
        contents: Where they are.
        as_type: As in ``formats.load_whole``.

    Raises:
        InputLost: One of them cannot be read; says which.
    """
    try:
        return contents.read_whole({partition_of(slot): output for slot, output in outputs.items()}, as_type)
    except CorruptObject:
        for slot, output in outputs.items():
            or_lost(slot, contents.open, output).close()
        raise
