"""L'horloge du correcteur : une machine chargée ne fait perdre de points à personne."""

import asyncio
import os
import time

import pytest

from grader.clock import BUSY, MOST, until


@pytest.mark.parametrize(("load", "factor"), [(0, 1), (BUSY, 1), (2 * BUSY, 2), (99 * BUSY, MOST)])
def test_a_busy_machine_is_waited_for(monkeypatch, load: float, factor: float):
    """Une échéance s'allonge avec la charge, et pas sans fin."""
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0, 0))
    begin = time.monotonic()
    assert asyncio.run(until(lambda: False, 0.1)) is None
    assert time.monotonic() - begin >= 0.1 * factor
    assert asyncio.run(until(lambda: time.monotonic() > begin + 0.15 * factor, 0.3)) is True
