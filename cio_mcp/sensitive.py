"""Pure: what is sensitive, by the name of a member or by how a value looks, and what to show instead."""

import json
import re
from enum import Enum, auto
from itertools import pairwise
from typing import Any

SECRET = "[masked: secret]"  # noqa: S105 - what is shown instead of one
CARD = "[masked: card number]"
_ACCOUNT = "[masked: bank account]"
_EMAIL = "[masked: e-mail]"
_PHONE = "[masked: phone]"
_QUERY = "[masked: query]"


class Told(Enum):
    """What the name of a member says of its value."""

    SECRET = auto()
    PERSONAL = auto()


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W0-9A-Za-z_]+")
_SECRET_WORDS = frozenset({
    "password", "passwords", "passwd", "pwd", "passphrase", "passcode", "secret", "secrets", "token", "tokens",
    "apikey", "credential", "credentials", "authorization", "cookie", "cookies", "jwt", "ssn", "iban", "cvv",
    "cvc", "pin", "otp", "card", "cards", "creditcard", "pan", "passport",
})  # fmt: skip
_SECRET_PARTS = ("password", "passwd", "secret", "apikey", "creditcard", "cardnumber", "accesstoken", "iban")
_SECRET_PHRASES = frozenset({
    "api_key", "access_key", "private_key", "signing_key", "security_code", "account_number", "routing_number",
    "social_security", "national_id", "tax_id", "driver_license", "drivers_license",
})  # fmt: skip
# Beside those, in the query of a URL.
_SECRET_PARAMETERS = frozenset({"key", "sig", "signature", "hmac", "code", "auth", "session"})
_PERSONAL = frozenset({
    "email", "emails", "email_address", "mail", "phone", "phones", "phone_number", "mobile", "telephone",
    "recipient", "first_name", "firstname", "last_name", "lastname", "middle_name", "full_name", "given_name",
    "family_name", "surname", "maiden_name", "birthday", "birthdate", "birth_date", "date_of_birth", "dob",
    "gender", "address", "street", "street_address", "city", "zip", "zip_code", "zipcode", "postcode",
    "postal_code", "ip", "ip_address", "latitude", "longitude", "created_by",
})  # fmt: skip

# Wide on purpose: whatever has an @ between texts without spaces, its percent-encoding, or one of its twins. A match
# begins only where a word does, which keeps the search linear. A quoted first half may hold spaces (RFC 5322, 3.4.1).
_AT = "(?:[@\uff20\ufe6b]|%40)"
_HAS_AT = re.compile(_AT)
_BEFORE_AT = r"[^\s<>\"(),;:=/?&|\[\]@\uff20\ufe6b%]|%(?!40)"
_ADDRESS = re.compile(
    rf"(?:(?<![^\s<>\"(),;:=/?&|\[\]])(?:{_BEFORE_AT})++|\"[^\"\n@]{{1,64}}\"){_AT}"
    r"(?:[^\s<>\"'(),;:=/?&|\[\]]++|\[[^\s\]]{1,64}\])"
)
# E.164 with any punctuation, "+" percent-encoded or dialled as 00; and how North America writes its numbers.
_E164 = r"(?:(?:\+|%2[Bb])[1-9](?:[ ().\u00a0/-]{0,2}[0-9]){6,14}|00[1-9](?:[ -]?[0-9]){7,13})"
_TELEPHONE = re.compile(
    rf"(?<![A-Za-z0-9+/])(?:{_E164}|\([0-9]{{3}}\)[ \u00a0]?[0-9]{{3}}[ .-][0-9]{{4}}"
    r"|[0-9]{3}([ .-])[0-9]{3}\1[0-9]{4})(?![0-9])"
)
_E164_ALONE = re.compile(_E164)
# ISO/IEC 7812: a first digit of 2 to 6 for payment cards, 14 to 19 digits, the last one by Luhn; and as printed.
_CARD_NUMBER = re.compile(
    r"(?<![0-9])(?:[2-6][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}|3[47][0-9]{2}([ -])[0-9]{6}\2[0-9]{5}"
    r"|[2-6][0-9]{13,18})(?![0-9])"
)
# ISO 13616: 15 to 34 characters.
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_IBAN_REMAINDER, _IBAN_DIVISOR = 1, 97
_PARAMETER = re.compile(r"(?<=[?&;#])([\w.\-\[\]]{1,60})=([^&;\s#\"'<>]+)")
_USER = re.compile(r"(?<=://)[^/\s@?#]+(?=@)")
_QUERY_OF_URL = re.compile(r"(?<=[?#])[^\s\"'<>]+")
_TOPIC = re.compile(r"(?:topic|channel)_[0-9]{1,10}|topics|channels|email|push|sms|in_app|whatsapp")
_STATE = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,9})?|true|false", re.IGNORECASE)


def told_by(name: str) -> Told | None:
    """Say what a name such as `cardNumber` or `first_name` tells of its value."""
    if not name:
        return None
    words = [word.casefold() for word in _WORDS.findall(name)]
    joined, phrase = "".join(words), "_".join(words)
    pairs = {f"{first}_{second}" for first, second in pairwise(words)}
    if _SECRET_WORDS & set(words) or _SECRET_PHRASES & pairs or any(part in joined for part in _SECRET_PARTS):
        return Told.SECRET
    return Told.PERSONAL if phrase in _PERSONAL else None


def placeholder(value: Any) -> str:
    """Return what stands for a value: of which kind it is, and how long a text was."""
    match value:
        case bool():
            return "[masked: true or false]"
        case int() | float():
            return "[masked: number]"
        case str() if _ADDRESS.fullmatch(value):
            return _EMAIL
        case str() if _TELEPHONE.fullmatch(value):
            return _PHONE
        case _:
            return f"[masked: text of {len(value)}]"


def is_masked(text: str) -> bool:
    """Say whether a text is what stands for another that is withheld."""
    return text.startswith("[masked: ")


def identifier(text: str) -> str:
    """Return an id as it is, unless it holds an e-mail address or is a telephone number."""
    if _ADDRESS.search(text):
        return _EMAIL
    return _PHONE if _E164_ALONE.fullmatch(text) else text


def without_addresses(text: str) -> str:
    """Return a text without e-mail addresses and telephone numbers."""
    if _HAS_AT.search(text):
        text = _ADDRESS.sub(_EMAIL, text)
    return _TELEPHONE.sub(_PHONE, text)


def without_queries(text: str) -> str:
    """Return a text whose URLs have lost queries and fragments, where sites put what a person did."""
    return _QUERY_OF_URL.sub(_QUERY, text) if "://" in text or text.startswith("/") else text


def without_secrets(text: str) -> str:
    """Return a text without payment cards, bank accounts, and the credentials of URLs."""
    if "=" in text:
        text = _PARAMETER.sub(_parameter, text)
    if "://" in text:
        text = _USER.sub(SECRET, text)
    return _IBAN.sub(_account, _CARD_NUMBER.sub(_card, text))


def _parameter(found: re.Match[str]) -> str:
    name = found[1]
    hides = name.casefold() in _SECRET_PARAMETERS or told_by(name) is Told.SECRET
    return f"{name}={SECRET}" if hides else found[0]


def _card(found: re.Match[str]) -> str:
    return CARD if _passes_luhn([int(digit) for digit in found[0] if digit.isdecimal()]) else found[0]


def _passes_luhn(digits: list[int]) -> bool:
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]  # noqa: PLR2004 - of 10 to 18, the digit sum
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def _account(found: re.Match[str]) -> str:
    characters = found[0].replace(" ", "")
    number = int("".join(str(int(character, 36)) for character in characters[4:] + characters[:4]))
    return _ACCOUNT if number % _IBAN_DIVISOR == _IBAN_REMAINDER else found[0]


def is_state(text: str) -> bool:
    """Say whether a text is a number, a yes or no, or an object of such, as subscription preferences are."""
    if _STATE.fullmatch(text):
        return True
    try:
        return _is_of_switches(json.loads(text))
    except (ValueError, RecursionError):
        return False


def _is_of_switches(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_TOPIC.fullmatch, value)) and all(map(_is_of_switches, value.values()))
    return isinstance(value, bool) or value is None
