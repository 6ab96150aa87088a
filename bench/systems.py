"""Ce que l'on compare : chaque système, comment il se lance, ce qu'on s'attend qu'il coûte."""

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

BENCH = Path(__file__).parent
ROOT = BENCH.parent
DATA = BENCH / ".data"
PEERS = BENCH / "peers"
PYTHON = BENCH / ".venv" / "bin" / "python"
UVICORN = (PYTHON, "-m", "uvicorn", "--app-dir", PEERS, "--host", "127.0.0.1", "--port", "{port}")
UVICORN += ("--log-level", "warning", "--ws-per-message-deflate", "false", "--backlog", "4096")
UVICORN += ("--ws-ping-interval", "60", "--ws-ping-timeout", "60")  # saturé, il se ferait couper


class Failed(Exception):
    """Une mesure n'a pas pu se faire ; le message dit pourquoi."""


@dataclass(frozen=True)
class System:
    """Un système mesuré.

    `command` contient {port}, et {lines} : combien de lignes la limite met dans une trame. `cost`
    est le coût attendu, en µs de calcul par ligne : il ne sert qu'à choisir combien de messages
    envoyer, pour que chaque mesure dure à peu près autant. `dialect` est ce que parle le
    générateur. Une variante a des `changes` : les passages que l'on remplace dans un fichier.
    """

    name: str
    label: str
    command: tuple
    cost: float
    redis: bool = True
    mongo: bool = False
    dialect: str = "text"
    file: str = ""
    changes: tuple[tuple[str, str], ...] = ()

    def folder(self) -> Path:
        """Rend le dossier d'où le lancer, où une variante est écrite d'abord."""
        if not self.changes:
            return ROOT
        text = (ROOT / self.file).read_text(encoding="utf-8")
        for old, new in self.changes:
            if text.count(old) != 1:
                raise Failed(f"{self.label} : {self.file} n'a plus « {old} »")
            text = text.replace(old, new)
        folder = DATA / "variants" / self.name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ROOT / "chatroom", folder / "chatroom")
        (folder / self.file).write_text(text, encoding="utf-8")
        return folder


def script(name, label, *words, cost, **more):
    return System(name, label, (sys.executable, *words, "-p", "{port}"), cost, **more)


def beside(path: Path) -> System:
    """Un autre serveur de chat, donné par son chemin, à mesurer à côté de chatroom."""
    return script("beside", LABELS["beside"], path.resolve(), cost=0.5, mongo=True)


# Nos serveurs.
CHATROOM = script("chatroom", "chatroom", "-m", "chatroom", cost=0.5, mongo=True)
II3 = script("ii3", "II.3", "ws_ii_3_server.py", cost=2, mongo=True)
II2 = script("ii2", "II.2", "ws_ii_2_server.py", cost=1.5)
I3 = script("i3", "I.3", "ws_i_3_server.py", cost=8, redis=False)

# Ce que l'on choisirait à leur place.
NODE_SERVER = ("node", PEERS / "node_server.js", "{port}")
UWS_SERVER = (PYTHON, PEERS / "uws_server.py", "{port}")
STREAM_SERVER = (sys.executable, PEERS / "stream_server.py", "{port}")
FASTAPI_SERVER = (*UVICORN, "fastapi_server:app")
NODE = System("node", "Node `ws` + redis", NODE_SERVER, 8)
NODE_ALONE = System("node-alone", "Node `ws`, sans Redis", NODE_SERVER, 8, redis=False)
UWS = System("uws", "uWebSockets (socketify)", UWS_SERVER, 2, redis=False)
FASTAPI = System("fastapi", "FastAPI + redis", FASTAPI_SERVER, 14)
FASTAPI_ALONE = System("fastapi-alone", "FastAPI, sans Redis", FASTAPI_SERVER, 14, redis=False)
SOCKETIO = System("socketio", "python-socketio + AsyncRedisManager",
                  (*UVICORN, "socketio_server:app"), 50, dialect="socketio")  # fmt: skip
CHANNELS = System("channels", "Channels + channels_redis", (*UVICORN, "channels_server:app"), 150)
CORE = System("channels-core", "Channels, couche `core`", (*UVICORN, "channels_server:core"), 250)
STREAM = System("stream", "un lecteur de stream Redis par client", STREAM_SERVER, 100)

# Ce que l'on ne peut guère battre.
LIMIT_SERVER = (sys.executable, PEERS / "limit.py", "{port}", "{lines}")
LIMIT = System("limit", "limite, les trames de chatroom", LIMIT_SERVER, 0.2, redis=False)

SYSTEMS = (CHATROOM, LIMIT, II3, II2, UWS, NODE, FASTAPI, SOCKETIO, STREAM, CHANNELS, CORE)
SYSTEMS += (I3, NODE_ALONE, FASTAPI_ALONE)


def variant(system, name, label, file, *changes, **more):
    """Un de nos serveurs, où une seule chose change."""
    name, label = f"{system.name}-{name}", f"{system.label}, {label}"
    return replace(system, name=name, label=label, file=file, changes=changes, **more)


def sending(body):
    """Ce qui change dans I.3 pour que relay() attende `body` au lieu de passer par broadcast()."""
    deliver = (
        "async def deliver(author, sentence):\n"
        '    line = f"[{datetime.now():%H:%M}] {sentence}"\n'
        '    others = [c["websocket"] for session, c in clients.items() if session != author]\n'
        f"    {body}\n\n\n"
    )
    said = '(session, f"{pseudo} a dit : {text}")'
    return (f"publish{said}", f"await deliver{said}"), ("def clean(", f"{deliver}def clean(")


LOOP = sending("for other in others:\n        await other.send(line)")
GATHER = sending("await asyncio.gather(*(c.send(line) for c in others), return_exceptions=True)")
DEFLATE = ("options.port, compression=None", 'options.port, compression="deflate"')
ONE_LINE = (
    'broadcast([connection], "\\n".join(others))',
    "any(broadcast([connection], line) for line in others)",
)
NO_REST = ("\nREST = 0.015", "\nREST = 0")

# Chaque serveur, puis ce que l'on y change.
VARIANTS = (
    I3,
    variant(I3, "loop", "boucle de `await send()`", "ws_i_3_server.py", *LOOP, cost=12),
    variant(I3, "gather", "`asyncio.gather`", "ws_i_3_server.py", *GATHER, cost=25),
    variant(I3, "deflate", "compression", "ws_i_3_server.py", DEFLATE, cost=20, dialect="deflate"),
    II2,
    variant(II2, "one-line", "une ligne par trame", "ws_ii_2_server.py", ONE_LINE, cost=10),
    variant(II2, "no-rest", "sans repos", "ws_ii_2_server.py", NO_REST, cost=8),
    CHATROOM,
    variant(CHATROOM, "no-rest", "sans repos", "chatroom/room.py", NO_REST),
)
LABELS = {system.name: system.label for system in (*SYSTEMS, *VARIANTS)}
LABELS["beside"] = "le serveur à côté"
