"""How long a large study takes until its next trial, and until its state is told.

Run by ``orchestrator.py`` in fresh interpreters: ``python benchmarks/orchestrator_large.py FOLDER
make ROWS`` writes the study, ``FOLDER resume`` goes on with it as ``joulebench run`` does, up to
the trial that a testbed would be given next, and stops there.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

LEFT = 10
"""Trials that are not done."""


def made(folder: Path, rows: int) -> dict[str, Any]:
    """Write a study with so many trials done and a few left."""
    from orchestrator_records import study_of, write_records

    from joulebench.study_plan import plan

    study = study_of(rows)
    plans = plan(study)
    size = write_records(folder, study, plans[:-LEFT], share_failed=0.02)
    return {"rows": len(plans) - LEFT, "bytes": size}


def resumed(folder: Path) -> dict[str, Any]:
    """Go on with a study up to its next trial."""
    from joulebench.study_course import Course
    from joulebench.study_course_listener import Silent
    from joulebench.study_folder import locked, open_study
    from joulebench.study_plan import plan
    from joulebench.study_read import dump, load

    study = load(str(folder))
    plans = plan(study)
    with locked(folder):
        course = Course(open_study(folder, dump(study), {}), plans, Silent())
        drawn = course.open_queue(["bed-00"]).draw("bed-00")
    assert len(course.pending) == LEFT
    assert drawn is not None
    peak = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "next": drawn.plan["run_id"],
        "cpu_s": peak.ru_utime + peak.ru_stime,
        "peak_mb": peak.ru_maxrss / 1e3,
    }


if __name__ == "__main__":
    place, what = Path(sys.argv[1]), sys.argv[2]
    print(json.dumps(made(place, int(sys.argv[3])) if what == "make" else resumed(place)))
