"""TP7, étape II.3 : la même chatroom, et l'historique des messages dans MongoDB.

Ce que l'étape montre : Redis dit ce qui se passe, MongoDB garde ce qui s'est dit. La copie se fait
à part, personne ne l'attend ; et un nouveau venu reçoit les derniers messages, puis la suite, sans
trou ni doublon.

    python databases.py                  # Redis et MongoDB, dans un autre terminal
    python ws_ii_3_server.py
    python ws_i_3_client.py

À regarder : copy_messages(), qui remplit MongoDB, et send_history(), qui le lit.
"""

import argparse
import asyncio
import os
import re
import secrets
import signal
import sys
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from dotenv import dotenv_values
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReplaceOne
from pymongo.errors import PyMongoError
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff, ExponentialBackoff
from redis.exceptions import RedisError, ResponseError
from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

MAX_PSEUDO = 32  # caractères
MAX_MESSAGE = 2000  # caractères
MAX_FRAME = 4 * MAX_MESSAGE + 1024  # octets : un caractère en prend 4 au plus
MAX_UNREAD = 2**20  # octets qu'un client peut laisser en attente avant d'être écarté
MAX_WAITING = 256  # messages d'un client qui attendent leur tour ; au-delà, il n'est plus lu
HELLO_DELAY = 10  # secondes pour se présenter

CLOSE_DELAY = 2  # secondes laissées à un client pour lire la fermeture
LEAVE_DELAY = 5  # secondes laissées à Redis pour noter les départs quand le serveur s'arrête

PRESENCE = 15  # secondes : sans nouvelles de son serveur, une session est déclarée partie
RENEWAL = 5  # secondes entre deux nouvelles
BATCH = 100  # entrées du flux par trame : la plus longue reste sous le Mio que lit un client
REST = 0.015  # secondes de repos entre deux trames : ce qui arrive entre-temps partira ensemble

HISTORY = 20  # messages que reçoit un nouveau venu
HISTORY_DELAY = 1  # secondes laissées à MongoDB pour les donner
COPY_BATCH = 500  # entrées du flux copiées d'un coup
COPY_REST = 0.5  # secondes entre deux copies
TAKEOVER = 30  # secondes : une copie commencée depuis si longtemps est reprise par un autre serveur

# Le flux garde les 50 000 dernières entrées : 14 h à un message par seconde, 50 s à mille ;
# 10 Mo si les messages sont courts, 400 Mo au pire.
XADD = 'redis.call("XADD", "room", "MAXLEN", "~", 50000, "*", '

SENTENCES = {
    "enter": "Annonce : {pseudo} a rejoint la chatroom",
    "return": "Annonce : {pseudo} est de retour !",
    "say": "{pseudo} a dit : {text}",
    "leave": "Annonce : {pseudo} a quitté la chatroom",
}


# --- Ce qui s'écrit dans Redis ---------------------------------------------------------------
# session:<id> : qui c'est ; online : qui est là, jusqu'à quelle heure ; pseudos : à qui est
# chaque nom ; room : ce qui se passe, dans l'ordre. Chaque script s'exécute d'un bloc, et peut
# être envoyé deux fois : si une réponse se perd, redis-py renvoie la commande, et rien ne double.

# Sans ce script : deux personnes prennent le même pseudo au même instant, sur deux serveurs.
ENTER = f"""
local session, name, pseudo, owner, server, ttl, turn = KEYS[1], unpack(ARGV)
local holder = redis.call("HGET", "pseudos", name)
if holder and holder ~= session and redis.call("ZSCORE", "online", holder) then return 4003 end
local previous, last = unpack(redis.call("HMGET", session, "owner", "turn"))
if last and tonumber(last) > tonumber(turn) then return 4001 end
if previous ~= owner then
  local now = redis.call("TIME")[1]
  redis.call("HSET", "pseudos", name, session)
  redis.call("HSET", session, "pseudo", pseudo, "name", name, "connected", 1, "owner", owner,
             "server", server, "since", now, "ttl", ttl, "said", 0, "turn", turn)
  redis.call("EXPIRE", session, ttl)
  redis.call("ZADD", "online", now + {PRESENCE}, session)
  local id = {XADD} "kind", previous and "return" or "enter", "pseudo", pseudo,
                    "author", owner, "previous", previous or "")
  redis.call("HSETNX", session, "position", id)
end
return redis.call("HGET", session, "position")
"""

# Sans ce script : un message renvoyé après une panne passe deux fois, une session reprise
# ailleurs parle encore ici.
SAY = f"""
local session, owner, number, text = KEYS[1], unpack(ARGV)
local current, said, pseudo = unpack(redis.call("HMGET", session, "owner", "said", "pseudo"))
if not current or not redis.call("ZSCORE", "online", session) then return 1012 end
if current ~= owner then return 4001 end
if tonumber(number) > tonumber(said) then
  redis.call("HSET", session, "said", number)
  {XADD} "kind", "say", "pseudo", pseudo, "author", owner, "text", text)
end
return 0
"""

# Sans ce script : un départ est annoncé deux fois, ou celui de quelqu'un qui vient de revenir.
LEAVE = f"""
local session, owner = KEYS[1], ARGV[1]
local current, pseudo, name = unpack(redis.call("HMGET", session, "owner", "pseudo", "name"))
local deadline = tonumber(redis.call("ZSCORE", "online", session))
if not deadline then return end
if current and current ~= owner and deadline > tonumber(redis.call("TIME")[1]) then return end
if current then
  -- en premier : Redis plein refuse cette écriture, et avec elle tout le script
  {XADD} "kind", "leave", "pseudo", pseudo, "author", current)
  redis.call("HSET", session, "connected", 0)
  redis.call("HDEL", "pseudos", name)
else  -- expirée avant son départ : on ne sait plus son nom, mais on le libère
  for _, taken in ipairs(redis.call("HKEYS", "pseudos")) do
    if redis.call("HGET", "pseudos", taken) == session then redis.call("HDEL", "pseudos", taken) end
  end
end
redis.call("ZREM", "online", session)
"""


async def enter(redis, session, pseudo, turn, websocket, ttl):
    """Fait entrer une session, pour la `turn`-ième fois qu'elle revient.

    Rend la position d'où elle suit la salle, ou un code de fermeture : 4003 si le nom est pris,
    4001 si elle est revenue ailleurs depuis. Si le serveur meurt juste avant, rien n'est écrit ;
    juste après, l'échéance fera partir.
    """
    name, owner = unique_name(pseudo), str(websocket.id)
    server = "{}:{}".format(*websocket.local_address)
    if holder := await redis.hget("pseudos", name):
        await expire(redis, holder)
    return await redis.eval(ENTER, 1, session, name, pseudo, owner, server, ttl, turn)


async def say(outbox, session, websocket, number, text):
    """Ajoute à la salle le `number`-ième message d'une connexion ; send_outbox() l'y porte.

    Si le serveur meurt juste avant, le message n'est passé à personne ; juste après, il passera à
    tous.
    """
    await outbox.put((websocket, asyncio.Event(), SAY, session, str(websocket.id), number, text))
    await asyncio.sleep(0)  # chacun son tour : sans cela, un bavard a fait attendre les autres 3 s


async def leave(outbox, session, websocket):
    """Marque le départ d'une session et libère son pseudo, si `websocket` la détient encore.

    Par la même file que les messages : le départ les suit. Si le serveur meurt juste avant,
    l'échéance fera partir ; juste après, tout est écrit.
    """
    noted = asyncio.Event()
    await outbox.put((websocket, noted, LEAVE, session, str(websocket.id)))
    await noted.wait()


async def expire(redis, session):
    """Marque le départ d'une session dont l'échéance est passée ; ne fait rien aux autres."""
    await redis.eval(LEAVE, 1, session, "")


# --- Ce qui s'écrit dans MongoDB -------------------------------------------------------------
# messages : un document par message, dont l'_id est celui du flux. Le groupe « history » du flux
# retient ce qui est copié : chaque entrée va à un seul serveur, et lui revient tant qu'elle n'est
# pas acquittée.


async def copy_messages(redis, messages):
    """Copie le flux dans MongoDB, lot par lot, avec les autres serveurs.

    Si le serveur meurt juste avant d'acquitter, un autre copie le lot une seconde fois : le même
    _id remplace le document par lui-même.
    """
    clock = asyncio.get_running_loop().time
    looked = clock()
    await insist(messages.create_index, "order")
    while True:
        try:
            if clock() - looked > TAKEOVER:
                looked, entries = clock(), await abandoned_entries(redis)
            else:
                entries = await fresh_entries(redis)
        except ResponseError:  # pas encore de groupe, ou plus si Redis a tout perdu
            with suppress(ResponseError):  # un autre serveur l'a créé entre-temps
                await redis.xgroup_create("room", "history", "0", mkstream=True)
            await asyncio.sleep(COPY_REST)
            continue
        said = [document(*entry) for entry in entries if entry[1]["kind"] == "say"]
        if said:
            replacements = [ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in said]
            await insist(messages.bulk_write, replacements, ordered=False)
        if entries:
            with suppress(ResponseError):  # Redis n'écrit plus : ce lot sera copié une seconde fois
                await redis.xack("room", "history", *(entry_id for entry_id, _ in entries))
        if len(entries) < COPY_BATCH:
            await asyncio.sleep(COPY_REST)


async def fresh_entries(redis):
    """Rend les entrées du flux que personne n'a encore prises pour les copier."""
    reply = await redis.xreadgroup("history", "servers", {"room": ">"}, count=COPY_BATCH)
    return reply[0][1] if reply else []


async def abandoned_entries(redis):
    """Rend les entrées dont la copie a commencé il y a longtemps : leur serveur est mort, figé ou
    sans MongoDB."""
    _, entries, trimmed = await redis.xautoclaim(
        "room", "history", "servers", TAKEOVER * 1000, count=COPY_BATCH
    )
    if trimmed:
        print(
            f"{len(trimmed)} entrée(s) sorties du flux avant d'être copiées : perdues.", flush=True
        )
    return entries


async def insist(action, *arguments, **options):
    """Demande une action à MongoDB jusqu'à ce qu'elle réussisse ; ne se plaint qu'une fois."""
    complained = False
    while True:
        try:
            await action(*arguments, **options)
        except PyMongoError as error:
            if not complained:
                reason = str(error).partition(",")[0]
                print(f"MongoDB ne répond pas ({reason}) : les messages attendent.", flush=True)
            complained = True
            await asyncio.sleep(1)
        else:
            if complained:
                print("MongoDB est de retour.", flush=True)
            return


def document(entry_id, entry):
    """Rend ce que MongoDB garde d'un message."""
    date = datetime.fromtimestamp(int(entry_id.split("-")[0]) / 1000, UTC)
    kept = {"pseudo": entry["pseudo"], "text": entry["text"], "date": date}
    return {"_id": entry_id, "order": order(entry_id)} | kept


def order(entry_id):
    """Rend un nombre qui range les ids du flux : comparés en texte, 1-10 viendrait avant 1-9."""
    milliseconds, number = map(int, entry_id.split("-"))
    return (milliseconds << 20) + number


async def send_history(websocket, redis, messages):
    """Envoie à un nouveau venu les derniers messages ; rend la position d'où suivre la salle.

    MongoDB a ce qui est copié, le flux complète. La limite entre les deux se lit en premier : ce
    qui se copie pendant ce temps vient alors des deux à la fois, jamais d'aucun.
    """
    position, limit, found, warning = websocket.server.position, "-", {}, []
    try:
        async with asyncio.timeout(HISTORY_DELAY):
            copied = await copied_position(redis)
            cursor = messages.find({"order": {"$lte": order(position)}})
            async for message in cursor.sort("order", -1).limit(HISTORY):
                found[message["_id"]] = {"kind": "say", **message}
            limit = copied
    except (PyMongoError, ResponseError, TimeoutError):
        sentence = "Annonce : historique incomplet, MongoDB ne répond pas"
        warning = [f"{stamp(datetime.now())} {sentence}"]
    found |= await last_said(redis, position, limit)
    latest = sorted(found, key=order)[-HISTORY:]
    lines = [line(entry_id, found[entry_id]) for entry_id in latest] + warning
    if lines:
        await websocket.send("\n".join(lines))
    return position


async def last_said(redis, newest, oldest):
    """Rend, par id, les derniers messages du flux entre deux ids : HISTORY s'il y en a autant."""
    said = {}
    while True:
        entries = await redis.xrevrange("room", newest, oldest, count=1000)
        said |= {entry_id: entry for entry_id, entry in entries if entry["kind"] == "say"}
        if len(entries) < 1000 or len(said) >= HISTORY:
            return said
        newest = f"({entries[-1][0]}"


async def copied_position(redis):
    """Rend l'id du flux avant lequel tout est dans MongoDB ("-", le début, si rien n'y est)."""
    for group in await redis.xinfo_groups("room"):
        if group["name"] == "history":
            pending = await redis.xpending("room", "history")
            return pending["min"] or group["last-delivered-id"]
    return "-"


# --- Ce qu'on accepte et ce qu'on affiche ----------------------------------------------------


class Refused(Exception):
    """Une connexion que l'on ferme : le code de fermeture et la raison."""


def one_line(text):
    """Change chaque blanc et chaque saut de ligne en une espace, sauf les insécables françaises."""
    return re.sub(r"\r\n|[^\S\u00a0\u202f]", " ", text)


def harmless(character):
    """Dit si un caractère ne peut pas déranger un écran : ni contrôle, ni format, sauf les deux
    liants dont se servent les émojis et certaines écritures."""
    category = unicodedata.category(character)
    return category not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or character in "\u200c\u200d"


def visible(character):
    """Dit si un caractère laisse une trace à l'écran."""
    blanks = "\u115f\u1160\u2800\u3164\uffa0"  # des « lettres » sans dessin
    return unicodedata.category(character)[0] not in "CMZ" and character not in blanks


def clean_message(text):
    """Rend un message sur une ligne, sans rien qui puisse déranger un écran."""
    text = one_line(unicodedata.normalize("NFC", text))
    if not text.isprintable():  # le plus souvent il n'y a rien à trier
        text = unicodedata.normalize("NFC", "".join(filter(harmless, text)))
    return text.strip()


def clean_pseudo(text):
    """Rend un pseudo tel qu'il sera montré ; lève Refused s'il ne peut pas servir."""
    pseudo = one_line(unicodedata.normalize("NFC", text)).strip()
    if not any(map(visible, pseudo)):
        raise Refused(1008, "il faut un pseudo que l'on puisse voir")
    if len(pseudo) > MAX_PSEUDO:
        raise Refused(1008, f"un pseudo tient en {MAX_PSEUDO} caractères")
    if not all(map(harmless, pseudo)):
        raise Refused(1008, "un pseudo ne contient pas de caractère de contrôle")
    name = unique_name(pseudo)
    starts = ("[", "annonce :", "erreur :", "welcome back", "vous avez dit :", "hello|", "id|")
    if " a dit : " in f" {name} " or name.startswith(starts):
        raise Refused(1008, "ce pseudo ressemble à une phrase du serveur")
    return pseudo


def unique_name(pseudo):
    """Rend ce qui distingue un pseudo des autres : « Léa », « LÉA » et « ｌéa » sont le même."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", pseudo).casefold())


def stamp(moment):
    """Rend l'heure entre crochets, avec le jour si ce n'est pas aujourd'hui."""
    today = moment.date() == datetime.now().date()
    return f"[{moment:%H:%M}]" if today else f"[{moment:%d/%m %H:%M}]"


def line(entry_id, entry):
    """Rend la ligne à montrer pour une entrée du flux ; son id commence par l'heure, en ms."""
    moment = datetime.fromtimestamp(int(entry_id.split("-")[0]) / 1000)
    return f"{stamp(moment)} {SENTENCES[entry['kind']].format(**entry)}"


# --- La vie d'une connexion ------------------------------------------------------------------


async def chat(websocket, redis, outbox, ttl, messages):
    """Accueille une connexion, porte ses messages à la salle, annonce son départ."""
    with suppress(ConnectionClosed):  # un départ brutal est un départ comme un autre
        try:
            session, greeting, position = await welcome(websocket, redis, ttl)
            websocket.session = session
            asyncio.current_task().set_name("session")
            try:
                with suppress(ConnectionClosed):  # déjà reparti : ce qu'il a dit passe quand même
                    await websocket.send(greeting)
                    if greeting.startswith("ID|"):
                        position = await send_history(websocket, redis, messages)
                    await catch_up(websocket, redis, position)
                await relay(websocket, outbox, session)
            finally:
                if not asyncio.current_task().cancelling():  # sinon le serveur n'attend plus Redis
                    await leave(outbox, session, websocket)
        except Refused as refusal:
            code, reason = refusal.args
            await websocket.send(f"Erreur : {reason}")
            await websocket.close(code, reason)


async def welcome(websocket, redis, ttl):
    """Attend `Hello|<pseudo>` ou `ID|<session>`, et fait entrer dans la salle.

    Rend la session, la phrase d'accueil et la position d'où suivre la salle ; lève Refused.
    """
    verb, text = await first_frame(websocket)
    try:
        if verb == "Hello":
            session, pseudo, turn = f"session:{secrets.token_urlsafe(16)}", clean_pseudo(text), 0
            greeting = f"ID|{session.removeprefix('session:')}"
        else:
            session = f"session:{text}"
            pseudo, turn = await take_turn(redis, session, websocket)
            greeting = f"Welcome back {pseudo} !"
            if pseudo is None:
                raise Refused(4002, "session inconnue ou expirée")
        position = await enter(redis, session, pseudo, turn, websocket, ttl)
    except ResponseError as error:
        raise Refused(1008, "Redis refuse d'écrire, réessaie plus tard") from error
    if position == 4001:
        raise Refused(4001, "session reprise ailleurs")
    if position == 4003:
        raise Refused(4003, "ce pseudo est déjà pris, choisis-en un autre")
    return session, greeting, position


async def first_frame(websocket):
    """Rend le verbe de la première trame et ce qui suit ; lève Refused si ce n'est pas l'usage."""
    try:
        async with asyncio.timeout(HELLO_DELAY):
            frame = await websocket.recv()
    except TimeoutError:
        raise Refused(1008, f"rien reçu en {HELLO_DELAY} s, présente-toi par Hello|") from None
    if isinstance(frame, bytes):
        raise Refused(1003, "seul le texte est accepté")
    verb, bar, text = frame.partition("|")
    if verb not in ("Hello", "ID") or not bar:
        raise Refused(1008, "commence par Hello|<pseudo> ou ID|<session>")
    return verb, text


async def relay(websocket, outbox, session):
    """Porte à la salle chaque message d'une connexion, jusqu'à son départ."""
    number = 0
    async for message in websocket:
        if isinstance(message, bytes):
            raise Refused(1003, "seul le texte est accepté")
        text = clean_message(message)
        if len(text) > MAX_MESSAGE:
            await websocket.send(
                f"Erreur : message trop long ({len(text)} caractères, {MAX_MESSAGE} au plus)"
            )
        elif text:
            number += 1
            await say(outbox, session, websocket, number, text)


def here(server):
    """Parcourt les connexions du serveur qui suivent la salle en direct."""
    return (connection for connection in server.connections if hasattr(connection, "live"))


async def catch_up(websocket, redis, position):
    """Envoie ce qui s'est passé depuis `position`, puis fait suivre la salle en direct.

    Entre la dernière comparaison et l'attribut `live` il n'y a pas d'await : le lecteur ne peut
    donc rien passer dans cet intervalle, et rien ne manque ni ne double.
    """
    while position != (target := websocket.server.position):
        entries = await redis.xrange("room", f"({position}", target, count=BATCH)
        lines = [line(*entry) for entry in entries if entry[1]["author"] != str(websocket.id)]
        if lines:
            await websocket.send("\n".join(lines))
        position = entries[-1][0] if len(entries) == BATCH else target
    websocket.live = True


async def read_room(redis, server, tasks):
    """Lit le flux une fois pour toutes les connexions de ce serveur, et leur passe ce qui arrive.

    Redis peut disparaître : la position retenue dit d'où reprendre, et rien ne manque.
    """
    silent = False
    while True:
        try:
            reply = await redis.xread({"room": server.position}, count=BATCH, block=2000)
        except RedisError:
            if not silent:
                tell(server, "Redis ne répond plus, tes messages attendent")
            silent = True
            await asyncio.sleep(1)
            continue
        if silent:
            tell(server, "Redis est de retour")
            silent = False
        if reply:
            [(_, entries)] = reply
            pass_on(entries, server, tasks)
            server.position = entries[-1][0]
            if len(entries) < BATCH:
                await asyncio.sleep(REST)


def pass_on(entries, server, tasks):
    """Passe des entrées du flux à chaque connexion, en une trame, sans ses propres lignes."""
    authors = {UUID(entry["author"]) for _, entry in entries}
    lines = [(entry["author"], line(entry_id, entry)) for entry_id, entry in entries]
    everything = "\n".join(text for _, text in lines)
    broadcast((c for c in here(server) if c.id not in authors), everything)
    for connection in here(server):
        if connection.id in authors:
            me = str(connection.id)
            others = [text for author, text in lines if author != me]
            if others:
                broadcast([connection], "\n".join(others))
        if connection.transport.get_write_buffer_size() > MAX_UNREAD:
            tasks.create_task(dismiss(connection, 1013, "tu lis trop lentement"))
    returns = {entry["previous"] for _, entry in entries if entry["kind"] == "return"}
    for connection in server.connections if returns else ():
        if str(connection.id) in returns:
            tasks.create_task(dismiss(connection, 4001, "session reprise ailleurs"))


def tell(server, sentence):
    """Annonce à toutes les connexions de ce serveur ce que Redis ne peut pas annoncer."""
    broadcast(here(server), f"{stamp(datetime.now())} Annonce : {sentence}")


# --- Survivre --------------------------------------------------------------------------------


# Accident : un client ne lit plus rien, pas même la fermeture, et sa mémoire d'attente grossit.
async def dismiss(connection, code, reason):
    """Ferme une connexion, et la coupe si la fermeture n'est pas lue à temps."""
    try:
        async with asyncio.timeout(CLOSE_DELAY):
            await connection.close(code, reason)
    except TimeoutError:
        connection.transport.abort()


# Accident : cent personnes parlent à la fois, et chaque message paie son propre aller-retour.
async def send_outbox(redis, outbox, tasks):
    """Porte à Redis, d'un seul envoi, les messages et les départs qui attendent.

    Un message que Redis refuse est rendu à son auteur ; une connexion qui a perdu sa session est
    fermée, avec le code que donne SAY.
    """
    clock = asyncio.get_running_loop().time
    while True:
        waiting, began = [await outbox.get()], clock()
        while not outbox.empty():
            waiting.append(outbox.get_nowait())
        pipeline = redis.pipeline(transaction=False)
        for _, _, script, *arguments in waiting:
            pipeline.eval(script, 1, *arguments)
        replies = await pipeline.execute(raise_on_error=False)
        for (websocket, noted, *_), reply in zip(waiting, replies, strict=True):
            noted.set()
            if isinstance(reply, ResponseError):
                broadcast([websocket], f"Erreur : Redis refuse ton message ({reply})")
            elif reply:
                reason = "ta session n'est plus ici, ce message n'est pas passé"
                broadcast([websocket], f"Erreur : {reason}")
                tasks.create_task(dismiss(websocket, reply, reason))
        if len(waiting) >= BATCH:  # des bavards : que les lecteurs, même ailleurs, puissent suivre
            await asyncio.sleep(began + REST - clock())


# Accident : coupé pendant une panne de Redis, un client revient ailleurs ; ses deux retours passent
# quand Redis revient, et le premier, s'il passait en dernier, ferait partir le second.
TAKE_TURN = """
local pseudo, last, here = unpack(redis.call("HMGET", KEYS[1], "pseudo", "turn", "connected"))
if not pseudo then return nil end
return {pseudo, redis.call("HINCRBY", KEYS[1], "turns", 1), here == "1" and "-1" or last}
"""


async def take_turn(redis, session, websocket):
    """Rend le pseudo d'une session, None si elle n'existe plus, et le tour que prend ce retour.

    Un retour déjà coupé ne prend la place de personne : son tour passe avant celui des présents.
    """
    pseudo, turn, spare = await redis.eval(TAKE_TURN, 1, session) or (None, 0, 0)
    return pseudo, spare if websocket.close_code else turn


# Accident : un serveur gelé, à son réveil, ferait revivre des sessions que tous ont vues partir.
RENEW = """
local lost, presence = {}, ARGV[1]
for i, session in ipairs(KEYS) do
  local me, position = ARGV[i + 1], ARGV[#KEYS + i + 1]
  local owner, ttl = unpack(redis.call("HMGET", session, "owner", "ttl"))
  if not owner or not redis.call("ZSCORE", "online", session) then
    table.insert(lost, me)
  elseif owner == me then
    redis.call("ZADD", "online", redis.call("TIME")[1] + presence, session)
    if position ~= "" then redis.call("HSET", session, "position", position) end
    redis.call("EXPIRE", session, ttl)
  end
end
return lost
"""


# Accident : un serveur est tué net, et ses clients restent affichés présents pour toujours.
async def keep_presence(redis, server, tasks):
    """Donne des nouvelles des sessions de ce serveur, et fait partir celles des serveurs muets.

    Après une panne de Redis, chaque serveur donne d'abord des nouvelles, et ne fait partir
    personne avant PRESENCE secondes : sinon le premier de retour évincerait tous les autres.
    """
    (last, _), grace = await redis.time(), 0
    while True:
        await asyncio.sleep(RENEWAL)
        try:
            now, _ = await redis.time()  # d'abord : après une panne, les nouvelles suivent aussitôt
            await renew(redis, server, tasks)
            if now - last > 1.5 * RENEWAL:
                grace = now + PRESENCE
            if now >= grace:
                await sweep(redis, now)
            last = now
        except ResponseError as error:
            print(f"Redis refuse d'écrire ({error}) : nouvel essai dans {RENEWAL} s.", flush=True)


async def renew(redis, server, tasks):
    """Repousse l'échéance de chaque session de ce serveur ; écarte celles qui sont parties.

    Qui n'a pas fini de recevoir son retard garde la position d'où il l'a repris.
    """
    present = [c for c in server.connections if hasattr(c, "session")]
    sessions, owners = [c.session for c in present], [str(c.id) for c in present]
    positions = [server.position if hasattr(c, "live") else "" for c in present]
    lost = await redis.eval(RENEW, len(sessions), *sessions, PRESENCE, *owners, *positions)
    for connection in present:
        if str(connection.id) in lost:
            tasks.create_task(dismiss(connection, 1012, "session expirée, reviens"))


async def sweep(redis, now):
    """Fait partir les sessions dont l'échéance est passée : leur serveur ne répond plus."""
    for session in await redis.zrangebyscore("online", "-inf", now, start=0, num=1000):
        await expire(redis, session)


# --- Démarrer et s'arrêter -------------------------------------------------------------------


async def connect_redis(url):
    """Rend deux clients de Redis : l'un insiste sans fin, l'autre renonce vite pour le dire.

    Quitte le programme si Redis ne répond pas. Le premier n'ouvre que quatre connexions, que les
    clients de la salle se partagent : avec une par client, Redis finirait par les refuser.
    """
    patience = Retry(ExponentialBackoff(cap=1, base=0.05), -1)
    try:
        async with Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as once:
            await once.ping()
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=4,
            timeout=None,
            socket_timeout=5,
            retry=patience,
            decode_responses=True,
        )
    except (RedisError, OSError, ValueError) as error:
        place = re.sub("//.*@", "//", url)  # un mot de passe ne s'affiche pas
        sys.exit(
            f"Redis ne répond pas à {place} ({error}) : lance « python databases.py » dans un autre"
            " terminal, ou corrige REDIS_URL."
        )
    retry = Retry(ConstantBackoff(0.5), 1)
    hasty = Redis.from_url(url, retry=retry, socket_timeout=4, decode_responses=True)
    return Redis.from_pool(pool), hasty


async def last_position(redis):
    """Rend l'id de la dernière entrée du flux, ou l'heure de Redis s'il est vide : un serveur qui
    démarre suit la salle de là."""
    last = await redis.xrevrange("room", count=1)
    seconds, microseconds = await redis.time()
    return last[0][0] if last else f"{seconds * 1000 + microseconds // 1000 - 1}-0"


def setting(name, default):
    """Cherche un réglage dans l'environnement, puis dans le fichier .env voisin du script.

    Rend sa valeur et sa source. Une valeur vide compte pour absente.
    """
    try:
        neighbour = dotenv_values(Path(__file__).with_name(".env"), encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        sys.exit(f"Le fichier .env ne se lit pas ({error}) : enregistre-le en UTF-8.")
    for source, values in ("l'environnement", os.environ), ("le fichier .env", neighbour):
        if values.get(name):
            return values[name], f"{name} dans {source}"
    return default, "valeur par défaut"


def read_options():
    """Lit les options, puis ce qui se règle par l'environnement ou par .env."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-a", "--address", help="adresse où écouter (127.0.0.1 par défaut)")
    parser.add_argument("-p", "--port", help="port où écouter (8888 par défaut)")
    options = parser.parse_args()

    def whole_number(value, source, low, high):
        if not re.fullmatch("[0-9]{1,9}", value) or not low <= int(value) <= high:
            parser.error(f"{source} : « {value} » n'est pas un nombre de {low} à {high}")
        return int(value)

    options.address = options.address or setting("WS_HOST", "127.0.0.1")[0]
    port = (options.port, "-p") if options.port else setting("WS_PORT", "8888")
    options.port = whole_number(*port, 0, 65535)
    options.session_ttl = whole_number(*setting("SESSION_TTL", "3600"), 2 * PRESENCE, 10**8)
    origins = re.split(r"[\s,]+", setting("ORIGINS", "")[0].strip())
    options.origins = [None, *origins] if any(origins) else None  # None : hors d'un navigateur
    options.redis_url = setting("REDIS_URL", "redis://127.0.0.1:6379/0")[0]
    options.mongo_url = setting("MONGO_URL", "mongodb://127.0.0.1:27017")[0]
    return options


async def listen(handler, options):
    """Rend un serveur qui écoute ; quitte le programme s'il ne peut pas."""
    try:
        return await serve(
            handler,
            options.address,
            options.port,
            origins=options.origins,
            compression=None,  # sur des lignes si courtes, elle coûte plus qu'elle ne gagne
            max_size=MAX_FRAME,
            max_queue=MAX_WAITING,
            close_timeout=CLOSE_DELAY,
        )
    except (OSError, UnicodeError) as error:
        sys.exit(
            f"Impossible d'écouter sur {options.address}, port {options.port} ({error}) :"
            " choisis une adresse de cette machine avec -a, et un port libre avec -p."
        )


async def until_stopped(server):
    """Annonce l'adresse du serveur, puis attend Ctrl+C, SIGTERM ou SIGHUP."""
    host, port = server.sockets[0].getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    stop = asyncio.Event()
    with suppress(AttributeError, NotImplementedError):  # Windows n'a que Ctrl+C, qui annule tout
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(f"Serveur à l'écoute sur ws://{host}:{port} (Ctrl+C pour l'arrêter)", flush=True)
    with suppress(asyncio.CancelledError):
        await stop.wait()


async def close(server):
    """Prévient chaque client (code 1001) et attend que son départ soit noté, un temps seulement."""
    server.close()
    try:
        async with asyncio.timeout(LEAVE_DELAY):
            await server.wait_closed()
    except TimeoutError:
        left = sum(task.get_name() == "session" for task in asyncio.all_tasks())
        if left:
            print(f"{left} session(s) sans départ noté : leur échéance s'en chargera.", flush=True)


async def cancel_others():
    """Annule les autres tâches, et insiste : le wait_for de Python 3.11 en perd parfois l'ordre."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=0.1)


def connect_mongo(url):
    """Rend un client de MongoDB, qui n'a pas besoin d'être là : on l'attendra.

    Une écriture ne compte que notée dans son journal. Le successeur de motor s'écrirait
    AsyncMongoClient(url, ...), importé de pymongo, avec `await` devant mongo.close().
    """
    try:
        return AsyncIOMotorClient(
            url, serverSelectionTimeoutMS=1000, socketTimeoutMS=5000, journal=True
        )
    except (PyMongoError, ValueError) as error:
        sys.exit(f"« {url} » n'est pas l'adresse d'un MongoDB ({error}) : corrige MONGO_URL.")


async def main(options):
    redis, hasty = await connect_redis(options.redis_url)
    mongo = connect_mongo(options.mongo_url)
    messages = mongo.get_default_database("tp7")["messages"]
    async with redis, hasty, asyncio.TaskGroup() as tasks:
        position, outbox = await last_position(redis), asyncio.Queue(BATCH)
        handler = partial(chat, redis=redis, outbox=outbox, ttl=options.session_ttl)
        server = await listen(partial(handler, messages=messages), options)
        server.position = position  # avec `session` et `live`, tout ce que nous y ajoutons
        tasks.create_task(read_room(hasty, server, tasks))
        tasks.create_task(send_outbox(redis, outbox, tasks))
        tasks.create_task(keep_presence(redis, server, tasks))
        tasks.create_task(copy_messages(redis, messages))
        await until_stopped(server)
        await close(server)
        await cancel_others()
    mongo.close()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):  # Ctrl+C avant même d'écouter
        asyncio.run(main(read_options()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # un second Ctrl+C ne gâche pas la fin
