"""`python -m docs [FOLDER]`: build the site, strictly, and see that it asks nothing of another host."""

import argparse
import shutil
import sys
from pathlib import Path

from docs.building import Broken, build
from docs.checking import dead_links, documents, external_links, outside_assets
from docs.cutting import Unplaced

DEFAULT = Path(".site")


def main() -> int:
    """Build, check, and say how many pages there are; 1 means that something is wrong with them."""
    parser = argparse.ArgumentParser(prog="python -m docs", description="Build the documentation site.")
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT, help=f"where to (default: {DEFAULT})")
    folder: Path = parser.parse_args().folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        site = build(folder.resolve())
    except (Broken, Unplaced) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    wrong = [f"dead: {each}" for each in dead_links(site)] + [
        f"from elsewhere: {each}" for each in outside_assets(site)
    ]
    sys.stderr.writelines(f"{each}\n" for each in wrong)
    links = external_links(site)
    (folder / "external-links.txt").write_text("".join(f"{link}\n" for link in links), encoding="utf-8")
    sys.stdout.write(f"{len(documents(site))} pages in {site}; {len(links)} addresses elsewhere, none of them tried\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
