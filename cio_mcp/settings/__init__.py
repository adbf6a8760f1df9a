"""What an operator can set, and how it is read."""

from cio_mcp.settings.entries import settings_for, unreadable
from cio_mcp.settings.flags import add_flags, flags_given
from cio_mcp.settings.loading import (
    APP_URLS,
    TRACK_URLS,
    Settings,
    SettingsError,
    keys_named,
    load,
    settings_at,
    source_of,
    strangers,
    variables_set,
)
from cio_mcp.settings.options import OPTIONS, Option
from cio_mcp.settings.rotated import difference
from cio_mcp.settings.stored import credentials_reread, names_region, with_login
from cio_mcp.settings.values import MEMORY, Region, is_customer_io

__all__ = [
    "APP_URLS",
    "MEMORY",
    "OPTIONS",
    "TRACK_URLS",
    "Option",
    "Region",
    "Settings",
    "SettingsError",
    "add_flags",
    "credentials_reread",
    "difference",
    "flags_given",
    "is_customer_io",
    "keys_named",
    "load",
    "names_region",
    "settings_at",
    "settings_for",
    "source_of",
    "strangers",
    "unreadable",
    "variables_set",
    "with_login",
]
