import asyncio
import json
import random
import sys
import uuid
from aioconsole import ainput, aprint
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
import config

COLORS = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36}


def paint(user):
    return f"\033[{COLORS.get(user.get('color'), 0)}m{user['pseudo']}\033[0m"


async def sender(ws, pending):
    while True:
        text = (await ainput("")).strip()
        if not text:
            continue
        mid = uuid.uuid4().hex[:8]
        pending.add(mid)
        await ws.send(json.dumps({"type": "message", "id": mid, "content": {"text": text}}))


async def receiver(ws, pending):
    async for raw in ws:
        ev = json.loads(raw)
        t = ev["type"]
        if t == "ping":
            await ws.send('{"type": "pong"}')
        elif t == "ack":
            pending.discard(ev["id"])
        elif t == "welcome":
            await aprint("Connecté ! En ligne : " + ", ".join(u["pseudo"] for u in ev["users"]))
        elif t == "presence":
            verb = "a rejoint" if ev["event"]["kind"] == "join" else "a quitté"
            await aprint(f"Annonce : {paint(ev['event']['user'])} {verb} la chatroom ({len(ev['users'])} en ligne)")
        elif t == "message":
            await aprint(f"{paint(ev['from'])} a dit : {ev['content']['text']}")
        elif t == "error":
            await aprint("ERREUR " + ev["error"]["detail"])
    raise ConnectionError("connexion fermée par le serveur")


async def main():
    pseudo = ""
    while not pseudo:
        pseudo = (await ainput("Pseudo : ")).strip()
    async with connect(f"ws://{config.HOST}:{config.PORT}") as ws:
        await ws.send(json.dumps({"type": "join", "user": {"pseudo": pseudo, "color": random.choice(list(COLORS))}}))
        pending = set()
        try:
            async with asyncio.TaskGroup() as tg:
                tg.create_task(sender(ws, pending))
                tg.create_task(receiver(ws, pending))
        except* (ConnectionClosed, ConnectionError):
            print("Le serveur s'est arrêté, à plus !")
            sys.exit(1)

if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (KeyboardInterrupt, EOFError):
        print("bye")
    except OSError as e:
        print(f"Impossible de joindre le serveur : {e}")
