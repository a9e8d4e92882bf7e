"""The digest of a recipe: everything a result depends on, resolved, before it is made. Pure.

Inputs enter by content, never by how they were made: equal content upstream means an equal fingerprint here, which is
what makes early cutoff work.
The values here are made by the ten thousand when nothing has to run, hence named tuples: cheap to make.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from nacre.encoding import digest_texts
from nacre.keys import key_of, partition_of, slot

#: In ``Recipe.uncounted``: all inputs.
ALL = "*"
_NOTHING: Mapping[str, str] = MappingProxyType({})
#: What stands for a value that is not shown.
HIDDEN = "•••"
#: What a name or a statement is about when its value is better not kept.
SECRET = re.compile(r"token|secret|passw|passphrase|credential|api_?key|private|auth(?!or)", re.IGNORECASE)
MAX_SHOWN = 40


class InputVersion(NamedTuple):
    """One asset version that goes into a step.

    Args:
        parameter: The parameter it is passed by; empty for one of ``asset_deps``.
        asset: Its slot: the key, with the partition where it is one.
        data_version: Its content.
        seq: Which version it is, 0 where not recorded yet; not part of the identity.
        derived: True where the value came from the asset but was changed before it was passed.
    """

    parameter: str
    asset: str
    data_version: str
    seq: int = 0
    derived: bool = False

    @property
    def name(self) -> str:
        """What tells it from the other inputs of a step: parameter or key, with the partition where it is one."""
        partition = partition_of(self.asset)
        return slot(self.argument, partition)

    @property
    def argument(self) -> str:
        """The parameter it is passed by, else its key."""
        return self.parameter or key_of(self.asset)


class Recipe(NamedTuple):
    """Everything the result of a step depends on.

    Args:
        assets: Slots the step makes, in order.
        code: Its code version.
        inputs: Asset versions it reads, in parameter order.
        parameters: Other parameters: name to the digest of the value.
        settings: What else matters: ``version=``, format, environment policy.
        partition: Which slice; empty for the whole.
        uncounted: What a cache policy leaves out, by parameter, or key where there is none: lineage, but no part of the
            fingerprint. ``*`` among them says that no input counts.
        shown: Parameters whose values are short enough to show a person; not part of the identity.
    """

    assets: Sequence[str]
    code: str
    inputs: Sequence[InputVersion] = ()
    parameters: Mapping[str, str] = _NOTHING
    settings: Mapping[str, str] = _NOTHING
    partition: str = ""
    uncounted: frozenset[str] = frozenset()
    shown: Mapping[str, str] = _NOTHING

    def fingerprint(self) -> str:
        """Digest the recipe; 64 hexadecimal digits."""
        inputs = self.inputs
        if self.uncounted:
            inputs = [each for each in inputs if each.argument not in self.uncounted]
        texts = [str(len(self.assets)), *self.assets, self.partition, self.code, str(len(inputs))]
        for parameter, asset, data_version, _, _ in inputs:
            if "#" in asset and (other := partition_of(asset)) != self.partition:
                # A partition that is read by the one of its name is the same for each of them; others enter by name.
                parameter = slot(parameter, other)
            texts += (parameter, data_version)
        if self.parameters or self.settings:
            for part in (self.parameters, self.settings):
                texts.append(str(len(part)))
                for name in sorted(part):
                    texts += (name, part[name])
        return digest_texts("recipe", texts)


def fingerprint_with_reads(recipe: str, reads: Iterable[tuple[str, str, str]]) -> str:
    """Extend the digest of a recipe by what the step read besides, which only running it told.

    The recipe's own digest stays its beginning, so that all results of a recipe are found from it.
    """
    return f"{recipe}/{digest_texts('reads', [text for read in reads for text in read])}"


@lru_cache(1_000)
def is_secret(name: str) -> bool:
    """Say whether a name says that what it names is a secret. The same few names are asked about for every asset."""
    return SECRET.search(name) is not None


def observed_fingerprint(recipe: str, data_versions: Sequence[str]) -> str:
    """Digest the recipe of a source together with what came out.

    A source runs every time, so its recipe alone would say nothing; with the content, unchanged means unchanged.
    """
    return digest_texts("observed", (recipe, *data_versions))


def shown(name: str, value: object) -> str:
    """Write the value of a parameter for a person: what is short and simple, and no secret; empty for anything else."""
    is_simple = value is None or type(value) in (bool, int, float, str, date, datetime)
    if not is_simple or SECRET.search(name):
        return ""
    text = value.isoformat() if isinstance(value, date) else repr(value)
    return text if len(text) <= MAX_SHOWN else ""
