"""Random projects with random edits: what is built from what is known equals what is built from nothing.

A model says what each asset is worth, and which steps have a recipe that was never run: those run, and nothing else.
``NACRE_EXAMPLES`` multiplies how many projects are tried.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import nacre
from nacre.declare.discover import load_module
from sandbox import HEADER, Sandbox

TIMES = int(os.environ.get("NACRE_EXAMPLES", "1"))
N_HELPERS, MODULUS = 4, 1009
LIBRARY, PIPELINE = "random_library", "random_pipeline"
Recipe = tuple[object, ...]


@dataclass(frozen=True)
class Node:
    """One asset: a source where nothing is above it."""

    upstream: tuple[str, ...] = ()
    helper: int = 0
    constant: int = 1
    modulus: int = MODULUS  # a small one makes equal contents likely, so that changes stop
    is_broken: bool = False
    reads: str = ""


@dataclass
class State:
    """A project as its author sees it."""

    world: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    helpers: list[tuple[int, int]] = field(
        default_factory=list
    )  # constant, and the helper below that it calls
    nodes: dict[str, Node] = field(default_factory=dict)
    noise: int = 0  # comments, docstrings and order, which mean nothing
    in_library: bool = False

    def helper(self, number: int, x: int) -> int:
        constant, below = self.helpers[number]
        inner = self.helper(below, x) if below < number else x
        return (inner * 3 + constant) % MODULUS

    def closure(self, number: int) -> tuple[tuple[int, int], ...]:
        constant, below = self.helpers[number]
        return ((constant, below), *(self.closure(below) if below < number else ()))

    def recipe(self, name: str, values: dict[str, int]) -> Recipe:
        node = self.nodes[name]
        code = (replace(node, upstream=()), self.closure(node.helper))
        read = self.files[node.reads] if node.reads else None
        return (name, code, tuple((each, values[each]) for each in node.upstream), read)

    def value(self, name: str, values: dict[str, int]) -> int:
        node = self.nodes[name]
        if not node.upstream:
            return self.world[name]
        total = sum(values[each] for each in node.upstream) * node.constant
        return (
            self.helper(node.helper, total) + (self.files[node.reads] if node.reads else 0)
        ) % node.modulus

    # ── as text ───────────────────────────────────────────────────────────────────────────────────────────────────

    def library(self) -> str:
        lines = []
        for number, (constant, below) in enumerate(self.helpers):
            inner = f"h{below}(x)" if below < number else "x"
            remark = f"    # remark {self.noise}\n" if self.noise % 2 else f'    """Text {self.noise}."""\n'
            lines.append(f"def h{number}(x):\n{remark}    return ({inner} * 3 + {constant}) % {MODULUS}\n")
        return "\n\n".join(reversed(lines) if self.noise % 3 == 1 else lines)

    def pipeline(self) -> str:
        names = ", ".join(f"h{number}" for number in range(N_HELPERS))
        parts = [f"from {LIBRARY} import {names}\n" if self.in_library else self.library()]
        parts.append("from pathlib import Path\n\nHERE = Path(__file__).parent\n")
        assets = [self._asset(name, node) for name, node in self.nodes.items()]
        parts += reversed(assets) if self.noise % 3 == 2 else assets
        calls = "\n".join(
            f"    v['{name}'] = {name}({', '.join(f'v[{each!r}]' for each in node.upstream)})"
            for name, node in self.nodes.items()
        )
        parts.append(f"@flow\ndef everything():\n    v = {{}}\n{calls}\n    return dict(v)\n")
        return "\n\n".join(parts)

    def _asset(self, name: str, node: Node) -> str:
        head = f'@materialize("asset://{name}")\ndef {name}({", ".join(node.upstream)}):\n    calls.append("{name}")\n'
        if not node.upstream:
            return f"{head}    return world['{name}']\n"
        if node.is_broken:
            head += "    raise ValueError('broken')\n"
        read = f' + int((HERE / "{node.reads}").read_text())' if node.reads else ""
        total = " + ".join(node.upstream)
        return f"{head}    return (h{node.helper}(({total}) * {node.constant}){read}) % {node.modulus}\n"


class Incremental(RuleBasedStateMachine):
    """One author, one store, many edits."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(os.path.realpath(self._folder.name))
        self._before = {name: os.environ.get(name) for name in ("NACRE_STORE", "NACRE_QUIET")}
        self._bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        self._cwd = os.getcwd()
        os.chdir(self.folder)
        os.environ["NACRE_QUIET"] = "1"
        self.state = State()
        self.known: set[Recipe] = set()
        self.sandbox = self._open("store")

    def _open(self, store: str) -> Sandbox:
        os.environ["NACRE_STORE"] = str(self.folder / store)
        return Sandbox(self.folder)

    def teardown(self) -> None:
        with self._no_leftovers():
            self._compare_with_a_clean_build()

    @contextmanager
    def _no_leftovers(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.sandbox.close()
            for name in (PIPELINE, LIBRARY):
                sys.modules.pop(name, None)
            while str(self.folder) in sys.path:
                sys.path.remove(str(self.folder))
            sys.dont_write_bytecode = self._bytecode
            os.chdir(self._cwd)
            for name, value in self._before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
            self._folder.cleanup()

    # ── the project and its edits ─────────────────────────────────────────────────────────────────────────────────

    @initialize(data=st.data())
    def start(self, data: st.DataObject) -> None:
        draw = data.draw
        state = self.state
        for number in range(N_HELPERS):
            state.helpers.append((draw(st.integers(0, 9)), draw(st.integers(0, number))))
        names: list[str] = []
        for number in range(draw(st.integers(3, 8))):
            n_above = min(len(names), draw(st.integers(0, 3))) if number else 0
            above = tuple(sorted(draw(st.permutations(names))[:n_above])) if n_above else ()
            name = f"a{number}"
            reads = f"{name}.txt" if above and draw(st.booleans()) else ""
            modulus = draw(st.sampled_from([2, MODULUS]))
            state.nodes[name] = Node(above, draw(st.integers(0, N_HELPERS - 1)), modulus=modulus, reads=reads)
            state.world[name] = draw(st.integers(0, 5))
            if reads:
                self._write_file(reads, draw(st.integers(0, 5)))
            names.append(name)

    def _write_file(self, name: str, content: int) -> None:
        self.state.files[name] = content
        (self.folder / name).write_text(str(content))

    @rule(data=st.data(), value=st.integers(0, 5))
    def the_world_changes(self, data: st.DataObject, value: int) -> None:
        self.state.world[data.draw(st.sampled_from(sorted(self.state.world)))] = value

    @rule(number=st.integers(0, N_HELPERS - 1), constant=st.integers(0, 9))
    def a_helper_is_edited(self, number: int, constant: int) -> None:
        self.state.helpers[number] = (constant, self.state.helpers[number][1])

    @rule(data=st.data(), number=st.integers(0, N_HELPERS - 1))
    def a_helper_calls_another(self, data: st.DataObject, number: int) -> None:
        below = data.draw(st.integers(0, number))
        self.state.helpers[number] = (self.state.helpers[number][0], below)

    @rule(data=st.data(), constant=st.integers(1, 4), is_broken=st.sampled_from([False, False, False, True]))
    def an_asset_is_edited(self, data: st.DataObject, constant: int, is_broken: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.state.nodes)))
        node = self.state.nodes[name]
        if node.upstream:
            self.state.nodes[name] = replace(node, constant=constant, is_broken=is_broken)

    @rule(data=st.data())
    def an_input_is_taken_away_or_added(self, data: st.DataObject) -> None:
        names = list(self.state.nodes)
        name = data.draw(st.sampled_from(names))
        node = self.state.nodes[name]
        if node.upstream:
            others = names[: names.index(name)]
            above = data.draw(st.sets(st.sampled_from(others), min_size=1, max_size=3))
            self.state.nodes[name] = replace(node, upstream=tuple(sorted(above)))

    @rule(data=st.data(), content=st.integers(0, 5))
    def a_file_is_edited(self, data: st.DataObject, content: int) -> None:
        if self.state.files:
            self._write_file(data.draw(st.sampled_from(sorted(self.state.files))), content)

    @rule(noise=st.integers(0, 6), in_library=st.booleans())
    def comments_and_order_change(self, noise: int, in_library: bool) -> None:
        self.state.noise, self.state.in_library = noise, in_library

    # ── building ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _load(self) -> ModuleType:
        """Import the project as the next process would."""
        for name in (PIPELINE, LIBRARY):
            sys.modules.pop(name, None)
        (self.folder / f"{LIBRARY}.py").write_text(self.state.library())
        path = self.folder / f"{PIPELINE}.py"
        path.write_text(HEADER + "\n" + self.state.pipeline())
        self.sandbox.reopen()
        module = load_module(path)
        module.world.update(self.state.world)
        return module

    def _expected(self, wanted: set[str]) -> tuple[dict[str, int], list[str], set[str]]:
        """Say what is worth what, what runs, and what fails; everything that ran well is known from then on."""
        values: dict[str, int] = {}
        ran: list[str] = []
        lost: set[str] = set()
        for name, node in self.state.nodes.items():
            if name not in wanted:
                continue
            if not lost.isdisjoint(node.upstream):
                lost.add(name)
                continue
            if not node.upstream:
                ran.append(name)
            elif (recipe := self.state.recipe(name, values)) not in self.known:
                ran.append(name)
                if node.is_broken:
                    lost.add(name)
                    continue
                self.known.add(recipe)
            values[name] = self.state.value(name, values)
        return values, ran, lost

    def _wanted(self, names: set[str]) -> set[str]:
        found = set(names)
        for name in reversed(list(self.state.nodes)):
            if name in found:
                found.update(self.state.nodes[name].upstream)
        return found

    @rule(data=st.data())
    def some_are_built(self, data: st.DataObject) -> None:
        names = data.draw(st.sets(st.sampled_from(list(self.state.nodes)), min_size=1, max_size=3))
        self._build(self._wanted(names), sorted(names))

    @rule()
    def everything_is_built(self) -> None:
        self._build(set(self.state.nodes), ["*"])

    def _build(self, wanted: set[str], select: list[str]) -> None:
        module = self._load()
        values, ran, lost = self._expected(wanted)
        result = nacre.build(select, modules=[module])
        assert sorted(module.calls) == sorted(ran), result
        assert {step.name for step in result if step.action in ("failed", "skipped")} == lost
        self._compare(values)
        module.calls.clear()
        again = nacre.build(select, modules=[module])
        expected = {
            name for name in ran if not self.state.nodes[name].upstream or self.state.nodes[name].is_broken
        }
        assert set(module.calls) == expected, again

    @rule()
    def the_flow_is_run(self) -> None:
        if any(node.is_broken for node in self.state.nodes.values()):
            return
        module = self._load()
        values, ran, _ = self._expected(set(self.state.nodes))
        assert module.everything() == values
        assert sorted(module.calls) == sorted(ran)
        self._compare(values)

    def _compare(self, values: dict[str, int]) -> None:
        for name, value in values.items():
            assert nacre.load(f"asset://{name}") == value, name

    def _compare_with_a_clean_build(self) -> None:
        if not self.state.nodes:
            return
        for name, node in self.state.nodes.items():
            self.state.nodes[name] = replace(node, is_broken=False)
        self._build(set(self.state.nodes), ["*"])
        built = {
            name: self.sandbox.record(f"asset://{name}").outputs[0].data_version for name in self.state.nodes
        }
        self.sandbox.close()
        self.sandbox = self._open("clean")
        module = self._load()
        nacre.build("*", modules=[module]).raise_for_failure()
        assert sorted(module.calls) == sorted(self.state.nodes)
        clean = {
            name: self.sandbox.record(f"asset://{name}").outputs[0].data_version for name in self.state.nodes
        }
        assert built == clean


TestIncrementalBuilds = Incremental.TestCase
TestIncrementalBuilds.settings = settings(max_examples=20 * TIMES, stateful_step_count=12, deadline=None)
