"""Energies of a trial whose model ran on another machine: none of them is the model's."""

from __future__ import annotations

from joulebench.emissions import REMOTE
from joulebench.record import Run
from joulebench.run_row import JUDGED, headline_energy

NO_ENERGY = "no_energy"
"""Name of the fact that says why a run has no energy."""

CLIENT = "client_energy"
"""Name of the fact that holds what the machine used that only asked."""


def set_aside(run: Run) -> bool:
    """Take the energies out of a run whose model ran on a remote machine.

    What the meters here saw is the energy of asking and waiting. It stays as a fact, under its own
    name; the traces are kept.

    Returns:
        Whether it is such a run.
    """
    if not (run.facts.get("engine") or {}).get("remote"):
        return False
    energy = headline_energy(run)
    if energy is not None:
        run.facts[CLIENT] = energy.to_dict()
    run.energy = {
        channel: {JUDGED: windows[JUDGED]}
        for channel, windows in run.energy.items()
        if JUDGED in windows  # of a judge that ran here
    }
    run.facts[NO_ENERGY] = REMOTE
    return True


def set_judge_aside(run: Run) -> None:
    """Take the energies of judging out of a run whose judge ran on a remote machine."""
    judge = run.facts.get("judge") or {}
    if not (judge.get("engine") or {}).get("remote"):
        return
    for windows in run.energy.values():
        windows.pop(JUDGED, None)
    judge[NO_ENERGY] = REMOTE
