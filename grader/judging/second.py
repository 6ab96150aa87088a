"""Le second regard : un échec n'est dit que vu deux fois, chaque fois sur un serveur neuf."""

from collections.abc import Awaitable, Callable, Sequence

from grader.verdict import Came, Verdict, Verdicts, could_not_run

LOOKS = 3  # au plus : le troisième départage les deux premiers


async def seen_twice(first: Verdicts, look: Callable[[], Awaitable[Verdicts]]) -> Verdicts:
    """Ces verdicts, une fois que `look` a confirmé ou démenti leurs échecs."""
    looks = [first]
    while len(looks) < LOOKS and any(v.came == Came.SEEN_ONCE for v in merged(looks).values()):
        looks.append(await look())
    return merged(looks)


def merged(looks: Sequence[Verdicts]) -> Verdicts:
    checks = dict.fromkeys(check for look in looks for check in look)
    return {check: believed([look[check] for look in looks if check in look]) for check in checks}


def believed(seen: Sequence[Verdict]) -> Verdict:
    """Ce qu'un enseignant en croirait : ce qui a marché une fois marche."""
    good, bad = ([v for v in seen if v.good], [v for v in seen if v.bad])
    if good or not bad:
        return (good or seen)[0]
    # Qui n'écoute pas a déjà été lancé plusieurs fois.
    final = len(bad) > 1 or bad[0].came == Came.NO_LISTEN
    return bad[0] if final else could_not_run(Came.SEEN_ONCE)
