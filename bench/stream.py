"""Ce que porte un seul stream de Redis : le calcul d'un XADD, et de chaque lecteur qui le suit."""

import asyncio
import socket
import time

from redis.asyncio import Redis

from .drive import Databases, cpu_seconds

ENTRIES = 20_000
FIELDS = ("kind", "say", "author", "0" * 16, "pseudo", "p0", "text", "x" * 100)
# (lecteurs, entrées par envoi) : un XADD par envoi, puis cent que suivent 0 à 16 lecteurs
CASES = ((0, 1), (0, 100), (1, 100), (4, 100), (16, 100))


def measure(databases: Databases):
    """Rend une mesure par cas."""
    pid = databases.redis.process.pid
    for readers, batch in CASES:
        databases.clear()
        used, began = cpu_seconds(pid), time.monotonic()
        asyncio.run(write_and_read(databases.redis, batch, readers))
        where = {"system": "redis", "load": "XADD", "clients": batch, "servers": readers}
        costs = {"redis_cpu": cpu_seconds(pid) - used, "seconds": time.monotonic() - began}
        yield where | costs | {"sent": ENTRIES}


async def write_and_read(redis, batch: int, readers: int) -> None:
    reading = [read(redis.url) for _ in range(readers)]
    await asyncio.gather(asyncio.to_thread(write, redis.port, batch), *reading)


def write(port: int, batch: int) -> None:
    """Ajoute les entrées, toutes faites : ce programme ne doit pas être la limite."""
    words = ("XADD", "room", "MAXLEN", "~", "50000", "*", *FIELDS)
    one = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for _ in range(ENTRIES // batch):
            connection.sendall(one.encode() * batch)
            answered = 0
            while answered < batch:
                answered += connection.recv(65536).count(b"$")


async def read(url: str) -> None:
    """Lit tout, par lots de cent au plus, comme le lecteur de chatroom."""
    position, count = "0", 0
    async with Redis.from_url(url, decode_responses=True) as redis:
        while count < ENTRIES:
            for _, entries in await redis.xread({"room": position}, count=100, block=2000) or []:
                position, count = entries[-1][0], count + len(entries)
