"""Ce que les étapes du TP demandent de plus à une salle."""

from .chat import Chatter
from .processes import Server
from .room import Room


async def retry(room: Room, first: str, server: Server | None = None) -> Chatter:
    """Se présente jusqu'à être accepté, comme quelqu'un qui insiste.

    Les autres lisent un départ un instant avant que le pseudo se libère. Ce qui n'arrive jamais
    finit par lever AssertionError.
    """
    for _ in range(100):
        chatter = await room.open(first, server)
        await chatter.until(lambda one=chatter: one.frames, "attend une réponse")
        if not chatter.frames[0].startswith("Erreur : "):
            return chatter
        await chatter.closed()
    raise AssertionError(f"« {first} » n'est jamais accepté : {chatter.summary()}")
