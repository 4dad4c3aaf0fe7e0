"""ULIDs: 48 bits of unix milliseconds and 80 random bits, in 26 letters that sort by time."""

from __future__ import annotations

import os
import time

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26


def new_ulid() -> str:
    """A fresh ULID. Two made in the same millisecond sort in no particular order."""
    return ulid_of((time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10), "big"))


def ulid_of(number: int) -> str:
    """A number of 128 bits as a ULID."""
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def is_ulid(text: str) -> bool:
    """Whether `text` is a ULID in its canonical upper-case form."""
    return len(text) == _LENGTH and text[0] <= "7" and all(letter in _ALPHABET for letter in text)
