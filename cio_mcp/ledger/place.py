"""Where a ledger lies, and what lies beside it."""

from pathlib import Path

from platformdirs import user_state_path

NAME = "ledger.sqlite3"


def ledger_path(setting: str | None) -> Path:
    """Return the path that a setting means; without one, the ledger in the user's state directory."""
    if setting is None:
        return user_state_path("cio-mcp", appauthor=False) / NAME
    return Path(setting).expanduser().absolute()


def key_path(ledger: Path) -> Path:
    """Return where the key of a ledger lies."""
    return ledger.with_name(f"{ledger.stem}.key")


def stop_path(ledger: Path) -> Path:
    """Return where the file lies that stops every write of a ledger's processes."""
    return ledger.with_name(f"{ledger.stem}.stop")


def lock_path(ledger: Path, process: str) -> Path:
    """Return the file that a process keeps locked for as long as it lives."""
    return ledger.with_name(f"{ledger.name}.{process}.lock")


def lock_files(ledger: Path) -> list[Path]:
    """Return the lock files beside a ledger."""
    return [path for path in ledger.parent.iterdir() if path.match(f"{ledger.name}.*.lock")]
