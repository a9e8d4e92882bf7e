"""The rules of the house, executed: layers, cycles, sizes, the I/O line, names, and that all is documented.

Whatever breaks a rule for a reason is listed here with the reason; the list may only shrink.
"""

from __future__ import annotations

import ast
import importlib
import re
import statistics
import tomllib
from functools import cache
from pathlib import Path

import pytest

from source_tree import PACKAGE, closure, code_lines, cycles, edges, functions, imports, modules, nesting

ROOT = Path(__file__).parent.parent

# A package may import only what stands above it, or in its own row. The façades come last.
LAYERS = [
    ("errors", "keys", "encoding", "plain"),
    ("context",),
    ("declare",),
    ("graph",),
    ("version",),
    ("planning",),
    ("schedule", "schedule.trigger", "schedule.definition", "schedule.settings"),
    # ── the I/O line ──
    ("frames",),
    ("values",),
    ("store",),
    ("catalog",),
    ("survey",),
    ("execute",),
    (
        "schedule.ticks",
        "schedule.loop",
        "schedule.process",
        "schedule.lines",
        "schedule.serve",
        "config",
        "environments",
        "project",
        "builds",
        "releasing",
        "pinning",
        "loading",
    ),
    ("views",),
    ("curate",),
    ("api", "reviewing"),
    ("",),  # the root package: lazy, so that a face may ask it for the version
    ("__main__", "cli", "web", "notebook"),
    ("integrations",),
]
PURE = {
    "errors",
    "keys",
    "encoding",
    "plain",
    "context",
    "declare",
    "graph",
    "version",
    "planning",
    "schedule.trigger",
    "schedule.definition",
    "schedule.settings",
}
IO_MODULES = {"asyncio", "os", "random", "socket", "sqlite3", "subprocess", "tempfile", "threading", "time"}
IO_CALLS = {"input", "now", "open", "print", "read_text", "today", "utcnow", "write_text"}
IO_EXCEPTIONS = {
    "declare.discover": "finds and imports the user's modules, the one place above the line that touches files",
    "version.source": "holds the default reader of source files; tests and other faces hand in their own",
    "version.origin": "resolves links in the names of source files and reads the metadata of installed packages",
}

# Where each third-party library may be imported; elsewhere nobody knows it exists.
THIRD_PARTY = {
    "blake3": ("encoding", "values", "store"),
    "click": ("cli",),
    "cronsim": ("schedule.trigger",),
    "dbt": ("integrations.dbt",),
    "duckdb": ("values", "store", "integrations.dbt"),
    "jinja2": ("web",),
    "markdown_it": ("web",),
    "msgspec": (
        "store",
        "catalog",
        "config",
        "values",
        "execute",
        "survey",
        "project",
        "curate",
        "schedule.ticks",
        "views",
    ),
    "nh3": ("web",),
    "numpy": ("values", "store"),
    "obstore": ("store",),
    "pandas": ("values", "store"),
    "polars": ("values", "store"),
    "pyarrow": ("values", "store"),
    "pydantic": ("values", "store"),
    "rich": ("cli",),
    "sse_starlette": ("web",),
    "starlette": ("web",),
    "uvicorn": ("web",),
}
# Too slow to import for everyone: only inside the function that needs them.
HEAVY = {"dbt", "duckdb", "numpy", "pandas", "polars", "obstore", "pyarrow", "pydantic", "rich"}

# Faces people import from; they hold no logic, and may load what they export when first asked (PEP 562).
# `nacre.version` is one too: it wraps the identity of code (above) and of values (below) under one name.
FACADES = {"version"}

BANNED_NAMES = {
    "base",
    "common",
    "core",
    "helper",
    "helpers",
    "job",
    "manager",
    "misc",
    "node",
    "op",
    "util",
    "utils",
}

MAX_FILE, P90_FILE = 500, 350
MAX_FUNCTION, P90_FUNCTION = 60, 25
MAX_NESTING = 4
MAX_PARAMETERS = 8
MAX_PORT_METHODS = 13
MAX_CLOSURE = (
    14  # options name the types of partitions and of what is declared by hand, each a leaf of its own
)
MAX_PUBLIC = 41  # each command about versions has its verb, a list of pins and an end to one besides
# "module:function" or "module" → (what it may have, why).
LARGE: dict[str, tuple[int, str]] = {}
CLOSURES = {
    "planning.plan": (
        19,
        "the state machine speaks of tasks, facts, settings, reasons and recipes, each a leaf of its own",
    ),
    "planning.build": (20, "makes that plan"),
    "planning.forecast": (20, "reads that plan"),
}
PARAMETERS = {
    "assets:materialize": (10, "Prefect's signature, kept so that existing code runs"),
}


def is_facade(name: str) -> bool:
    """The root, the named ones, and every top-level file that has no row in the table."""
    return name == "" or name in FACADES or ("." not in name and layer(name) == len(LAYERS))


def layer(name: str) -> int:
    if name in FACADES:
        return len(LAYERS)
    rows = {entry: row for row, entries in enumerate(LAYERS) for entry in entries}
    while name not in rows and "." in name:
        name = name.rpartition(".")[0]
    return rows.get(name, len(LAYERS))


def pure() -> list[str]:
    return [
        n for n in modules() if n and any(n == p or n.startswith(p + ".") for p in PURE) and n not in FACADES
    ]


def places(found: list[str]) -> str:
    return "\n  ".join(["", *found])


def test_every_package_imports_only_what_stands_above_it() -> None:
    wrong = [
        f"{e.source}:{e.line} imports {e.target or 'the root package'}"
        for e in edges()
        if layer(e.target) > layer(e.source)
    ]
    assert not wrong, places(wrong)


def test_every_folder_of_the_package_has_a_row_in_the_table() -> None:
    named = {entry.partition(".")[0] for row in LAYERS for entry in row}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= named


def test_no_module_needs_itself_even_counting_late_imports() -> None:
    assert not cycles(), f"these import each other: {sorted(cycles())}"


def test_own_modules_are_imported_at_the_top_of_the_file() -> None:
    wrong = [
        f"{e.source}:{e.line} imports {e.target} late" for e in edges() if e.late and not is_facade(e.source)
    ]
    assert not wrong, places(wrong)


def test_nothing_above_the_io_line_touches_the_world() -> None:
    wrong = []
    for name in pure():
        if name in IO_EXCEPTIONS:
            continue
        for imported, line, _, types in imports(modules()[name]):
            if imported.partition(".")[0] in IO_MODULES and not types:
                wrong.append(f"{name}:{line} imports {imported}")
        for node in ast.walk(modules()[name].tree):
            called = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if called in IO_CALLS:
                wrong.append(f"{name}:{node.lineno} calls {called}")
    assert not wrong, places(wrong)


def test_third_parties_are_known_only_where_they_are_wrapped() -> None:
    wrong = []
    for module in modules().values():
        for imported, line, late, types in imports(module):
            top = imported.partition(".")[0]
            homes = THIRD_PARTY.get(top)
            if homes is None or types:
                continue
            if not any(module.name == home or module.name.startswith(home + ".") for home in homes):
                wrong.append(f"{module.name}:{line} imports {top}, which belongs in {', '.join(homes)}")
            if top in HEAVY and not late:
                wrong.append(f"{module.name}:{line} imports {top} at start-up; import it where it is used")
    assert not wrong, places(wrong)


def test_a_pure_module_can_be_read_alone() -> None:
    wrong = []
    for name in pure():
        reached = closure(name)
        if len(reached) > CLOSURES.get(name, (MAX_CLOSURE, ""))[0]:
            wrong.append(f"{name} reaches {len(reached)}: {', '.join(sorted(reached))}")
    assert not wrong, places(wrong)


def p90(sizes: list[int]) -> float:
    return statistics.quantiles(sizes, n=10)[8]


def test_files_fit_on_a_few_screens() -> None:
    lines = {name: len(m.path.read_text(encoding="utf-8").splitlines()) for name, m in modules().items()}
    wrong = [f"{name}: {n} lines" for name, n in lines.items() if n > LARGE.get(name, (MAX_FILE, ""))[0]]
    assert not wrong, places(wrong)
    assert p90([n for n in lines.values() if n]) <= P90_FILE


def test_files_beside_the_package_keep_its_limit_too() -> None:
    files = [p for folder in ("tests", "tools", "bench", "examples") for p in (ROOT / folder).rglob("*.py")]
    wrong = [
        str(p.relative_to(ROOT)) for p in files if len(p.read_text(encoding="utf-8").splitlines()) > MAX_FILE
    ]
    assert not wrong, places(wrong)


def test_functions_are_short_and_flat() -> None:
    wrong, sizes = [], []
    for module in modules().values():
        for name, node in functions(module):
            sizes.append(code_lines(node))
            if sizes[-1] > LARGE.get(name, (MAX_FUNCTION, ""))[0]:
                wrong.append(f"{name}: {sizes[-1]} lines")
            if nesting(node) > MAX_NESTING:
                wrong.append(f"{name}: blocks {nesting(node)} deep")
    assert not wrong, places(wrong)
    assert p90(sizes) <= P90_FUNCTION


def test_functions_take_few_parameters() -> None:
    wrong = []
    for module in modules().values():
        for name, node in functions(module):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            n = len([a for a in given if a.arg not in ("self", "cls")])
            overload = any(ast.unparse(d).endswith("overload") for d in node.decorator_list)
            if n > PARAMETERS.get(name, (MAX_PARAMETERS, ""))[0] and not overload:
                wrong.append(f"{name}: {n} parameters")
    assert not wrong, places(wrong)


def test_a_port_is_small_enough_to_implement_twice() -> None:
    wrong = []
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and any(
                ast.unparse(b).startswith("Protocol") for b in node.bases
            ):
                n = sum(isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) for child in node.body)
                if n > MAX_PORT_METHODS:
                    wrong.append(f"{module.name}:{node.name}: {n} methods")
    assert not wrong, places(wrong)


def test_modules_are_named_for_what_they_hold() -> None:
    assert not [name for name in modules() if BANNED_NAMES & set(name.split("."))]


def test_nothing_is_left_for_later() -> None:
    left = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError|type: ignore(?!\[)|# noqa(?!:)")
    wrong = []
    for module in modules().values():
        for number, line in enumerate(module.path.read_text(encoding="utf-8").splitlines(), 1):
            if left.search(line):
                wrong.append(f"{module.path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not wrong, places(wrong)


def test_every_module_says_what_it_is_for() -> None:
    silent = [n for n, m in modules().items() if m.tree.body and not ast.get_docstring(m.tree)]
    assert not silent, places(silent)


def test_tests_are_named_as_claims() -> None:
    """`test_` and at least three words, each name once in its class or file."""
    wrong = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for scope in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]:
            names = [n.name for n in scope.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
            tests = [name for name in names if name.startswith("test_")]
            wrong += [f"{path.name}: {n}" for n in tests if n.count("_") < 3 or tests.count(n) > 1]
    assert not wrong, places(wrong)


def test_each_decision_has_its_own_number() -> None:
    names = [path.name for path in (ROOT / "docs" / "adr").glob("*.md") if path.name != "README.md"]
    assert all(re.match(r"\d{4}-[a-z0-9-]+\.md$", name) for name in names)
    numbers = sorted(int(name[:4]) for name in names)
    assert numbers == list(range(1, len(names) + 1))


def test_constraints_are_exact_and_name_no_place() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = re.compile(r"[a-z0-9][a-z0-9._-]*==[^ ;]+( ; [a-z_]+ .+)?$")
    assert [line for line in lines if not pinned.match(line)] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = sum(project["optional-dependencies"].values(), project["dependencies"])
    names = {line.partition("==")[0] for line in lines}
    assert {re.split(r"[^a-zA-Z0-9._-]", want)[0].lower() for want in wanted} <= names


# ── The public surface ──


@cache
def reference() -> str:
    return "\n".join(
        p.read_text(encoding="utf-8") for p in sorted((ROOT / "docs" / "reference").glob("*.md"))
    )


def documented(name: str) -> bool:
    """Whether the reference has the name in code type, alone or as the head of a call."""
    return re.search(rf"`[^`\n]*(?<![\w-]){re.escape(name)}(?![\w-])[^`\n]*`", reference()) is not None


def faces() -> list[str]:
    return [name for name in modules() if is_facade(name) and modules()[name].tree.body]


@pytest.mark.parametrize("face", faces())
def test_every_public_name_is_there_and_documented(face: str) -> None:
    module = importlib.import_module(f"nacre.{face}".rstrip("."))
    names = list(module.__all__)
    missing = [name for name in names if not hasattr(module, name)]
    assert not missing, f"in __all__ of nacre.{face}, but not there"
    assert not [name for name in names if not documented(name)], (
        f"public in nacre.{face}, not in docs/reference"
    )


def test_no_public_function_has_the_name_of_a_module() -> None:
    """Else ``nacre.x`` would be the function or the module, depending on what was imported before."""
    nacre = importlib.import_module("nacre")
    assert len(nacre.__all__) <= MAX_PUBLIC
    top = {name.partition(".")[0] for name in modules() if name}
    clash = [
        n
        for n in nacre.__all__
        if n in top and getattr(nacre, n) is not importlib.import_module(f"nacre.{n}")
    ]
    assert not clash


def test_every_extra_is_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    prose = (
        reference() + (ROOT / "README.md").read_text("utf-8") + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    )
    assert [
        extra
        for extra in project["optional-dependencies"]
        if not re.search(rf"\[[\w,]*{extra}[\w,]*\]", prose)
    ] == []


def test_every_command_is_documented_and_helps() -> None:
    click = importlib.import_module("click")
    testing = importlib.import_module("click.testing")
    cli = importlib.import_module("nacre.cli.main")
    group = next(value for value in vars(cli).values() if isinstance(value, click.Group))
    commands = group.list_commands(click.Context(group))
    assert commands
    for name in commands:
        result = testing.CliRunner().invoke(group, [name, "--help"])
        assert result.exit_code == 0, f"nacre {name} --help: {result.output}"
        assert "Usage:" in result.output
        assert documented(f"nacre {name}"), f"`nacre {name}` is not in docs/reference"
