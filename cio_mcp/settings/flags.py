"""The settings as flags of a command."""

import argparse
from collections.abc import Collection

from cio_mcp.settings.options import OPTIONS


def add_flags(parser: argparse.ArgumentParser, shown: Collection[str] | None = None) -> None:
    """Add a flag for every setting that may be given on the command line; help tells of those in `shown`, or of all."""
    group = parser.add_argument_group("settings", "each also as the environment variable in brackets")
    for option in OPTIONS:
        if option.flag is None:
            continue
        default = f" (default: {option.default})" if option.default and not option.is_switch else ""
        text = f"{option.help}{default} [{option.env}]".replace("%", "%%")
        if shown is not None and option.name not in shown:
            text = argparse.SUPPRESS
        if option.is_switch:
            group.add_argument(option.flag, dest=option.name, action="store_const", const="true", help=text)
        else:
            group.add_argument(option.flag, dest=option.name, metavar="VALUE", help=text)


def flags_given(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the settings that were given as flags."""
    given = {option.name: getattr(arguments, option.name, None) for option in OPTIONS if option.flag}
    return {name: value for name, value in given.items() if value is not None}
