"""A small project as its authors see it: what each asset is worth is a pure function of the code and the world."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox import HEADER

PAGE = "s3://lake/pages/page.json"
#: A file of others.
GIVEN = "s3://lake/given/given.json"
#: Its function writes the file itself.
OWN = "s3://lake/pages/own.json"
KEYS = {
    "numbers": "asset://numbers",
    "label": "asset://label",
    "given": GIVEN,
    "parity": "asset://parity",
    "page": PAGE,
    "own": OWN,
    "bulk": "asset://bulk.bin",
    "total": "asset://total",
}
UPSTREAM = {
    "numbers": (),
    "label": (),
    "given": (),
    "parity": ("numbers",),
    "page": ("label", "parity"),
    "own": ("given", "parity"),
    "bulk": ("numbers",),
    "total": ("page", "bulk", "own"),
}
#: What has a function that nothing is passed to; and what has a function that something is.
SOURCES = ("numbers", "label")
MADE = tuple(name for name, above in UPSTREAM.items() if above)
#: What lies at its key after a build, and was put there by the run.
PLACED = ("page", "own")
#: Too much for a record, so that it becomes an object.
BULK_BYTES = 70_000
BODIES = {
    "numbers": "world['numbers']",
    "label": "world['label']",
    "given": "world['given']",
    "parity": "(numbers + {c}) % 2",
    "page": "{{'label': label, 'parity': parity, 'c': {c}}}",
    "own": "[given, parity, {c}]",
    "bulk": f"bytes([numbers, {{c}}]) * {BULK_BYTES // 2}",
    "total": "len(bulk) + bulk[0] + page['parity'] + sum(own) + {c}",
}
PASSED = {"given": f"given: Annotated[int, Asset({GIVEN!r})]"}
#: What tests look through is no part of the code; to find out costs more than a build.
IGNORED = "ignore=[calls, world]"
Recipe = tuple[object, ...]


@dataclass
class Code:
    """One checkout: a constant in each function, and whether the last one is broken."""

    constants: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MADE, 1))
    is_broken: bool = False

    def text(self) -> str:
        """The module."""
        functions = [self._function(name, above) for name, above in UPSTREAM.items() if name != "given"]
        return "\n\n".join([HEADER, *functions])

    def _function(self, name: str, above: tuple[str, ...]) -> str:
        body = BODIES[name].format(c=self.constants.get(name, 0))
        passed = ", ".join(PASSED.get(each, each) for each in above)
        raises = "    raise ValueError('broken')\n" if name == "total" and self.is_broken else ""
        gives = f"world['write'](nacre.location({OWN!r}), {body})" if name == "own" else f"return {body}"
        return (
            f"\n@materialize({KEYS[name]!r}, {IGNORED})\ndef {name}({passed}):\n"
            f"    calls.append({name!r})\n{raises}    {gives}\n"
        )

    def values(self, world: dict[str, int]) -> dict[str, object]:
        """What each asset is worth."""
        values: dict[str, object] = {}
        for name in UPSTREAM:
            scope = {"world": world, **values}
            values[name] = eval(
                BODIES[name].format(c=self.constants.get(name, 0)),
                {"bytes": bytes, "len": len, "sum": sum},
                scope,
            )
        return values

    def recipes(self, world: dict[str, int]) -> dict[str, Recipe]:
        """What each asset that is made is made from."""
        values = self.values(world)
        return {
            name: (name, self.constants[name], *(repr(values[each])[:200] for each in UPSTREAM[name]))
            for name in MADE
        }
