"""A small project as its authors see it: what each asset is worth is a pure function of the code and the world."""

from __future__ import annotations

from dataclasses import dataclass, field

from sandbox import HEADER

PAGE = "s3://lake/pages/page.json"
KEYS = {
    "numbers": "asset://numbers",
    "label": "asset://label",
    "parity": "asset://parity",
    "page": PAGE,
    "bulk": "asset://bulk.bin",
    "total": "asset://total",
}
UPSTREAM = {
    "numbers": (),
    "label": (),
    "parity": ("numbers",),
    "page": ("label", "parity"),
    "bulk": ("numbers",),
    "total": ("page", "bulk"),
}
SOURCES = tuple(name for name, above in UPSTREAM.items() if not above)
MADE = tuple(name for name, above in UPSTREAM.items() if above)
#: Too much for a record, so that it becomes an object.
BULK_BYTES = 70_000
BODIES = {
    "numbers": "world['numbers']",
    "label": "world['label']",
    "parity": "(numbers + {c}) % 2",
    "page": "{{'label': label, 'parity': parity, 'c': {c}}}",
    "bulk": f"bytes([numbers, {{c}}]) * {BULK_BYTES // 2}",
    "total": "len(bulk) + bulk[0] + page['parity'] + {c}",
}
Recipe = tuple[object, ...]


@dataclass
class Code:
    """One checkout: a constant in each function, and whether the last one is broken."""

    constants: dict[str, int] = field(default_factory=lambda: dict.fromkeys(MADE, 1))
    is_broken: bool = False

    def text(self) -> str:
        """The module."""
        parts = [HEADER]
        for name, above in UPSTREAM.items():
            body = BODIES[name].format(c=self.constants.get(name, 0))
            raises = "    raise ValueError('broken')\n" if name == "total" and self.is_broken else ""
            parts.append(
                f"\n\n@materialize({KEYS[name]!r})\ndef {name}({', '.join(above)}):\n"
                f"    calls.append({name!r})\n{raises}    return {body}\n"
            )
        return "".join(parts)

    def values(self, world: dict[str, int]) -> dict[str, object]:
        """What each asset is worth."""
        values: dict[str, object] = {}
        for name in UPSTREAM:
            scope = {"world": world, **values}
            values[name] = eval(
                BODIES[name].format(c=self.constants.get(name, 0)), {"bytes": bytes, "len": len}, scope
            )
        return values

    def recipes(self, world: dict[str, int]) -> dict[str, Recipe]:
        """What each asset that is made is made from."""
        values = self.values(world)
        return {
            name: (name, self.constants[name], *(repr(values[each])[:200] for each in UPSTREAM[name]))
            for name in MADE
        }
