"""How a host starts this program where it was run from a cache, as by `uvx`: by uv again, since caches are emptied."""

import shutil
from collections.abc import Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from cio_mcp.cli.ledger_file import Impossible

NAME = "cio-mcp"
EXTRAS: Mapping[str, str] = {
    "keyring": "keyring",
    "otel": "opentelemetry-exporter-otlp-proto-http",
    "postgres": "psycopg",
    "prometheus": "opentelemetry-exporter-prometheus",
    "redis": "redis",
}
"""What tells that an extra is installed; no record of an installation says which ones were asked for."""
_TAG, _SIGNATURE = "CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55"
"""Of the Cache Directory Tagging Specification: uv and `pipx run` mark their caches by it, wherever those lie."""
_FROM_ELSEWHERE = (
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_CONFIG_FILE",
)  # fmt: skip
"""Variables that tell uv where packages are; a host that is started from a menu has none of a shell's."""


def is_in_a_cache(environment: Path) -> bool:
    """Say whether an environment lies in a cache. Its own mark tells nothing: uv marks all that it makes."""
    return any(_is_marked(folder) for folder in environment.absolute().parents)


def command_of_uv(environ: Mapping[str, str]) -> list[str]:
    """Return the command by which uv finds this version again; raises Impossible unless it would."""
    found = _installed()
    if found is None or (found.read_text("INSTALLER") or "").strip() != "uv":
        raise _lost("was not put there by uv, which could do it again")
    if found.read_text("direct_url.json") is not None:
        raise _lost("did not come from an index, where uv would find it again", instead=" (or what it came from)")
    if variable := next((name for name in _FROM_ELSEWHERE if environ.get(name)), None):
        raise _lost(f"came from where {variable} says, which a host need not know")
    extras = [extra for extra, library in EXTRAS.items() if _installed(library)]
    wanted = f"{NAME}[{','.join(extras)}]" if extras else NAME
    return [*_uvx(), "--from", f"{wanted}=={found.version}", NAME]


def _uvx() -> list[str]:
    for program, more in (("uvx", ()), ("uv", ("tool", "run"))):
        if path := shutil.which(program):
            return [str(Path(path).absolute()), *more]
    raise _lost("could be had again by uv only, which is not on the PATH")


def _lost(why: str, *, instead: str = "") -> Impossible:
    return Impossible(
        f"no host could start this {NAME} for long: it lies in a cache, which is emptied one day, and {why}; "
        f"install it for good with `uv tool install {NAME}`{instead}, then run `{NAME} install` again"
    )


def _installed(name: str = NAME) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _is_marked(folder: Path) -> bool:
    try:
        with (folder / _TAG).open("rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError:
        return False
