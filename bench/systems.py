"""Ce que l'on compare : chaque système, comment il se lance, ce qu'on s'attend qu'il coûte."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from variants import FIRST, II_2, II_3, ROOT, VARIANTS, Variant

BENCH = Path(__file__).parent
PEERS = BENCH / "peers"
PYTHON = BENCH / ".venv" / "bin" / "python"
UVICORN = (PYTHON, "-m", "uvicorn", "--app-dir", PEERS, "--host", "127.0.0.1", "--port", "{port}")
UVICORN += ("--log-level", "warning", "--ws-per-message-deflate", "false", "--backlog", "4096")
UVICORN += ("--ws-ping-interval", "60", "--ws-ping-timeout", "60")  # saturé, il se ferait couper


@dataclass(frozen=True)
class System:
    """Un système mesuré.

    `command` contient {port}, et {lines} pour la limite à plusieurs lignes par trame. `cost` est le
    coût attendu, en µs de calcul par ligne : il ne sert qu'à choisir combien de messages envoyer,
    pour que chaque mesure dure à peu près le même temps.
    """

    name: str
    label: str
    command: tuple
    cost: float
    redis: bool = True
    mongo: bool = False
    socketio: bool = False
    deflate: bool = False
    environment: dict = field(default_factory=dict)
    variant: Variant | None = None


def ours(name, label, script, cost, **more):
    return System(name, label, (sys.executable, script, "-p", "{port}"), cost, **more)


def from_variant(variant, cost):
    return ours(
        variant.name,
        variant.label,
        variant.name,
        cost,
        redis=variant.script != FIRST,
        mongo=variant.script == II_3,
        deflate=variant.name.endswith("-deflate"),
        variant=variant,
    )


I3 = ours("i3", "I.3", ROOT / FIRST, 5, redis=False)
II2 = ours("ii2", "II.2", ROOT / II_2, 0.4)
II3 = ours("ii3", "II.3", ROOT / II_3, 0.45, mongo=True)
UWS = System(
    "uws", "uWebSockets (socketify)", (PYTHON, PEERS / "uws_server.py", "{port}"), 0.6, redis=False
)
NODE = System("node", "Node `ws` + redis", ("node", PEERS / "node_server.js", "{port}"), 4)
FASTAPI = System("fastapi", "FastAPI + redis", (*UVICORN, "fastapi_server:app"), 12)
SOCKETIO = System(
    "socketio",
    "python-socketio + AsyncRedisManager",
    (*UVICORN, "socketio_server:app"),
    16,
    socketio=True,
)
CHANNELS_CORE = System(
    "channels-core",
    "Channels + channels_redis (core)",
    (*UVICORN, "channels_server:app"),
    250,
    environment={"LAYER": "core"},
)
CHANNELS_PUBSUB = System(
    "channels-pubsub",
    "Channels + channels_redis (pubsub)",
    (*UVICORN, "channels_server:app"),
    150,
    environment={"LAYER": "pubsub"},
)
NODE_MEMORY = System(
    "node-memoire", "Node `ws`, sans Redis", ("node", PEERS / "node_server.js", "{port}"), 4,
    redis=False,
)  # fmt: skip
FASTAPI_MEMORY = System(
    "fastapi-memoire", "FastAPI, sans Redis", (*UVICORN, "fastapi_server:app"), 12, redis=False
)
LIMIT = System(
    "limite-ligne",
    "limite, une ligne par trame",
    (sys.executable, PEERS / "limit.py", "{port}", "1"),
    3,
    redis=False,
)
LIMIT_FRAMES = System(
    "limite-trame",
    "limite, mêmes trames que II.2",
    (sys.executable, PEERS / "limit.py", "{port}", "{lines}"),
    0.2,
    redis=False,
)

SHARED_ROOM = (II2, II3, UWS, NODE, FASTAPI, SOCKETIO, CHANNELS_CORE, CHANNELS_PUBSUB)
ONE_PROCESS = (I3, NODE_MEMORY, FASTAPI_MEMORY, LIMIT)
COSTS = {"i3": 6, "ii2": 0.5, "ii3": 0.5}  # attendus des variantes, d'après leur étape
DEARER = {
    "ii2-une-ligne": 4,
    "ii2-nu": 5,
    "ii2-abonnements": 100,
    "ii2-sans-repos": 2,
    "i3-boucle": 9,
}
DEARER |= {"i3-taches": 25, "i3-gather": 25, "i3-deflate": 30, "ii2-deflate": 1}
VARIANT_SYSTEMS = tuple(
    from_variant(variant, DEARER.get(variant.name, COSTS[variant.name.split("-")[0]]))
    for variant in VARIANTS
)
EVERY_SYSTEM = (*SHARED_ROOM, *ONE_PROCESS, LIMIT_FRAMES, *VARIANT_SYSTEMS)
BY_NAME = {system.name: system for system in EVERY_SYSTEM}
