"""Names of files and folders for things that people have named."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

LONGEST = 120
"""Bytes of a file's name before its suffix; file systems take 255."""


def slug(text: str) -> str:
    """A word that is safe as a folder name on any system."""
    return re.sub(r"[^A-Za-z0-9._=+-]+", "-", text).strip("-.") or "profile"


def file_names(ids: Sequence[str]) -> dict[str, str]:
    """A file name, without suffix, for each id.

    An id that is a file name as it stands keeps it. Any other, and one that differs from another
    in case alone (which some file systems do not see), is followed by a digest of the id.
    """
    readable = {text: _readable(text) for text in ids}
    plain = Counter(name.casefold() for text, name in readable.items() if name == text)
    return {
        text: name if name == text and plain[name.casefold()] == 1 else f"{name}-{_digest(text)}"
        for text, name in readable.items()
    }


def clash(ids: Sequence[str]) -> tuple[str, str] | None:
    """Two ids that `file_names` gives one name, if there are any."""
    owner: dict[str, str] = {}
    for text, name in file_names(ids).items():
        other = owner.setdefault(name.casefold(), text)
        if other != text:
            return other, text
    return None


def _readable(text: str) -> str:
    """Letters and digits of any script, others as hyphens, cut to the longest that is taken."""
    name = re.sub(r"[^\w.=+-]+", "-", unicodedata.normalize("NFC", text)).strip("-.") or "roi"
    return name.encode()[:LONGEST].decode(errors="ignore")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
