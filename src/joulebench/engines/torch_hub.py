"""Why a model cannot be had, in one line: a library's chain of causes turned into what to do."""

from __future__ import annotations

from collections.abc import Iterator

from joulebench.engines.model_source import ModelSource
from joulebench.errors import UsageError

_HUB = (
    (
        "GatedRepoError",
        "is gated on the hub: ask for access on its page, then set HF_TOKEN to a token of yours",
    ),
    (
        "RepositoryNotFoundError",
        "is not on the hub, or is private: check its name in 'model:', and for a private one set "
        "HF_TOKEN",
    ),
    ("RevisionNotFoundError", "has no such revision on the hub: check it in 'model:'"),
    (
        "OfflineModeIsEnabled",
        "is not in the cache, and the hub may not be asked (HF_HUB_OFFLINE is set): download it "
        "before, or unset that",
    ),
    (
        "LocalEntryNotFoundError",
        "is not in the cache, and the hub cannot be reached: check the network, or download it "
        "before",
    ),
    (
        "ConnectError",
        "is not in the cache, and the hub cannot be reached: check the network, or download it "
        "before",
    ),
    ("EntryNotFoundError", "lacks a file on the hub that is needed: is it a model for text?"),
    ("HfHubHTTPError", "cannot be had from the hub, which answers with an error: try again later"),
)
"""Kinds of complaints by name, the most telling one first, and what they mean."""


def refusal(source: ModelSource, cause: BaseException) -> UsageError:
    """Give the one line that a library's complaint amounts to.

    Args:
        source: The model that was to be loaded.
        cause: What the library raised; what led to it may tell more.
    """
    kinds = {kind.__name__ for error in _chain(cause) for kind in type(error).__mro__}
    for kind, meaning in _HUB:
        if kind in kinds:
            return UsageError(f"model {source.name!r} {meaning}")
    if isinstance(cause, ImportError):
        return UsageError(f"model {source.name!r}: {_first_line(cause)}")
    return UsageError(
        f"model {source.name!r} cannot be loaded from {source.place}: {_first_line(cause)} "
        "Check 'model:', and for a hub name the network and your access to it."
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what led to it."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _first_line(error: BaseException) -> str:
    lines = (text.strip() for text in str(error).splitlines())
    return next((line for line in lines if line), "no reason")
