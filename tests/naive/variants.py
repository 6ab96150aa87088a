"""Des serveurs volontairement naïfs : chacun oublie une précaution, et perd quelque chose.

Chacun est le vrai serveur où quelques passages sont remplacés. Un passage qui n'y est plus, ou y
est deux fois, est une erreur : la variante doit suivre le serveur.
"""

from dataclasses import dataclass
from pathlib import Path

from support.processes import changed


@dataclass(frozen=True)
class Variant:
    """`mistake` : la naïveté ; `script` : le serveur qui la commet ; `changes` : les passages."""

    mistake: str
    changes: dict[str, str]
    script: str = "ws_ii_3_server.py"

    def write(self, folder: Path) -> Path:
        """Écrit la variante dans `folder` ; lève ValueError si un passage ne correspond plus."""
        return changed(folder, self.script, *self.changes.items())


HISTORY_FIRST = Variant(
    "l'historique est lu avant de suivre la salle",
    {
        "position = await send_history(websocket, redis, messages)": (
            "await send_history(websocket, redis, messages)\n"
            "                    position = websocket.server.position"
        ),
    },
)

ROOM_FIRST = Variant(
    "la salle est suivie avant de lire l'historique, sans enlever les doubles",
    {
        "position = await send_history(websocket, redis, messages)": (
            "websocket.live = True\n"
            "                    await send_history(websocket, redis, messages)\n"
            "                    position = websocket.server.position"
        ),
        'messages.find({"order": {"$lte": order(position)}})': "messages.find({})",
        "last_said(redis, position, limit)": 'last_said(redis, "+", limit)',
    },
)

TELL = """
local function tell(room, ...)
  local id = redis.call("XADD", room, "MAXLEN", "~", 50000, "*", ...)
  redis.call("PUBLISH", room, cjson.encode({id, ...}))
  return id
end
"""
LISTEN = '''async def read_room(redis, server, tasks):
    """Écoute un canal : ce qui s'y dit pendant qu'on n'écoute pas est perdu."""
    while True:
        try:
            async with redis.pubsub() as channel:
                await channel.subscribe("room")
                while True:
                    news = await channel.get_message(True, timeout=2)
                    if news:
                        entry_id, *fields = json.loads(news["data"])
                        entry = dict(zip(fields[::2], fields[1::2]))
                        pass_on([(entry_id, entry)], server, tasks)
                        server.position = entry_id
        except RedisError:
            await asyncio.sleep(1)


async def read_stream(redis, server, tasks):'''
PUB_SUB = Variant(
    "un canal pub/sub au lieu d'un flux",
    {
        "import argparse\n": "import argparse\nimport json\n",
        'redis.call("XADD", "room", "MAXLEN", "~", 50000, "*", \'': 'tell("room", \'',
        "redis.eval(ENTER, ": f"redis.eval({TELL!r} + ENTER, ",
        "pipeline.eval(script, ": f"pipeline.eval({TELL!r} + script, ",
        "redis.eval(LEAVE, ": f"redis.eval({TELL!r} + LEAVE, ",
        "async def read_room(redis, server, tasks):": LISTEN,
    },
)

NO_DEADLINE = Variant(
    "une présence sans échéance",
    {"PRESENCE = 15 ": "PRESENCE = 10**8 ", "2 * PRESENCE, 10**8": "1, 10**8"},
)

ONE_BY_ONE = Variant(
    "un `await send()` après l'autre",
    {
        "            pass_on(entries, server, tasks)": (
            "            await pass_on(entries, server, tasks)"
        ),
        "def pass_on(entries, server, tasks):": "async def pass_on(entries, server, tasks):",
        "broadcast((c for c in here(server) if c.id not in authors), everything)": (
            "for c in [c for c in here(server) if c.id not in authors]:\n"
            "        with suppress(ConnectionClosed):\n"
            "            await c.send(everything)"
        ),
        "    for connection in here(server):\n        if connection.id in authors:": (
            "    for connection in list(here(server)):\n        if connection.id in authors:"
        ),
    },
)
