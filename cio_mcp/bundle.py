"""The bundle that Claude Desktop installs when it is opened (MCPB): the source and its manifest, in one archive.

`python -m cio_mcp.bundle`, run in a copy of the source, writes it. The host installs what it depends on with uv.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import tomlkit

from cio_mcp import __version__
from cio_mcp.catalog import CATALOG
from cio_mcp.distribution import ICON, NAME
from cio_mcp.render import MANIFEST, README, json_text, manifest
from cio_mcp.replacing import replace_file

PROJECT = "pyproject.toml"
PACKAGE = "cio_mcp"
BESIDE = (README, "LICENSE", ICON)
"""What goes in as it is, beside the package: pyproject.toml names the first two, the manifest the third."""
PARTS = (".css", ".html", ".js", ".lua", ".py", ".sql", ".svg", ".typed")
"""What the package consists of; anything else in its folder came there by chance, and could be anybody's."""
_READABLE = 0o644
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that an archive can hold: real ones would make every bundle another."""


class NoSource(Exception):
    """There is no copy of the source here that a bundle could be made of; the text says what is missing."""


def contents(source: Path) -> dict[str, bytes]:
    """Return the files of the bundle by their names in it; raises NoSource."""
    missing = [name for name in (PROJECT, *BESIDE) if not (source / name).is_file()]
    if missing:
        raise NoSource(
            f"a bundle is made of a copy of the source, and {source} is none: {', '.join(missing)} not found there. "
            f"Run `python -m cio_mcp.bundle` in the folder of the source"
        )
    found = {name: (source / name).read_bytes() for name in BESIDE}
    found[PROJECT] = project((source / PROJECT).read_text(encoding="utf-8")).encode()
    found[MANIFEST] = json_text(manifest(CATALOG)).encode()
    return found | {path.relative_to(source).as_posix(): path.read_bytes() for path in _parts(source / PACKAGE)}


def _parts(package: Path) -> Iterator[Path]:
    for path in package.rglob("*"):
        hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(package).parts)
        if path.suffix in PARTS and path.is_file() and not path.is_symlink() and not hidden:
            yield path


def project(text: str) -> str:
    """Return pyproject.toml as a bundle needs it: what is installed, a keyring for stored keys included, and how.

    uv finds versions for all extras before it installs anything. Those of tests and benchmarks would cost every user
    time, and the day one of them cannot be had, the server.
    """
    document = tomlkit.parse(text)
    about, tools = document["project"], document["tool"]
    extras = about.pop("optional-dependencies", {})
    for requirement in extras.get("keyring", ()):
        about["dependencies"].add_line(str(requirement))
    for name in [name for name in tools if name != "hatch"]:
        del tools[name]
    return tomlkit.dumps(document)


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files; the same files make the same bytes."""
    held = BytesIO()
    with ZipFile(held, "w") as packed:
        for name in sorted(files):
            entry = ZipInfo(name, date_time=_EPOCH)
            entry.compress_type = ZIP_DEFLATED
            entry.create_system = 3  # Unix, whose modes follow, wherever it is packed
            entry.external_attr = _READABLE << 16
            packed.writestr(entry, files[name], compresslevel=9)
    return held.getvalue()


def main(argv: Sequence[str] | None = None, source: Path = Path(__file__).parents[1]) -> int:
    """Write the bundle; 1 means that it could not be made."""
    parser = argparse.ArgumentParser(prog="python -m cio_mcp.bundle", description="Write the bundle (MCPB).")
    usual = f"{NAME}-{__version__}.mcpb"
    parser.add_argument("--output", metavar="FILE", type=Path, default=Path(usual), help=f"(default: {usual})")
    output: Path = parser.parse_args(argv).output
    try:
        files = contents(source)
        packed = archive(files)
        replace_file(output, packed, mode=_READABLE)
    except NoSource as error:
        sys.stderr.write(f"cio-mcp: {error}.\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"cio-mcp: {output} cannot be written: {error.strerror}\n")
        return 1
    sys.stdout.write(f"{output}: {len(files)} files, {len(packed) / 1024:,.0f} KiB. Open it with Claude Desktop.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
