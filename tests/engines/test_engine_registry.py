from __future__ import annotations

import pytest

from joulebench.engines.registry import build_engine
from joulebench.errors import UsageError


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "say which with 'kind'"),
        ({"kind": "transfomers"}, "did you mean 'transformers'"),
        ({"kind": "ECHO", "tokens": 1}, "did you mean 'token_s'"),
        ({"kind": "transformers", "thread": 2}, "did you mean 'threads'"),
        ({"kind": "transformers", "model": "x"}, "option 'model' is not known"),
        ({"kind": "transformers", "dtype": "float23"}, "did you mean 'float32'"),
        ({"kind": "transformers", "threads": 0}, "threads = 0 must be a whole number from 1"),
        ({"kind": "transformers", "max_model_len": "10k"}, "max_model_len = '10k'"),
    ],
)
def test_wrong_configurations_say_what_to_write(config: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError) as error:
        build_engine(config, "tiny_a")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_building_imports_no_torch() -> None:
    """Checked in a fresh interpreter: this one has torch from other tests."""
    import subprocess
    import sys

    code = (
        "import sys; from joulebench.engines.registry import build_engine;"
        "build_engine({'kind': 'transformers', 'threads': 2}, 'tiny_a');"
        "print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
