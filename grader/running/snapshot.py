"""Une photo de ce que contient un Redis, et ce qui change de l'une à l'autre."""

import re
from collections.abc import Callable
from itertools import islice
from typing import Any

MOST_KEYS = 2000  # d'une base, dans une photo

NUMBER = re.compile(r"\b[0-9a-f]{4,}(?:-[0-9a-f]{4,})*\b|\d+", re.I)
Place = tuple[Any, ...]  # (base, clé[, champ])
Snapshot = dict[Place, object]

# Ce que contient une clé, selon sa sorte : son champ, s'il y en a -> sa valeur.
READERS: dict[bytes, Callable[[Any, bytes], Snapshot]] = {
    b"string": lambda client, key: {(): client.get(key)},
    b"hash": lambda client, key: {(name,): value for name, value in client.hgetall(key).items()},
    b"set": lambda client, key: {(member,): True for member in client.smembers(key)},
    b"zset": lambda client, key: {(one,): n for one, n in client.zrange(key, 0, -1, withscores=1)},
    b"list": lambda client, key: {(rank,): v for rank, v in enumerate(client.lrange(key, 0, -1))},
    b"stream": lambda client, key: {(one,): sorted(f.items()) for one, f in client.xrange(key)},
}


def photograph(client: Any) -> Snapshot:
    """Tout ce que ce Redis contient : (base, clé[, champ]) -> valeur."""
    photo: Snapshot = {}
    for number in (base.removeprefix("db") for base in sorted(client.info("keyspace"))):
        client.execute_command("SELECT", number)
        for key in sorted(islice(client.scan_iter(count=1000), MOST_KEYS)):
            if read := READERS.get(client.type(key)):
                held = read(client, key)
                photo |= {(number, key, *field): held[field] for field in held}
            photo[(number, key, "expires")] = client.ttl(key) >= 0
    client.execute_command("SELECT", 0)
    return photo


def appeared(before: Snapshot, after: Snapshot) -> list[Place]:
    """Ce qui est né ou a changé entre deux photos ; un compteur qui bouge n'est pas une session."""

    def counts(value: object) -> bool:
        digits = isinstance(value, bytes) and value.lstrip(b"-").isdigit()
        return digits or isinstance(value, bool | float)

    born = [place for place in after if place not in before]
    changed = [p for p in after if p in before and before[p] != after[p] and not counts(after[p])]
    return born + changed


def gone_or_changed(footprint: list[Place], before: Snapshot, after: Snapshot) -> list[Place]:
    """Ce qui, de la trace laissée par une arrivée, a disparu ou changé depuis."""
    return [place for place in footprint if before.get(place) != after.get(place)]


def kind(place: Place) -> Place:
    """La sorte de cette clé : elle, sans ce qui la distingue de ses semblables."""
    return tuple(NUMBER.sub("0", written(part)[:200]) for part in place)


def shown(place: Place) -> str:
    """Une clé (et son champ) comme on la lit dans redis-cli."""
    return " ".join(map(written, place[1:]))


def written(part: object) -> str:
    return part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part)
