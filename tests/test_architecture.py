"""The house is built as ARCHITECTURE.md draws it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from importlib.metadata import files, packages_distributions
from itertools import chain
from pathlib import Path

import pytest

import cio_mcp

PACKAGE = Path(cio_mcp.__file__).parent
ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
LONGEST_MODULE = 400
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "base", "core"}
FOR_DEVELOPERS = {"test", "lint", "docs", "bench", "evals"}
# Part of pydantic's own interface.
BROUGHT = {"pydantic_core": "pydantic", "typing_extensions": "pydantic"}
# Nobody imports it: zoneinfo finds it where a system has no time zones of its own.
DATA = {"tzdata"}
MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_CALLS = {
    "list",
    "dict",
    "set",
    "bytearray",
    "defaultdict",
    "deque",
    "OrderedDict",
    "Counter",
    "ContextVar",
    "local",
}
MUTATORS = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "reverse", "set", "setdefault", "sort", "update",
}  # fmt: skip
CACHES = {"cache", "lru_cache", "cached_property"}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES: Mapping[str, Path] = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}
DRAWN = [
    re.findall(r"^([a-z_]+)(?:\.py|/) {2,}\S", block, re.MULTILINE)
    for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
]
ROOMS, APART = DRAWN[0], DRAWN[1]

every_module = pytest.mark.parametrize("module", MODULES)


def room(module: str) -> str:
    """Return the part of the house that a module belongs to; the package itself, with the version, is the ground."""
    return module.split(".")[1] if "." in module else ""


def imports(module: str) -> Iterator[str]:
    """Yield every module that a module imports, ours in full and others by their first name."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in found:
            yield next((known for known in (name, name.rpartition(".")[0]) if known in MODULES), name)


def test_every_room_is_drawn_once_and_exists() -> None:
    assert sorted(ROOMS + APART) == sorted({room(module) for module in MODULES} - {""})


@every_module
def test_imports_point_downwards(module: str) -> None:
    if room(module) not in ROOMS:
        return
    here = ROOMS.index(room(module))
    reached = {room(name) for name in imports(module) if name in MODULES} - {"", *APART}
    assert [name for name in reached if ROOMS.index(name) < here] == []


def test_modules_do_not_import_each_other_in_circles() -> None:
    graph = {module: {name for name in imports(module) if name in MODULES and name != module} for module in MODULES}
    # A package's __init__ gathers what lies in it, so importing the package is no circle by itself.
    TopologicalSorter(
        {module: {n for n in names if not module.startswith(f"{n}.")} for module, names in graph.items()}
    ).prepare()


@every_module
def test_the_sandbox_stands_apart(module: str) -> None:
    reached = {room(name) for name in imports(module) if name in MODULES}
    if room(module) in APART:
        assert reached <= set(APART)
    elif room(module) != "cli":
        assert not reached & set(APART)


@every_module
def test_no_module_is_long_or_vaguely_named(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE
    assert not set(module.split(".")) & VAGUE_NAMES


@every_module
def test_nothing_prints(module: str) -> None:
    names = [node.id for node in ast.walk(TREES[module]) if isinstance(node, ast.Name)]
    assert "print" not in names


@every_module
def test_no_module_holds_state(module: str) -> None:
    tree = TREES[module]
    mutable = {name: value for name, value in assigned(tree) if is_mutable(value)}
    assert [name for name in mutable if name != "__all__" and name != name.upper()] == [], "a constant is in capitals"
    assert list(changes(tree, set(mutable))) == []


def assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Yield what a module assigns to names of its own."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
            yield node.target.id, node.value


def is_mutable(value: ast.expr) -> bool:
    return isinstance(value, MUTABLE) or (isinstance(value, ast.Call) and last_name(value.func) in MUTABLE_CALLS)


def changes(tree: ast.Module, names: set[str]) -> Iterator[str]:
    """Yield every place that changes one of `names`, or keeps state in another way."""
    for node in ast.walk(tree):
        match node:
            case ast.Global():
                yield f"line {node.lineno}: global"
            case ast.FunctionDef() | ast.AsyncFunctionDef() if {last_name(d) for d in node.decorator_list} & CACHES:
                yield f"line {node.lineno}: {node.name} remembers its results"
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()) if name in names:
                yield f"line {node.lineno}: {name}[...] is changed"
            case ast.AugAssign(target=ast.Name(id=name)) if name in names:
                yield f"line {node.lineno}: {name} is changed"
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr)) if name in names and attr in MUTATORS:
                yield f"line {node.lineno}: {name}.{attr}"


def last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func) | ast.Subscript(value=func):
            return last_name(func)
        case _:
            return ""


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = (needs for extra, needs in project["optional-dependencies"].items() if extra not in FOR_DEVELOPERS)
    needed = chain(project["dependencies"], *extras)
    return {re.split(r"[<>=~! \[]", requirement)[0] for requirement in needed}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    outside = {name for module in MODULES for name in imports(module) if name not in MODULES}
    of = packages_distributions()
    used = {brought_by(name, of) for name in outside if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name.lower() for name in used} == declared() - DATA


def brought_by(name: str, of: Mapping[str, Sequence[str]]) -> str:
    """Return the distribution that what is imported comes from, where several share the first part of its name too."""
    first = name.split(".", maxsplit=1)[0]
    first = BROUGHT.get(first, first)
    several = sorted(set(of.get(first, [first])))
    return several[0] if len(several) == 1 else max(several, key=lambda one: depth(name, one))


def depth(name: str, distribution: str) -> int:
    """Return how many parts of a dotted name are folders or modules of a distribution."""
    parts = name.split(".")
    holds = {path.with_suffix("").parts for path in files(distribution) or ()}
    return max(
        (
            length
            for length in range(1, len(parts) + 1)
            if {tuple(parts[:length]), (*parts[:length], "__init__")} & holds
        ),
        default=0,
    )


def test_every_dependency_has_its_reason_on_the_page() -> None:
    assert set(re.findall(r"^\| `([\w-]+)` \| \S", PAGE, re.MULTILINE)) == declared()


@pytest.mark.parametrize(
    "source",
    [
        "SEEN = {}\ndef f():\n    SEEN['a'] = 1",
        "SEEN = list()\ndef f():\n    SEEN.append(1)",
        "COUNT = [0]\nCOUNT += [1]",
        "n = 0\ndef f():\n    global n\n    n += 1",
        "@functools.cache\ndef f(): ...",
        "@lru_cache(maxsize=1)\ndef f(): ...",
    ],
)
def test_state_in_a_module_would_be_seen(source: str) -> None:
    tree = ast.parse(source)
    assert list(changes(tree, {name for name, value in assigned(tree) if is_mutable(value)}))
