"""Pure: what a host or a registry is told of this server before it runs: a bundle's manifest, a registry's entry."""

from collections.abc import Iterable
from typing import Any, get_args, get_type_hints

from cio_mcp import __version__
from cio_mcp.secret import Secret
from cio_mcp.settings import OPTIONS, Option, Settings
from cio_mcp.settings.values import Region

NAMESPACE = "com.example"
"""Who publishes this server in the MCP registry: a domain of theirs turned round, or `io.github.` and their account.

Nobody can own this one, so nothing is published by mistake. CONTRIBUTING.md, "Publish", says what else is to be set.
"""
NAME = "cio-mcp"
TITLE = "Customer.io"
DESCRIPTION = "Customer.io for AI agents: one tool per API operation, the right key for each."
ICON = "icon.png"
REGISTRY_SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"

# What a person who installs it is asked for; everything else keeps its default.
ASKED = (
    "CUSTOMERIO_SITE_ID",
    "CUSTOMERIO_TRACK_API_KEY",
    "CUSTOMERIO_APP_API_KEY",
    "CUSTOMERIO_REGION",
    "CUSTOMERIO_SERVICE_ACCOUNT_TOKEN",
    "CUSTOMERIO_WORKSPACE_ID",
    "CIO_MCP_SANDBOX",
    "CIO_MCP_READ_ONLY",
    "CIO_MCP_AREAS",
    "CIO_MCP_GRANT",
)


def manifest(tools: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the manifest of the one-click bundle (MCPB, "MANIFEST.md", version 0.4) for tools and what they do.

    Its schema is strict: an unknown member makes a bundle invalid. `server.type` "uv" lets the host install the
    dependencies for its own platform and Python.
    """
    asked = _asked()
    return {
        "manifest_version": "0.4",
        "name": NAME,
        "display_name": TITLE,
        "version": __version__,
        "description": DESCRIPTION,
        "author": {"name": "The cio-mcp authors"},
        "icon": ICON,
        "license": "MIT",
        "keywords": ["customer.io", "email", "messaging", "marketing"],
        "server": {
            "type": "uv",
            "entry_point": "cio_mcp/__main__.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", "cio-mcp"],
                "env": {option.env: f"${{user_config.{option.name}}}" for option in asked},
            },
        },
        "tools": [{"name": name, "description": text} for name, text in tools],
        "prompts_generated": True,
        "compatibility": {"platforms": ["darwin", "win32", "linux"], "runtimes": {"python": ">=3.11"}},
        "user_config": {option.name: _field(option) for option in asked},
    }


def registry_name() -> str:
    """Return the name of this server in the MCP registry."""
    return f"{NAMESPACE}/{NAME}"


def registry_marker() -> str:
    """Return what the registry looks for in the README of a package, to know that its publisher agrees."""
    return f"<!-- mcp-name: {registry_name()} -->"


def registry_entry() -> dict[str, Any]:
    """Return the entry for the MCP registry (`server.json`): the package, and what its user is asked for."""
    return {
        "$schema": REGISTRY_SCHEMA,
        "name": registry_name(),
        "title": TITLE,
        "description": DESCRIPTION,
        "version": __version__,
        "packages": [
            {
                "registryType": "pypi",
                "identifier": NAME,
                "version": __version__,
                "runtimeHint": "uvx",
                "transport": {"type": "stdio"},
                "environmentVariables": [_variable(option) for option in _asked()],
            }
        ],
    }


def _asked() -> list[Option]:
    return [option for option in OPTIONS if option.env in ASKED]


def _is_secret(option: Option) -> bool:
    return bool(get_type_hints(Settings)[option.name] == Secret | None)


def _field(option: Option) -> dict[str, Any]:
    """Return the field of the install dialog; none is required, because any one key is enough."""
    field: dict[str, Any] = {
        "type": "boolean" if option.is_switch else "string",
        "title": option.name.replace("_", " ").capitalize().replace("api", "API"),
        "description": option.help,
        "required": False,
    }
    if _is_secret(option):
        field["sensitive"] = True
    if option.default:
        field["default"] = option.default == "true" if option.is_switch else option.default
    return field


def _variable(option: Option) -> dict[str, Any]:
    """Return a variable as the registry describes one; a default is a text there, whatever its format."""
    variable: dict[str, Any] = {
        "name": option.env,
        "description": option.help,
        "format": "boolean" if option.is_switch else "string",
        "isRequired": False,
        "isSecret": _is_secret(option),
    }
    if option.default:
        variable["default"] = option.default
    if get_type_hints(Settings)[option.name] == Region:
        variable["choices"] = list(get_args(Region))
    return variable
