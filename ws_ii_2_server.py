"""TP7, étape II.2 : la même chatroom, sans variable globale : tout est dans Redis.

Ce que l'étape montre : le programme ne retient aucun client. Qui est là, ce qui se dit : tout vit
dans Redis. Plusieurs serveurs peuvent donc tenir la même salle, et l'un tomber sans la fermer.

    python databases.py                  # Redis, dans un autre terminal (ou : docker compose up -d)
    python ws_ii_2_server.py -p 8888
    python ws_ii_2_server.py -p 8889     # un second serveur, la même salle
    python ws_i_3_client.py -p 8889

À regarder : ENTER, SAY et LEAVE, ce qui s'écrit dans Redis quand quelqu'un arrive, parle, s'en va.
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
from datetime import datetime
from functools import partial
from pathlib import Path
from uuid import UUID

from dotenv import dotenv_values
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


async def chat(websocket, redis, outbox, ttl):
    """Accueille une connexion, porte ses messages à la salle, annonce son départ."""
    with suppress(ConnectionClosed):  # un départ brutal est un départ comme un autre
        try:
            session, greeting, position = await welcome(websocket, redis, ttl)
            websocket.session = session
            asyncio.current_task().set_name("session")
            try:
                with suppress(ConnectionClosed):  # déjà reparti : ce qu'il a dit passe quand même
                    await websocket.send(greeting)
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


async def main(options):
    redis, hasty = await connect_redis(options.redis_url)
    async with redis, hasty, asyncio.TaskGroup() as tasks:
        position, outbox = await last_position(redis), asyncio.Queue(BATCH)
        handler = partial(chat, redis=redis, outbox=outbox, ttl=options.session_ttl)
        server = await listen(handler, options)
        server.position = position  # avec `session` et `live`, tout ce que nous y ajoutons
        tasks.create_task(read_room(hasty, server, tasks))
        tasks.create_task(send_outbox(redis, outbox, tasks))
        tasks.create_task(keep_presence(redis, server, tasks))
        await until_stopped(server)
        await close(server)
        await cancel_others()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):  # Ctrl+C avant même d'écouter
        asyncio.run(main(read_options()))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # un second Ctrl+C ne gâche pas la fin
