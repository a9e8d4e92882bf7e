"""What nobody can tell of a step: of its code now, and of what it got from outside when it last ran."""

from __future__ import annotations

from nacre.planning.facts import UNSEEN, Facts


def doubts(task: object, made: str, facts: Facts) -> tuple[str, ...]:
    """List what cannot be followed of a step, one sentence each; constant, but for steps that read something.

    Args:
        task: What runs.
        made: The first slot it makes.
        facts: What the plan was made from.
    """
    found = facts.doubts.get(id(task), ()) if facts.doubts else ()
    head = facts.heads.get(made)
    if head is None or "/" not in head.fingerprint:  # nothing else has reads
        return found
    evidence = facts.evidence(head.fingerprint)
    reads = evidence.reads if evidence is not None else ()
    return (*found, *(unseen(name) for kind, name, _ in reads if kind == UNSEEN))


def unseen(phrase: str) -> str:
    """Say that a step did something of which nobody can tell whether it would bring the same again.

    >>> unseen("connects to example.org")
    'it connects to example.org: what it gets there is not looked at again; deps= can name it, or cache_expiration='
    """
    return f"it {phrase}: what it gets there is not looked at again; deps= can name it, or cache_expiration="
