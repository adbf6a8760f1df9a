"""`cio-mcp logout`: the stored keys, removed."""

import argparse

from cio_mcp.cli.ledger_file import fail, say
from cio_mcp.login.keeping import Unkept, forget
from cio_mcp.login.kept import Spoilt, marker_path, stored_login


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Add nothing: there is one place."""
    del command


def run(arguments: argparse.Namespace) -> int:
    """Remove the keys first, then what tells where they lie: a failure between leaves a way to try again."""
    del arguments
    try:
        login = stored_login()
        if login is None:
            say("Nothing is stored.")
            return 0
        forget(login.references.values())
        marker_path().unlink(missing_ok=True)
    except (Spoilt, Unkept) as error:
        return fail(str(error))
    except OSError as error:
        return fail(f"{marker_path()} cannot be removed: {error.strerror}")
    say("The stored keys are removed. Servers that run keep theirs until they end.")
    return 0
