"""L'horloge du correcteur : attendre une condition, jamais une durée."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Une machine très chargée a besoin de plus de temps : ce facteur multiplie toutes les échéances.
PATIENCE = float(os.environ.get("TESTS_PATIENCE", "1"))


async def until(condition: Callable[[], T], seconds: float) -> T | None:
    """Rend la première valeur vraie de `condition()`, ou None après `seconds` secondes."""
    deadline = time.monotonic() + seconds * PATIENCE
    while not (value := condition()):
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(0.01)
    return value


async def still(
    measure: Callable[[], object],
    silence: float,
    longest: float,
    over: Callable[[], object] = lambda: False,
) -> None:
    """Attend que `measure()` ne change plus depuis `silence` secondes, ou que `over()` soit vrai.

    `longest` secondes au plus.
    """
    begin = since = time.monotonic()
    seen = measure()
    while time.monotonic() - begin < longest * PATIENCE and not over():
        if (now := measure()) != seen:
            seen, since = now, time.monotonic()
        if time.monotonic() - since > silence:
            return
        await asyncio.sleep(0.02)
