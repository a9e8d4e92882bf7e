"""When a known result may be taken: Prefect's cache policies, as data.

The code of a step counts under each of them; docs/adr/0019 says what each part adds or leaves out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from nacre.errors import InvalidOption

KeyFunction = Callable[..., str | None]

#: Parts of a policy, in the order they are written.
_PARTS = {"inputs": "INPUTS", "run_id": "RUN_ID", "flow_parameters": "FLOW_PARAMETERS"}


@dataclass(frozen=True)
class CachePolicy:
    """What a result may depend on, besides its code, and still be taken again.

    A subclass may define ``compute_key(task_ctx, inputs, flow_parameters)``, as in Prefect: its text is a key.

    Args:
        parts: Names of what enters the identity: inputs, task_source, run_id, flow_parameters.
        excluded: Parameters left out of the inputs.
        reuses: False where a result is never taken again.
        keys: Functions ``(context, parameters)`` whose texts enter the identity.
    """

    parts: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    reuses: bool = True
    keys: tuple[KeyFunction, ...] = ()

    def __post_init__(self) -> None:
        computed = getattr(self, "compute_key", None)
        if computed is not None and not self.keys:
            object.__setattr__(self, "keys", (_as_key_function(computed),))

    @classmethod
    def from_cache_key_fn(cls, cache_key_fn: KeyFunction) -> CachePolicy:
        """Make a policy whose identity is the text that a function gives."""
        return CachePolicy(keys=(cache_key_fn,))

    def __add__(self, other: CachePolicy) -> CachePolicy:
        if not self.reuses or not other.reuses:
            return other if not self.reuses else self
        excluded = self.excluded | other.excluded
        return CachePolicy(self.parts | other.parts, excluded, keys=self.keys + other.keys)

    def __sub__(self, parameter: str) -> CachePolicy:
        if not isinstance(parameter, str):
            raise InvalidOption(
                "A cache_policy leaves out parameters by name", {"given": repr(parameter)}, 'write - "name"'
            )
        return replace(self, excluded=self.excluded | {parameter})

    def __str__(self) -> str:
        if not self.reuses:
            return "NO_CACHE"
        named = [text for part, text in _PARTS.items() if part in self.parts]
        named += ["cache_key_fn"] * bool(self.keys)
        excluded = [f'- "{name}"' for name in sorted(self.excluded) if "inputs" in self.parts]
        return " ".join([" + ".join(named or ["TASK_SOURCE"]), *excluded])

    @property
    def is_plain(self) -> bool:
        """True where exactly code and inputs count, as they do without a policy."""
        return not self.reuses or (
            self.parts - {"task_source"} == {"inputs"} and not self.excluded and not self.keys
        )

    def leaves_out(self, parameter: str) -> bool:
        """Say whether a parameter does not count."""
        return self.reuses and ("inputs" not in self.parts or parameter in self.excluded)

    def require_known(self, names: Collection[str], owner: str) -> None:
        """Refuse a policy that leaves out what is no parameter.

        Args:
            names: The parameters there are.
            owner: The function they belong to, for the error.

        Raises:
            InvalidOption: A name is none of them; names the closest ones.
        """
        for name in sorted(self.excluded - set(names)):
            from difflib import get_close_matches

            close = " or ".join(f'"{each}"' for each in get_close_matches(name, sorted(names), n=3))
            facts = {"function": owner, "parameters": ", ".join(names) or "none"}
            hint = f"did you mean {close}?" if close else "leave it out of cache_policy="
            raise InvalidOption(f"cache_policy leaves out {name!r}, which is no parameter", facts, hint)


def CacheKeyFnPolicy(*, cache_key_fn: KeyFunction) -> CachePolicy:  # noqa: N802  # Prefect's name
    """Make a policy whose identity is the text that a function gives."""
    return CachePolicy.from_cache_key_fn(cache_key_fn)


def _as_key_function(compute_key: Callable[..., str | None]) -> KeyFunction:
    return lambda context, parameters: compute_key(context, parameters, context.flow_parameters)


INPUTS = CachePolicy(frozenset({"inputs"}))
TASK_SOURCE = CachePolicy(frozenset({"task_source"}))
RUN_ID = CachePolicy(frozenset({"run_id"}))
FLOW_PARAMETERS = CachePolicy(frozenset({"flow_parameters"}))
DEFAULT = INPUTS + TASK_SOURCE
NO_CACHE = CachePolicy(reuses=False)
NONE = NO_CACHE
