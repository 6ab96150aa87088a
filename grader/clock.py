"""L'horloge du correcteur : attendre une condition, jamais une durée."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

PATIENCE = float(os.environ.get("TESTS_PATIENCE", "1"))
BUSY = 2 * (os.cpu_count() or 1)  # tâches prêtes à la fois, sans que l'on attende davantage
MOST = 5
AGAIN = 5  # secondes, si quelqu'un a rattrapé l'alarme pour autre chose


def patience() -> float:
    """Ce qui multiplie toutes les échéances : une machine chargée a besoin de plus de temps."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0
    return PATIENCE * min(max(load / BUSY, 1), MOST)


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Lève TimeoutError au bout de ce temps, même au milieu d'un calcul qui ne rend pas la main.

    Un rendu peut écrire de quoi occuper des heures une expression régulière.
    """
    if not hasattr(signal, "SIGALRM") or threading.current_thread() != threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds * patience(), AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


async def until(condition: Callable[[], T], seconds: float) -> T | None:
    """Rend la première valeur vraie de `condition()`, ou None après `seconds` secondes."""
    deadline = time.monotonic() + seconds * patience()
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
    since = time.monotonic()
    deadline = since + longest * patience()
    seen = measure()
    while time.monotonic() < deadline and not over():
        if (now := measure()) != seen:
            seen, since = now, time.monotonic()
        if time.monotonic() - since > silence:
            return
        await asyncio.sleep(0.02)
