"""Les variantes de nos serveurs : le même script, où une seule chose change.

Chacune est une suite de remplacements dans le texte du script ; le passage cherché doit s'y trouver
une fois et une seule, sinon la variante est à revoir et `build` le dit.
"""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).with_name(".data") / "variants"

FIRST, II_2, II_3 = "ws_i_3_server.py", "ws_ii_2_server.py", "ws_ii_3_server.py"


class Outdated(Exception):
    """Un passage à remplacer n'est plus dans le script, ou s'y trouve plusieurs fois."""


@dataclass(frozen=True)
class Variant:
    """Une variante : ce qui change, en français, et comment."""

    name: str
    label: str
    script: str
    changes: tuple[tuple[str, str], ...]

    def build(self) -> Path:
        """Écrit la variante et rend son chemin ; lève Outdated si le script a trop changé."""
        text = (ROOT / self.script).read_text(encoding="utf-8")
        for old, new in self.changes:
            if text.count(old) != 1:
                raise Outdated(f"variante « {self.name} » : {self.script} n'a plus « {old} »")
            text = text.replace(old, new)
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{self.name}.py"
        path.write_text(text, encoding="utf-8")
        return path


# --- I.3 : comment passer un message à tous ----------------------------------------------------


def sending(name, label, body):
    """Une variante de I.3 où `say` attend `body` au lieu d'appeler pass_on(), donc broadcast()."""
    deliver = (
        "async def deliver(text, author, tasks):\n"
        "    targets = [c for c in here() if c is not author]\n"
        f"{body}\n\n\n"
    )
    changes = (
        ("\ndef say(", "\nasync def say("),
        ("            say(tasks", "            await say(tasks"),
        (
            '        pass_on("say", client["pseudo"], websocket, tasks, text)\n',
            '        await deliver(line("say", client["pseudo"], text), websocket, tasks)\n',
        ),
        ("def pass_on(", deliver + "def pass_on("),
    )
    return Variant(name, label, FIRST, changes)


LOOP = "    for c in targets:\n        await c.send(text)"
TASKS = "    for c in targets:\n        tasks.create_task(c.send(text))"
GATHER = "    await asyncio.gather(*(c.send(text) for c in targets), return_exceptions=True)"

# --- II.2 : trames, repos, lecteurs --------------------------------------------------------------

ONE_LINE = (
    (
        '    everything = "\\n".join(text for _, text in lines)\n'
        "    broadcast((c for c in here(server) if c.id not in authors), everything)\n",
        "    for _, text in lines:\n"
        "        broadcast((c for c in here(server) if c.id not in authors), text)\n",
    ),
    (
        '            if others:\n                broadcast([connection], "\\n".join(others))\n',
        "            for text in others:\n                broadcast([connection], text)\n",
    ),
)
NO_REST = (("                await asyncio.sleep(REST)\n", "                pass\n"),)
PURE_PYTHON = (
    ("\nimport argparse\n", '\nimport sys\n\nsys.modules["hiredis"] = None\nimport argparse\n'),
)
DEFLATE = (("compression=None,", 'compression="deflate",'),)

FOLLOW = '''
async def follow(websocket):
    """L'abonnement d'un seul client : chacun le sien, donc chacun sa connexion à Redis."""
    import json

    async with Redis.from_url(os.environ["REDIS_URL"], decode_responses=True) as redis:
        async with redis.pubsub(ignore_subscribe_messages=True) as live:
            await live.subscribe("live")
            while True:
                message = await live.get_message(timeout=2)
                if message:
                    author, pseudo, text = json.loads(message["data"])
                    if author != str(websocket.id):
                        said = SENTENCES["say"].format(pseudo=pseudo, text=text)
                        await websocket.send(f"{stamp(datetime.now())} {said}")


'''
SUBSCRIPTIONS = (
    (
        '  {XADD} "kind", "say", "pseudo", pseudo, "author", owner, "text", text)\n',
        '  {XADD} "kind", "say", "pseudo", pseudo, "author", owner, "text", text)\n'
        '  redis.call("PUBLISH", "live", cjson.encode({{owner, pseudo, text}}))\n',
    ),
    ("async def read_room(", FOLLOW.lstrip("\n") + "async def read_room("),
    (
        "                await relay(",
        "                follower = asyncio.create_task(follow(websocket))\n"
        "                await relay(",
    ),
    (
        "            pass_on(entries, server, tasks)\n",
        '            others = [entry for entry in entries if entry[1]["kind"] != "say"]\n'
        "            if others:\n                pass_on(others, server, tasks)\n",
    ),
)
# Sans repos, il faut bien attendre quelque part : c'est Redis qui fait attendre.
UNPACED = (
    ('{"room": ">"}, count=COPY_BATCH)', '{"room": ">"}, count=COPY_BATCH, block=1000)'),
    ("        if len(entries) < COPY_BATCH:\n            await asyncio.sleep(COPY_REST)\n", ""),
)

VARIANTS = (
    sending("i3-boucle", "I.3, boucle de `await send()`", LOOP),
    sending("i3-taches", "I.3, une tâche par envoi", TASKS),
    sending("i3-gather", "I.3, `asyncio.gather`", GATHER),
    Variant("i3-deflate", "I.3, compression", FIRST, DEFLATE),
    Variant("ii2-une-ligne", "II.2, une ligne par trame", II_2, ONE_LINE),
    Variant("ii2-sans-repos", "II.2, sans repos entre deux passages", II_2, NO_REST),
    Variant("ii2-nu", "II.2, une ligne par trame, sans repos", II_2, ONE_LINE + NO_REST),
    Variant("ii2-abonnements", "II.2, un abonnement Redis par client", II_2, SUBSCRIPTIONS),
    Variant("ii2-sans-hiredis", "II.2, sans hiredis", II_2, PURE_PYTHON),
    Variant("ii2-deflate", "II.2, compression", II_2, DEFLATE),
    Variant("ii3-sans-pause", "II.3, copie sans pause", II_3, UNPACED),
)
