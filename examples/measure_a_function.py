"""Measure a block of code, and every call of a function, with whatever this machine can read.

Type: python examples/measure_a_function.py
"""

from __future__ import annotations

import joulebench as jb


def sort_numbers(count: int) -> list[int]:
    """Sort numbers by a key that makes it work."""
    return sorted(range(count), key=lambda number: -(number % 1000))


def main() -> None:
    """Print what a loop cost as a whole, and what each of three calls cost."""
    with jb.measure("ten sorts") as window:
        for _ in range(10):
            sort_numbers(400_000)
    print(window)
    print(f"one sort: {window.energy / 10}")

    measured_sort = jb.measure("sort")(sort_numbers)
    for count in (200_000, 400_000, 800_000):
        measured_sort(count)
    for measurement in measured_sort.measurements:
        print(measurement)


if __name__ == "__main__":
    main()
