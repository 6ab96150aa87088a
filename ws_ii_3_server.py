"""TP7, étape II.3 : la même chatroom, et l'historique des messages dans MongoDB.

Ce que l'étape montre : Redis dit ce qui se passe, MongoDB garde ce qui s'est dit.

    python databases.py                     # Redis et MongoDB, dans un autre terminal
    python ws_ii_3_server.py -p 8888        # et un second avec -p 8889 : même chatroom

À regarder : relay(), qui écrit aussi dans MongoDB, et send_history(), qui y lit.
    session:<id>   un hash : le pseudo de cette session, et si elle est là
    pseudos        un hash : chaque pseudo pris, et la session qui l'a
    room           un stream : ce qui arrive dans la salle, dans l'ordre
    messages       une collection de MongoDB : les derniers vont aux nouveaux venus
Ce qui ne va pas, et que `chatroom` corrige : un serveur tué, ou Redis absent lors d'une arrivée ou
d'un départ, laisse un fantôme dont le pseudo reste pris (`redis-cli hdel pseudos léa` le libère, en
minuscules). Un message peut-être perdu est parfois passé : c'est la réponse de Redis qui manquait.
Qui revient ne reçoit pas ce qui s'est dit sans lui.
Un message peut se perdre entre Redis et MongoDB ; qui arrive peut en manquer, ou en lire deux fois.
"""

import argparse
import asyncio
import os
import secrets
import signal
import sys
from contextlib import suppress
from datetime import date, datetime
from functools import partial
from pathlib import Path

from dotenv import load_dotenv
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo.errors import PyMongoError
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

load_dotenv(Path(__file__).with_name(".env"))  # celui d'à côté, et aucun autre
HOST = os.getenv("WS_HOST") or "127.0.0.1"
PORT = os.getenv("WS_PORT") or "8888"
REDIS_URL = os.getenv("REDIS_URL") or "redis://127.0.0.1:6379"
MONGO_URL = os.getenv("MONGO_URL") or "mongodb://127.0.0.1:27017"
MAX_PSEUDO = 32  # caractères
MAX_MESSAGE = 2000  # caractères
MAX_ROOM = 50_000  # entrées que garde le stream, à peu près
HISTORY = 20  # messages que reçoit un nouveau venu
SESSION_TTL = 3600  # secondes : jusque-là, qui est parti peut revenir
REST = 0.015  # secondes entre deux lectures : ce qui arrive entre-temps part en une seule trame


class Refused(Exception):
    """Une connexion que l'on ferme : le code de fermeture et la raison."""


async def chat(websocket, redis, messages):
    """Accueille une connexion, passe ses messages à la salle, annonce son départ."""
    with suppress(ConnectionClosed):  # un départ brutal est un départ comme un autre
        try:
            session, pseudo, back = await welcome(websocket, redis)
            await enter(redis, session, pseudo, back)
            try:
                broadcast([websocket], f"Welcome back {pseudo} !" if back else f"ID|{session}")
                websocket.session = session  # désormais, pass_on() lui passe ce qui arrive
                if not back:
                    await send_history(websocket, messages)
                await relay(websocket, redis, messages, session, pseudo)
            finally:
                await leave(redis, session, pseudo)
        except Refused as refusal:
            await websocket.send(f"Erreur : {refusal.args[1]}")
            await websocket.close(*refusal.args)
        except RedisError:
            await websocket.close(1013, "Redis ne répond pas, réessaie plus tard")


async def welcome(websocket, redis):
    """Attend `Hello|<pseudo>` ou `ID|<session>`.

    Rend la session, son pseudo, et si c'est un retour ; ou lève Refused.
    """
    try:
        async with asyncio.timeout(10):  # secondes pour se présenter
            verb, _, text = clean(await websocket.recv()).partition("|")
    except TimeoutError:
        raise Refused(1008, "rien reçu en 10 s, commence par Hello|<pseudo>") from None
    if verb == "ID":
        pseudo = await redis.hget(f"session:{text}", "pseudo")
        if pseudo is None:
            raise Refused(4002, "session inconnue ou expirée")
        return text, pseudo, True
    pseudo = text.strip()
    if verb != "Hello" or not 1 <= len(pseudo) <= MAX_PSEUDO:
        raise Refused(1008, f"commence par Hello|<pseudo>, de 1 à {MAX_PSEUDO} caractères")
    return secrets.token_urlsafe(16), pseudo, False


async def relay(websocket, redis, messages, session, pseudo):
    """Passe à la salle chaque message d'une connexion, jusqu'à son départ."""
    async for message in websocket:
        text = clean(message)
        if len(text) > MAX_MESSAGE:
            await websocket.send(f"Erreur : message trop long, {MAX_MESSAGE} caractères au plus")
        elif text:
            try:
                message = await publish(redis, session, f"{pseudo} a dit : {text}")
                await messages.insert_one({**message, "author": pseudo})  # la session est un secret
            except RedisError:
                await websocket.send("Erreur : Redis ne répond pas, message peut-être perdu")
            except PyMongoError:
                await websocket.send("Erreur : MongoDB ne répond pas, message hors de l'historique")


async def enter(redis, session, pseudo, back):
    """Fait entrer une session dans la salle ; lève Refused si son pseudo est pris."""
    name = pseudo.casefold()
    if not await redis.hsetnx("pseudos", name, session):  # d'un seul geste : écrit, ou échoue
        if await redis.hget("pseudos", name) == session:
            raise Refused(1013, "cette session est encore ouverte, réessaie")
        raise Refused(4003, "ce pseudo est déjà pris, choisis-en un autre")
    await redis.hset(f"session:{session}", mapping={"pseudo": pseudo, "connected": 1})
    await redis.persist(f"session:{session}")  # tant qu'elle est là, elle n'expire pas
    event = "est de retour !" if back else "a rejoint la chatroom"
    await publish(redis, session, f"Annonce : {pseudo} {event}")


async def leave(redis, session, pseudo):
    """Marque le départ d'une session. Son pseudo se libère à la fin : avant, elle reviendrait."""
    await redis.hset(f"session:{session}", "connected", 0)
    await redis.expire(f"session:{session}", SESSION_TTL)
    await publish(redis, session, f"Annonce : {pseudo} a quitté la chatroom")
    await redis.hdel("pseudos", pseudo.casefold())


async def publish(redis, author, sentence):
    """Ajoute au stream ce qui arrive dans la salle ; chaque serveur l'y lira."""
    now = datetime.now().isoformat(timespec="seconds")
    entry = {"author": author, "date": now, "sentence": sentence}
    return {"_id": await redis.xadd("room", entry, maxlen=MAX_ROOM), **entry}


async def send_history(websocket, messages):
    """Envoie à un nouveau venu les derniers messages, du plus ancien au plus récent."""
    try:
        ours = messages.find({"sentence": {"$type": "string"}})
        latest = await ours.sort("_id", -1).limit(HISTORY).to_list()
    except PyMongoError:
        await websocket.send("Erreur : MongoDB ne répond pas, pas d'historique")
        return
    lines = [line for _, line in to_lines((one["_id"], one) for one in reversed(latest))]
    if lines:
        broadcast([websocket], "\n".join(lines))


async def read_room(redis, server, position):
    """Lit le stream une fois pour tous les clients de ce serveur, et leur passe ce qui arrive."""
    while server.is_serving():
        try:
            reply = await redis.xread({"room": position}, count=100, block=1000)  # ms
        except RedisError:
            await asyncio.sleep(1)  # `position` dit d'où reprendre : rien ne manquera
            continue
        for _, entries in reply or []:  # [("room", [(id, entrée), …])], ou rien
            pass_on(server, list(to_lines(entries)))
            position, _ = entries[-1]
        await asyncio.sleep(REST)


def pass_on(server, lines):
    """Passe à chaque client de ce serveur, en une trame, les lignes dont il n'est pas l'auteur."""
    for connection in server.connections:
        if hasattr(connection, "session"):
            others = [line for author, line in lines if author != connection.session]
            if others:
                broadcast([connection], "\n".join(others))  # sans attendre qui lit lentement


def to_lines(entries):
    """Rend l'auteur et la ligne à montrer de chaque entrée, si c'est la chatroom qui l'a écrite."""
    for entry_id, entry in entries:
        try:
            yield entry["author"], stamp(datetime.fromisoformat(entry["date"]), entry["sentence"])
        except (KeyError, TypeError, ValueError):
            print(f"L'entrée {entry_id} n'est pas de la chatroom : ignorée.", flush=True)


def stamp(moment, sentence):
    """Rend une phrase précédée de son heure, et de son jour si ce n'est pas aujourd'hui."""
    day = "" if moment.date() == date.today() else f"{moment:%d/%m} "
    return clean(f"[{day}{moment:%H:%M}] {sentence}")


def clean(frame):
    """Rend une trame sur une ligne, sans rien qui dérange un écran ; lève Refused si binaire."""
    if isinstance(frame, bytes):
        raise Refused(1003, "seul le texte est accepté")
    return "".join(c if c.isprintable() else " " for c in frame).strip()


async def connect_redis():
    """Rend un client de Redis, et l'id de la dernière entrée du stream : la salle se suit de là."""
    try:  # quatre connexions pour tous : avec une par client, Redis finirait par en refuser
        pool = BlockingConnectionPool.from_url(
            REDIS_URL,
            max_connections=4,
            socket_timeout=5,
            decode_responses=True,  # des textes, et non des octets
            encoding_errors="replace",
        )
        redis = Redis.from_pool(pool)
        last = await redis.xrevrange("room", count=1)  # à rebours
    except RedisError as error:
        sys.exit(
            f"Redis ne répond pas ({error}) :"
            " lance « python databases.py » dans un autre terminal, ou corrige REDIS_URL."
        )
    except (TypeError, ValueError):
        sys.exit("REDIS_URL n'est pas l'adresse d'un Redis : corrige-la.")
    return redis, last[0][0] if last else "0"


def connect_mongo():
    """Rend la collection des messages, sans attendre MongoDB, qui peut être absent."""
    try:
        mongo = AsyncIOMotorClient(MONGO_URL, timeoutMS=2000)
    except (PyMongoError, ValueError):
        sys.exit("MONGO_URL n'est pas l'adresse d'un MongoDB : corrige-la.")
    return mongo.get_default_database("tp7")["messages"]


async def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-a", "--address", default=HOST, help="adresse où écouter")
    parser.add_argument("-p", "--port", type=int, default=PORT, help="port où écouter")
    options = parser.parse_args()
    redis, position = await connect_redis()
    messages = connect_mongo()
    try:  # compression=None : sur des lignes si courtes, elle coûte plus qu'elle ne gagne
        handler = partial(chat, redis=redis, messages=messages)
        server = await serve(handler, options.address, options.port, compression=None)
    except (OSError, OverflowError, UnicodeError) as error:
        sys.exit(f"Impossible d'écouter là ({error}) : choisis une autre adresse ou un autre port.")
    async with redis, server, asyncio.TaskGroup() as tasks:
        with suppress(NotImplementedError):  # Windows n'a que Ctrl+C, qui interrompt tout
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, server.close)
        tasks.create_task(read_room(redis, server, position))
        address, port = server.sockets[0].getsockname()[:2]
        print(f"Serveur à l'écoute sur ws://{address}:{port} (Ctrl+C pour l'arrêter)", flush=True)
        await server.wait_closed()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
