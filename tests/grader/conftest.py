"""Noter comme un enseignant, dans un processus à part."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from support.processes import PATIENCE, ROOT, clean_environment

Grade = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def grade() -> Grade:
    """`grade(*options, **environnement)`"""

    def run(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pytest", *options],
            cwd=ROOT,
            env=clean_environment(**environment),
            capture_output=True,
            text=True,
            timeout=300 * PATIENCE,
        )

    return run
