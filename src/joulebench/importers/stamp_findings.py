"""What is said of samples whose stamps do not grow: they are left out, in every kind of log."""

from __future__ import annotations

from joulebench.finding import Finding


def repeated_stamps(where: str, count: int, remedy: str) -> Finding:
    """Say that samples repeat the stamp before them."""
    return Finding(
        "repeated-timestamp",
        "note",
        where,
        f"{count} row(s) repeat the stamp before and were left out",
        remedy,
        seen=str(count),
        possible="0",
    )


def stepped_back(where: str, count: int) -> Finding:
    """Say that samples are stamped earlier than one before them."""
    return Finding(
        "clock-stepped-back",
        "warning",
        where,
        f"{count} row(s) are stamped earlier than a row before them and were left out",
        "keep the machine's clock from being set while it measures",
        seen=str(count),
        possible="0",
    )
