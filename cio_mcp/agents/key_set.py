"""Pure: the public keys that an issuer has published, and which of them a token may be checked with."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

from jwt import PyJWK, PyJWTError

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
CURVE_ALGORITHMS = MappingProxyType({"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"})
ALGORITHMS = frozenset((*RSA_ALGORITHMS, *CURVE_ALGORITHMS.values()))
"""Signatures that are checked with a public key.

The others of RFC 7518, section 3.1, are `none` and HMAC; with HMAC whoever can read the published key could sign.
"""
MOST_KEYS = 64
"""An issuer publishes one or two, large ones about ten."""
LEAST_RSA_BITS = 2048  # RFC 7518, section 3.3


@dataclass(frozen=True, slots=True)
class KeySet:
    """A JSON Web Key Set (RFC 7517): the keys in it that verify signatures, by key id and algorithm."""

    keys: Mapping[tuple[str | None, str], tuple[PyJWK, ...]]

    @classmethod
    def parse(cls, document: bytes) -> Self:
        """Read a key set; a key that is of no use here is left out (RFC 7517, section 5).

        Raises `ValueError` if the document is no key set, or holds nothing that is of use.
        """
        found: dict[tuple[str | None, str], tuple[PyJWK, ...]] = {}
        for entry in _entries(document):
            for algorithm in algorithms_of(entry):
                if key := _key(entry, algorithm):
                    place = (entry.get("kid"), algorithm)
                    found[place] = (*found.get(place, ()), key)
        if not found:
            raise ValueError("it holds no public key that verifies signatures")
        return cls(found)

    def key(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """Return the key for a token's header, None if there is none.

        A token without a key id is checked if the issuer has a single key for its algorithm (OpenID Connect Core 1.0,
        section 10.1).
        """
        fitting = self._of_algorithm(algorithm) if kid is None else self.keys.get((kid, algorithm), ())
        return fitting[0] if len(fitting) == 1 or (fitting and kid is not None) else None

    def _of_algorithm(self, algorithm: str) -> tuple[PyJWK, ...]:
        return tuple(key for (_, of), keys in self.keys.items() if of == algorithm for key in keys)


def algorithms_of(entry: Mapping[str, Any]) -> Collection[str]:
    """Return the algorithms that a published key may verify: by its kind, or the one it names if that is of its kind.

    Empty for a key that is meant for something else. A token's header has no say in this.
    """
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return ()
    possible = _possible(entry)
    if "alg" in entry:
        return [algorithm for algorithm in possible if algorithm == entry["alg"]]
    return possible


def _possible(entry: Mapping[str, Any]) -> Collection[str]:
    match entry:
        case {"kty": "RSA"}:
            return RSA_ALGORITHMS
        case {"kty": "EC", "crv": "P-256" | "P-384" | "P-521" as curve}:
            return (CURVE_ALGORITHMS[curve],)
        case {"kty": "OKP", "crv": "Ed25519" as curve}:
            return (CURVE_ALGORITHMS[curve],)
        case _:
            return ()


def _entries(document: bytes) -> Iterator[dict[str, Any]]:
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list) or len(entries) > MOST_KEYS:
        raise ValueError(f"it is not a key set of up to {MOST_KEYS} keys")
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get("kid"), str | None):
            yield entry


def _key(entry: dict[str, Any], algorithm: str) -> PyJWK | None:
    # A private member, published by mistake, has no place in what is kept.
    public = {name: value for name, value in entry.items() if name in ("kty", "n", "e", "crv", "x", "y")}
    try:
        key = PyJWK(public, algorithm)
    except (PyJWTError, ValueError, TypeError, KeyError, OverflowError):
        return None
    return key if entry["kty"] != "RSA" or key.key.key_size >= LEAST_RSA_BITS else None
