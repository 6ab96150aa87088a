"""Un appel que personne n'a attendu : oubli de l'étudiant, ou accident avant son `await`."""

from pathlib import Path

import pytest

from grader.finding.code import Code
from grader.judging.awaits import concerns_redis, forgotten

REDIS = ("redis", "Redis.set")
OWN = ("", "noter")


@pytest.mark.parametrize(
    ("line", "called", "fault"),
    [
        ("r.set(a, b)", REDIS, True),
        ("x = r.set(a, b)", REDIS, True),
        ("await ws.send(r.set(a, b))", REDIS, True),
        ("await r.set(a, b)", REDIS, False),
        ("await asyncio.gather(r.set(a, b), ws.send(a.decode()))", REDIS, False),
        ("await asyncio.gather(*[r.set(k, b) for k in a])", REDIS, False),
        ("await asyncio.wait_for(r.set(a, b), 1)", REDIS, False),
        ("asyncio.create_task(r.set(a, b))", REDIS, False),
        ("await r.set(a, b); r.set(a, c)", REDIS, True),
        ("fonction(a)", REDIS, True),
        ("noter(a)", OWN, False),
        ("self.noter(a)", OWN, False),
        ("garder(a)", ("", "garder"), True),
        ("par_garder(a)", ("", "par_garder"), True),
        ("noter(r)", OWN, True),
        ("noter(base_des_autres)", OWN, True),
    ],
)
def test_fault(line: str, called: tuple[str, str], fault: bool, tmp_path: Path) -> None:
    """Seul un appel à Redis, direct ou non, que le code n'attend pas, est une faute."""
    (tmp_path / "s.py").write_text(
        "import asyncio, redis.asyncio as aio\nfrom nous import base_des_autres\n"
        "r = aio.Redis()\n"
        "async def noter(x): print(x)\n"
        "async def garder(x): await r.set(x, 1)\n"
        "async def par_garder(x): await garder(x)\n"
        f"async def f(ws, a, b, c):\n    {line}\n"
    )
    event = {"library": called[0], "name": called[1], "file": "s.py", "line": 8}
    code = Code(tmp_path / "s.py")
    assert (forgotten(code, event) and concerns_redis(code, event)) == fault
