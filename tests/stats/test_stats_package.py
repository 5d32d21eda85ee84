"""The public names of the package are functions and classes, whatever was imported before."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

from joulebench import stats


@pytest.mark.parametrize("name", stats.__all__)
def test_a_public_name_is_never_the_file_that_it_lives_in(name: str) -> None:
    importlib.import_module(f"joulebench.stats.{stats._HOMES[name]}")
    found = getattr(stats, name)
    assert not inspect.ismodule(found)
    assert found.__doc__


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'anovaa'"):
        stats.anovaa  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, joulebench.stats; print({'scipy', 'pandas', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
