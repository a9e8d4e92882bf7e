"""What of a recipe counts under a cache policy, and what counts besides. Pure."""

from __future__ import annotations

from nacre.declare.policy import CachePolicy
from nacre.encoding import digest_texts
from nacre.planning.facts import Asked
from nacre.planning.reason import CACHE_KEY, FLOW, POLICY, RUN_ID, Cause, Reason
from nacre.version.fingerprint import ALL, Recipe

#: Characters of a cache key that are kept and shown; a longer one is known by these and its digest.
SHOWN_CHARACTERS = 40


def counted(policy: CachePolicy, recipe: Recipe, asked: Asked) -> tuple[Recipe, Reason | None]:
    """Leave out of a recipe what does not count, and add what counts besides.

    The policy itself becomes a setting, so that a result made under one policy is never taken under another.

    Args:
        policy: One that is not plain.
        recipe: All that the step is made from.
        asked: What the policy asks for.

    Returns:
        The recipe that counts, and why the step runs whatever is known; None where it need not.
    """
    settings = {**recipe.settings, POLICY: str(policy)}
    if policy.keys and asked.key is not None:
        settings[CACHE_KEY] = _kept(asked.key)
    if "run_id" in policy.parts:
        settings[RUN_ID] = asked.run
    if "flow_parameters" in policy.parts:
        settings.update({FLOW + name: digest for name, digest in asked.flow.items()})
    parameters = {name: d for name, d in recipe.parameters.items() if not policy.leaves_out(name)}
    uncounted = {each.argument for each in recipe.inputs if policy.leaves_out(each.argument)}
    uncounted |= policy.excluded if "inputs" in policy.parts else {ALL}
    recipe = recipe._replace(settings=settings, parameters=parameters, uncounted=frozenset(uncounted))
    if asked.failed:
        return recipe, Reason(Cause.KEY, asked.failed)
    if policy.keys and asked.key is None:
        return recipe, Reason(Cause.KEY)
    return recipe, Reason(Cause.UNKNOWN, asked.unknown) if asked.unknown else None


def _kept(key: str) -> str:
    if len(key) <= SHOWN_CHARACTERS:
        return key
    return f"{key[: SHOWN_CHARACTERS - 1]}… {digest_texts('cache key', (key,))}"
