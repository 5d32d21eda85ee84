"""What a classifier's labels are called in the task that it is put to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from joulebench.errors import UsageError


class Labels:
    """The user's names for a checkpoint's labels.

    Args:
        given: By the checkpoint's name of a label, or its number; two labels may have one name.

    Raises:
        UsageError: It is no table of names.
    """

    def __init__(self, given: object) -> None:
        if given is not None and not isinstance(given, Mapping):
            raise UsageError(
                f"engine 'encoder': labels = {given!r} must be a table such as "
                "{LABEL_0: negative, LABEL_1: positive}"
            )
        self._given = {str(label): _text(name) for label, name in (given or {}).items()}

    def check_given(self, own: Sequence[str]) -> None:
        """Refuse names for labels that a checkpoint does not have.

        Raises:
            UsageError: Names the label and those that there are.
        """
        known = {*own, *(str(number) for number in range(len(own)))}
        for label in self._given:
            if label not in known:
                raise UsageError(
                    f"engine 'encoder': labels names {label!r}, which the checkpoint does not "
                    f"have; it has {', '.join(own)}"
                )

    def check_asked(self, own: Sequence[str], asked: Sequence[str]) -> None:
        """Refuse a checkpoint with a label that a task does not know.

        Raises:
            UsageError: Names the label, those of the task, and the option that helps.
        """
        known = {_folded(name) for name in asked}
        for number, label in enumerate(own):
            if _folded(self._name(own, number)) not in known:
                raise UsageError(
                    f"engine 'encoder': the checkpoint's label {self._name(own, number)!r} is not "
                    f"one of the task's: {', '.join(asked)}; say what it is with engine.labels: "
                    f"{{{label}: {asked[0]}}}"
                )

    def called(self, own: Sequence[str], number: int, asked: Sequence[str]) -> str:
        """Give the task's own spelling of a label, or the checkpoint's where it has none."""
        name = self._name(own, number)
        return next((word for word in asked if _folded(word) == _folded(name)), name)

    def facts(self, own: Sequence[str]) -> dict[str, str]:
        """Give each of the checkpoint's labels with its name."""
        return {label: self._name(own, number) for number, label in enumerate(own)}

    def _name(self, own: Sequence[str], number: int) -> str:
        return self._given.get(own[number], self._given.get(str(number), own[number]))


def _text(name: object) -> str:
    """Give a name as text: YAML reads true, false and numbers as what they are."""
    return str(name).lower() if isinstance(name, bool) else str(name)


def _folded(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
