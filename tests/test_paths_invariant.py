"""No path is put together by hand: `catalog/paths.py` writes them, from templates that stand in declarations.

A value that is written into a path elsewhere could be `..` and lead to another operation. So the beginning of an API
path may be written only where an operation is declared, or as a constant without a placeholder.
"""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import cio_mcp

PACKAGE = Path(cio_mcp.__file__).parent
API_PATH = re.compile(r"(?:^|\s)/(?:api|v\d+)(?:/|$)")
# It only answers requests.
SANDBOX = PACKAGE / "sandbox"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if SANDBOX not in path.parents)
WRITER = PACKAGE / "catalog" / "paths.py"


def offences(source: str) -> Iterator[str]:
    """Yield every place of a module that writes a request's path or address by hand, with its line."""
    tree = ast.parse(source)
    allowed = {id(node) for node in declared(tree)} | {id(node) for node in constants(tree)} | docstrings(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if API_PATH.search(text) and id(node) not in allowed:
                yield f"line {node.lineno}: {text!r} begins a path outside of a declaration"
            case ast.Call(func=ast.Name(id="Request"), keywords=keywords):
                yield from (f"line {node.lineno}: {fault}" for fault in request_faults(keywords))
            case ast.JoinedStr() | ast.BinOp():
                yield from (f"line {node.lineno}: {fault}" for fault in joined(node))
            case ast.Attribute(value=owner, attr="format" | "replace") if name_is_path(owner):
                yield f"line {node.lineno}: {ast.unparse(node)} writes into a path"


def name_is_path(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(value=owner, attr="path"):
            return ast.unparse(owner) not in ("self", "url", "parts")
        case ast.Name(id=name):
            return name.endswith("_PATH")
        case _:
            return False


def declared(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the first argument of every `@area.endpoint(...)` on a class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for decorator in node.decorator_list:
                match decorator:
                    case ast.Call(func=ast.Attribute(attr="endpoint"), args=[first, *_]):
                        yield first


def constants(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield the values of a module's `..._PATH` constants, which hold no placeholder."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text)) as value):
                if name.endswith("_PATH") and not re.search(r"[{}%]", text):
                    yield value


def docstrings(tree: ast.Module) -> set[int]:
    """Return the texts that are statements by themselves."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def request_faults(keywords: list[ast.keyword]) -> Iterator[str]:
    """Yield what is wrong with the path of a request: it is filled from a template, or a name for a constant."""
    for keyword in keywords:
        match keyword:
            case ast.keyword(
                arg="path", value=ast.Call(func=ast.Name(id="fill"), args=[ast.Attribute(attr="path"), _])
            ):
                pass
            case ast.keyword(arg="path", value=ast.Name(id=name)) if name == "path" or name.endswith("_PATH"):
                pass
            case ast.keyword(arg="path", value=value):
                yield f"path={ast.unparse(value)} is not filled by catalog/paths.py"


def joined(node: ast.JoinedStr | ast.BinOp) -> Iterator[str]:
    """Yield what a text is put together from, if that lengthens a path or makes an address."""
    written = ast.unparse(node)
    parts = node.values if isinstance(node, ast.JoinedStr) else [node.left, node.right]
    for part, after in pairwise(parts):
        value = part.value if isinstance(part, ast.FormattedValue) else part
        is_text = isinstance(after, ast.Constant) and isinstance(after.value, str)
        if name_is_path(value) and not (is_text and not ast.literal_eval(after).startswith("/")):
            yield f"{written} adds to a path"
    # The gateway's own address, of which it checks that the HTTP client leaves it as it is.
    made = isinstance(node, ast.BinOp) and isinstance(node.left, ast.Attribute) and node.left.attr == "base_url"
    if made and written != "lease.base_url + request.target":
        yield f"{written} is an address made by hand"


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_only_declarations_hold_paths_and_only_one_module_fills_them(path: Path) -> None:
    if path != WRITER:
        found = list(offences(path.read_text(encoding="utf-8")))
        assert not found, f"{path.relative_to(PACKAGE.parent)}: {'; '.join(found)}"


def test_the_writer_of_paths_is_the_one_that_requests_are_built_with() -> None:
    wire = ast.parse((PACKAGE / "wire.py").read_text(encoding="utf-8"))
    imported = [ast.unparse(node) for node in wire.body if isinstance(node, ast.ImportFrom)]
    assert "from cio_mcp.catalog.paths import fill" in imported
    assert WRITER in MODULES


DECLARATION = '@people.endpoint("DELETE /api/v1/customers/{identifier}", key=1)\nclass A:\n    """Of /v1/x."""\n'


@pytest.mark.parametrize(
    "source",
    [
        DECLARATION,
        'REGION_PATH = "/api/v1/accounts/region"\nask(REGION_PATH)',
        "Request(method=m, path=fill(endpoint.path, values), query=q)",
        "Request(method=m, path=path, query=q)",
        'f"{self.path}?{self.query}"',
        "Request(url, lease.base_url + request.target)",
        'DOCS = "https://docs.customer.io/integrations/api/"',
        'f"works at {lease.base_url}: region"',
        'f"{endpoint.method} {endpoint.path}`"',
    ],
)
def test_what_is_right_passes(source: str) -> None:
    assert list(offences(source)) == []


@pytest.mark.parametrize(
    "source",
    [
        'f"/v1/customers/{customer_id}/attributes"',
        '"/v1/customers/%s" % customer_id',
        '"/v1/customers/" + customer_id',
        '"/v1/customers/{}".format(customer_id)',
        '"/".join(["/api/v1", "customers", customer_id])',
        'PATH = f"/api/v2/{kind}"',
        'CUSTOMER_PATH = "/v1/customers/{id}"',
        'REGION_PATH = "/api/v1/accounts/region"\nask(REGION_PATH + "/" + region)',
        'REGION_PATH = "/api/v1/accounts/region"\nask(f"{REGION_PATH}/{region}")',
        "REGION_PATH.format(region)",
        "endpoint.path.format(id=customer_id)",
        'endpoint.path + "/" + customer_id',
        'f"{endpoint.path}/{customer_id}"',
        "Request(method=m, path=endpoint.path.replace('{id}', customer_id), query=q)",
        "Request(method=m, path=fill(template, values), query=q)",
        "Request(method=m, path='/' + '/'.join(parts), query=q)",
        "client.get(lease.base_url + path)",
        DECLARATION + '    path = "GET /v1/segments/" + name',
    ],
)
def test_what_is_written_by_hand_is_found_with_its_line(source: str) -> None:
    found = list(offences(source))
    assert found
    assert all(re.match(r"line \d+: ", fault) for fault in found)
