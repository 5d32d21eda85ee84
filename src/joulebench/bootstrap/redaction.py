"""Takes secrets out of text that is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"

_HUB = re.compile(r"\bhf_[A-Za-z0-9]{8,}")
_BEARER = re.compile(r"(?i)(\bbearer\s+)[\w.~+/=-]{8,}")
_PASSWORD = re.compile(r"(?<=://)[^\s/@]+(?=@)")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Hide the secrets given, tokens of the hub, bearer tokens and passwords in addresses.

    Args:
        text: What is to be shown.
        secrets: Strings that must not be; empty ones are passed over.
    """
    for secret in sorted((secret for secret in secrets if secret), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _BEARER.sub(rf"\1{HIDDEN}", _HUB.sub(HIDDEN, text))
    return _PASSWORD.sub(HIDDEN, text)
