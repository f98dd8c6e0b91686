"""What a drill's team may not read before the reveal, encrypted with a passphrase, and the hash that holds it to what it was."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..names import optional
from ..records import SkewkitError

SHORTEST = 8  # characters of a passphrase
PAGE = 4096  # bytes, of which a truth takes one


@dataclass(frozen=True)
class Lock:
    """A key made from a passphrase and a salt by scrypt (RFC 7914), for Fernet of the library cryptography."""

    passphrase: str
    salt: bytes

    def __post_init__(self):
        if len(self.passphrase) < SHORTEST:
            raise SkewkitError(
                f"a passphrase of {len(self.passphrase)} characters was given; give {SHORTEST} or more, and keep it from the team"
            )

    @cached_property
    def _fernet(self):
        fernet = optional("cryptography.fernet", "blind", "a drill is sealed")
        key = hashlib.scrypt(self.passphrase.encode(), salt=self.salt, n=1 << 15, r=8, p=1, maxmem=1 << 26)
        return fernet.Fernet(base64.urlsafe_b64encode(key[:32]))

    def shut(self, content: bytes, room: int = PAGE) -> bytes:
        """The content, encrypted, and filled up to a multiple of ``room`` bytes: its length tells nothing."""
        length = len(content).to_bytes(8, "big")
        return self._fernet.encrypt(length + content + bytes(-(len(content) + 8) % room))

    def open(self, sealed: bytes) -> bytes:
        """The content again; SkewkitError where the passphrase is another, or somebody has changed a byte."""
        invalid = optional("cryptography.fernet", "blind", "a drill is unsealed").InvalidToken
        try:
            content = self._fernet.decrypt(sealed)
        except invalid:
            raise SkewkitError(
                "the passphrase does not open what was sealed; give the one the drill was started with. "
                "If it is that one, the file was changed since"
            ) from None
        return content[8 : 8 + int.from_bytes(content[:8], "big")]


def new_lock(passphrase: str) -> Lock:
    """A lock with a salt of its own."""
    return Lock(passphrase, secrets.token_bytes(16))


def spelled(truth: Mapping[str, Any]) -> bytes:
    """A truth as the bytes that are hashed and sealed: JSON with its keys in order."""
    return json.dumps(truth, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()


def with_nonce(truth: Mapping[str, Any]) -> dict[str, Any]:
    """The truth with 32 random bytes in it. Without them a team could hash every skew there is, and compare."""
    return {**truth, "nonce": secrets.token_hex(32)}


def digest(truth: bytes) -> str:
    """The hash that is shown to all at the start.

    It is of what was sealed and not of the sealed bytes, for those could be made to open to two truths by two passphrases.
    """
    return hashlib.sha256(truth).hexdigest()


def joined(served: bytes, replayed: bytes) -> bytes:
    """Both sides of an hour in one: two would tell by their lengths whether they are the same."""
    return len(served).to_bytes(8, "big") + served + replayed


def parted(content: bytes) -> dict[str, bytes]:
    """The two sides of an hour again."""
    end = 8 + int.from_bytes(content[:8], "big")
    return {"served": content[8:end], "replayed": content[end:]}
