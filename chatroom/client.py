"""Le client de tous les serveurs du chat, à partir de l'étape I.3 : `python -m chatroom.client`.

Après une coupure il revient seul, avec sa session (sauf `--no-reconnect`). Ctrl+D pour partir.
"""

import argparse
import asyncio
import re
import sys
from contextlib import suppress
from io import TextIOWrapper
from random import random

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from .options import CannotStart, read_place
from .screen import edit_lines, is_rich, read_lines, show
from .text import Code, clean_message

ABSENT = "Pas de serveur WebSocket à {} : lance-le, ou vérifie l'adresse et le port."
REASONS = {1001: "le serveur s'arrête", Code.TAKEN_OVER: "ta session continue ailleurs"}


class Chat:
    """Une personne, de connexion en connexion."""

    def __init__(self, uri: str, reconnect: bool):
        self.uri, self.reconnect = uri, reconnect
        self.told = self.pseudo = self.session = ""  # la session : le secret qui permet de revenir
        self.typed: asyncio.Queue[str] = asyncio.Queue()  # ce qui attend de partir
        self.accepted = asyncio.Event()
        self.returned = self.left = False
        self.said: list[str] = []  # tes messages depuis la dernière trame reçue
        self.unsure: list[str] = []  # ceux qu'une coupure a peut-être perdus

    async def run(self) -> str | None:
        """Reste jusqu'à ton départ (None) ou à une fin sans retour, dont elle rend la phrase."""
        await self.ask_pseudo()
        while self.pseudo:
            code, sentence = await self.visit()
            if self.left:
                break
            if code in (Code.UNKNOWN_SESSION, Code.PSEUDO_TAKEN):
                self.session = ""
            refused = code in (Code.REFUSED, Code.PSEUDO_TAKEN) and not self.session
            if refused and sys.stdin.isatty():
                await self.ask_pseudo()
                continue
            doubts = "".join(f"\nPeut-être pas reçu : {message}" for message in self.said)
            if refused or code == Code.TAKEN_OVER or not self.reconnect:
                return sentence + doubts
            if self.accepted.is_set() or sentence != self.told:
                show(f"{sentence} Je reviens dès que possible : ce que tu tapes attendra.{doubts}")
            self.unsure += self.said
            self.said.clear()
            self.told = sentence
            await asyncio.sleep(1 + random())  # une classe entière ne revient pas d'un coup
        return None

    async def ask_pseudo(self) -> None:
        show("Quel est ton pseudo ?")
        self.answer: asyncio.Future[str] = asyncio.Future()
        self.pseudo = await self.answer

    def take(self, line: str) -> None:
        """Prend une ligne tapée, qui est une réponse ou un message ; "" est la fin."""
        keep = self.typed.put_nowait if self.answer.done() else self.answer.set_result
        keep(line)

    async def visit(self) -> tuple[int, str]:
        """Reste tant que la connexion tient ; rend le code de sa fermeture, et sa phrase."""
        self.accepted.clear()
        self.returned = bool(self.session)
        try:  # proxy=None : le serveur du TP n'est jamais derrière le mandataire de l'école
            websocket = await connect(self.uri, proxy=None, max_size=None, close_timeout=2)
        except (OSError, ValueError, WebSocketException):
            return 1006, ABSENT.format(self.uri)
        speaking = asyncio.create_task(self.speak(websocket))
        try:
            await websocket.send(f"ID|{self.session}" if self.session else f"Hello|{self.pseudo}")
            while True:
                self.receive((await websocket.recv(decode=False)).decode(errors="replace"))
        except ConnectionClosed:
            code = websocket.close_code or 1006
            reason = REASONS.get(code) or clean_message(websocket.close_reason or "")
            return code, " : ".join(filter(None, ["La connexion est coupée", reason])) + "."
        finally:
            speaking.cancel()
            await websocket.close()

    async def speak(self, websocket: ClientConnection) -> None:
        """Envoie chaque message tapé, une fois accueilli ; à la fin, attend que tout soit lu."""
        await self.accepted.wait()  # avant, un message partirait vers un refus
        with suppress(ConnectionClosed):
            while message := await self.typed.get():
                self.said.append(message)
                await websocket.send(message)
                show(f"Vous avez dit : {message}")
            self.take("")  # si une coupure arrive ici, la fin se relira au retour
            await (await websocket.ping())  # répondu une fois lu tout ce qui précède
            self.left = True
            await websocket.close()

    def receive(self, frame: str) -> None:
        """Garde la session, ou montre les lignes d'une trame."""
        self.said.clear()
        for line in filter(None, map(clean_message, frame.split("\n"))):
            mine = re.fullmatch(rf"\[[\d/ :]+\] {re.escape(self.pseudo)} a dit : (.*)", line)
            if line.startswith(("ID|", "Welcome back ")):
                self.accepted.set()
            if welcome := re.fullmatch("Welcome back (.+) !", line):
                self.pseudo = welcome[1]  # tel que le serveur l'écrit
            if line.startswith("ID|"):
                self.session = line.removeprefix("ID|")
                line = f"Te voilà dans la chatroom, sous le pseudo {self.pseudo}."
            if mine and mine[1] in self.unsure:  # à un retour, tes messages passés te reviennent
                self.unsure.remove(mine[1])  # le plus ancien des pareils
                show(f"Bien reçu : {mine[1]}")
            elif not (mine and self.returned):
                show(line)


async def main(uri: str, reconnect: bool) -> str | None:
    """Mène la conversation et le clavier ensemble, jusqu'à la fin de l'une ou de l'autre."""
    chat = Chat(uri, reconnect)
    chatting = asyncio.create_task(chat.run())
    typing = asyncio.create_task((edit_lines if is_rich() else read_lines)(chat.take))
    await asyncio.wait([chatting, typing], return_when=asyncio.FIRST_COMPLETED)
    chat.take("")
    await asyncio.wait([chatting], timeout=1 if sys.stdin.isatty() else None)  # serveur figé ?
    return chatting.result() if chatting.done() else None


if __name__ == "__main__":
    for stream in sys.stdin, sys.stdout:
        if not isinstance(stream, TextIOWrapper):
            sys.exit("L'entrée ou la sortie est fermée : il n'y a personne à qui parler.")
        stream.reconfigure(errors="replace")
    parser = argparse.ArgumentParser("python -m chatroom.client", description="Un client du chat.")
    parser.add_argument("--no-reconnect", action="store_true", help="finit à la première coupure")
    try:
        given = read_place(parser)
    except CannotStart as error:
        parser.exit(error.code, f"{error}\n")
    host = f"[{given.address}]" if ":" in given.address else given.address
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(asyncio.run(main(f"ws://{host}:{given.port}", not given.no_reconnect)))
