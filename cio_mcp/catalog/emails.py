"""What goes into an e-mail beside its text: recipients, headers, attachments (App API reference, `sendEmail`)."""

import base64
import binascii
import re
from typing import Annotated, Any

from pydantic import AfterValidator

from cio_mcp.catalog.fields import Line, one_line
from cio_mcp.catalog.json_values import JsonObject

RECIPIENTS = 15
"""In `to`, `cc` and `bcc` together."""
ATTACHMENT_BYTES = 2_000_000
"""Decoded, all together, this many are too many. "Less than 2 MB" is read as the smaller of its two meanings."""

# A comma inside a quoted display name separates nothing.
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_RECIPIENT = re.compile(rf'(?:{_QUOTED}|[^,"])+')
# Asked first and without a step back: every quotation mark without its pair would be read to the end of the text.
_PAIRED = re.compile(r'(?:[^"]|"(?:[^"\\]|\\.)*+")*+')
# RFC 5322, section 3.6.8: a field name is printable ASCII without the colon.
_HEADER_NAME = re.compile(r"[!-9;-~]+")
_HEADER_VALUE = re.compile(r"[ -~]+")
_FILE_NAME = re.compile(r"[^/\\]*[^/\\.]\.[A-Za-z0-9]{1,16}")

# "You can't overwrite reserved headers": the reference does not list them. These name the sender, the
# recipients, the content or the signature of the message.
RESERVED_HEADERS = frozenset(
    {
        "bcc", "cc", "date", "dkim-signature", "from", "message-id", "mime-version", "reply-to", "return-path",
        "sender", "subject", "to",
    }
)  # fmt: skip
_INSTEAD = {"from": "from", "to": "to", "cc": "cc", "bcc": "bcc", "reply-to": "reply_to", "subject": "subject"}


def recipients(text: str) -> list[str]:
    """Split a comma separated list of addresses; raise ValueError with the remedy if one is none."""
    if not _PAIRED.fullmatch(text):
        raise ValueError('has a quotation mark without its pair: write "Name" <person@example.com>')
    found = [part.strip() for part in _RECIPIENT.findall(text)]
    for address in found:
        signs = re.sub(_QUOTED, "", address).count("@")
        if signs == 0:
            raise ValueError("holds something that is no e-mail address")
        if signs > 1:
            raise ValueError('must separate addresses with commas, and quote names: "Name" <person@example.com>')
    if not found:
        raise ValueError("must name at least one address")
    return found


def address_list(text: str) -> str:
    """Check a comma separated list of addresses and its number."""
    count = len(recipients(one_line(text)))
    if count > RECIPIENTS:
        raise ValueError(f"has {count} recipients, at most {RECIPIENTS} are taken in to, cc and bcc together")
    return text


def one_address(text: str) -> str:
    """Check that a text holds one address, with or without a display name."""
    if len(recipients(text)) != 1:
        raise ValueError('must be one address, such as "Name" <person@example.com>')
    return text


def headers(members: dict[str, Any]) -> dict[str, Any]:
    """Check extra headers: ASCII on one line, and none that the message itself sets."""
    for name, value in members.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("has a name that is empty or holds spaces, a colon or non-ASCII characters")
        if name.lower() in RESERVED_HEADERS or name.lower().startswith("content-"):
            instead = _INSTEAD.get(name.lower())
            raise ValueError(
                f"must not hold {name[:40]}, which is reserved: {f'use {instead}' if instead else 'leave it out'}"
            )
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"must hold one line of ASCII text for {name[:40]}")
    return members


def attachments(members: dict[str, Any]) -> dict[str, Any]:
    """Check attached files: names with an extension and without a path, contents in base64, size in all."""
    size = 0
    for name, content in members.items():
        one_line(name)
        if not _FILE_NAME.fullmatch(name):
            raise ValueError("has a file name without an extension, or with a path: use one such as report.pdf")
        size += len(_decoded(name, content))
    if size >= ATTACHMENT_BYTES:
        raise ValueError(f"has {size:,} bytes in all, less than {ATTACHMENT_BYTES:,} are taken: send a link instead")
    return members


def _decoded(name: str, content: Any) -> bytes:
    if isinstance(content, str):
        try:
            return base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            pass
    raise ValueError(f"must hold base64 for {name[:40]!r}, without line breaks or a data: prefix")


AddressList = Annotated[str, AfterValidator(address_list)]
Address = Annotated[Line, AfterValidator(one_address)]
Headers = Annotated[JsonObject, AfterValidator(headers)]
Attachments = Annotated[JsonObject, AfterValidator(attachments)]
