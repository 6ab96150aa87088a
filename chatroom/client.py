"""Le client de la chatroom, dans un terminal.

    python -m chatroom.client                     # un serveur de cette machine
    python -m chatroom.client -a 192.168.56.10    # un autre ; Ctrl+D ou Ctrl+C pour partir

Il parle avec tous les serveurs du chat, ceux des étapes I.3, II.2 et II.3 aussi. Après une coupure
il revient seul, avec sa session ; avec `--no-reconnect` il s'arrête.
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
from .screen import Keyboard, paint, show
from .text import Code, clean_message

FAREWELL = 1  # seconde : après Ctrl+D, ce qu'a pour partir ce qui vient d'être tapé
UNREACHABLE = 0  # notre code pour une connexion qui n'a jamais eu lieu
QUESTION = "Quel est ton pseudo ?"
SENTENCES = {
    UNREACHABLE: "Pas de serveur WebSocket à {uri} : lance-le, ou vérifie l'adresse et le port.",
    1001: "Le serveur s'arrête.",
    Code.REFUSED: "Le serveur a refusé ton arrivée.",
    1009: "Le serveur a coupé : ton message était trop long pour lui.",
    Code.SILENT: "Le serveur t'a perdu de vue.",
    Code.LATER: "Le serveur ne peut pas te servir en ce moment.",
    Code.TAKEN_OVER: "Ta session continue ailleurs : ce client s'arrête.",
    Code.UNKNOWN_SESSION: "Le serveur ne connaît plus ta session.",
    Code.PSEUDO_TAKEN: "Ce pseudo est déjà pris.",
}
WELCOME = re.compile("Welcome back (.+) !")


class Chat:
    """Une personne, de connexion en connexion."""

    def __init__(self, uri: str, reconnect: bool, keyboard: Keyboard):
        self.uri, self.reconnect, self.keyboard = uri, reconnect, keyboard
        self.pseudo = self.session = ""  # la session : un secret du serveur, qui permet de revenir
        self.accepted = asyncio.Event()
        self.returned = self.left = False
        self.said: list[str] = []  # tes messages depuis la dernière trame reçue
        self.unsure: list[str] = []  # ceux qu'une coupure a peut-être perdus

    async def run(self) -> str | None:
        """Reste jusqu'à ton départ (None) ou à une fin sans retour, dont elle rend la phrase."""
        self.pseudo, previous = await self.keyboard.ask(QUESTION), None
        while self.pseudo:
            code = await self.visit()
            if self.left:
                break
            sentence = SENTENCES.get(code, "La connexion est coupée.").format(uri=self.uri)
            if code == Code.PSEUDO_TAKEN or (code == Code.REFUSED and not self.session):
                if not sys.stdin.isatty():
                    return sentence
                self.session = ""
                self.pseudo = await self.keyboard.ask(f"{sentence} {QUESTION}")
                continue
            doubts = "".join(f"\nPeut-être pas reçu : {message}" for message in self.said)
            if code == Code.TAKEN_OVER or not self.reconnect:
                return sentence + doubts
            if self.accepted.is_set() or code != previous:
                show(f"{sentence} Je reviens dès que possible : ce que tu tapes attendra.{doubts}")
            if code == Code.UNKNOWN_SESSION:
                self.session = ""
            self.unsure += self.said
            self.said.clear()
            previous = code
            await asyncio.sleep(1 + random())  # une classe entière ne revient pas d'un coup
        return None

    async def visit(self) -> int:
        """Reste dans la chatroom tant que la connexion tient ; rend le code de sa fermeture."""
        self.accepted.clear()
        try:  # proxy=None : le serveur du TP n'est jamais derrière le mandataire de l'école
            websocket = await connect(self.uri, proxy=None, max_size=None, close_timeout=2)
        except (OSError, ValueError, WebSocketException):
            return UNREACHABLE
        speaking = asyncio.create_task(self.speak(websocket))
        try:
            await websocket.send(f"ID|{self.session}" if self.session else f"Hello|{self.pseudo}")
            while True:
                self.receive((await websocket.recv(decode=False)).decode(errors="replace"))
        except ConnectionClosed:
            return websocket.close_code or 1006
        finally:
            speaking.cancel()
            await websocket.close()

    async def speak(self, websocket: ClientConnection) -> None:
        """Envoie chaque message tapé, une fois accueilli ; à la fin, attend que tout soit lu."""
        await self.accepted.wait()  # avant, un message partirait vers un refus
        with suppress(ConnectionClosed):
            while message := await self.keyboard.typed.get():
                self.said.append(message)
                await websocket.send(message)
                show(f"Vous avez dit : {message}")
            self.keyboard.take("")  # si une coupure arrive ici, la fin se relira au retour
            await (await websocket.ping())  # répondu une fois lu tout ce qui précède
            self.left = True
            self.said.clear()
            await websocket.close()

    def receive(self, frame: str) -> None:
        """Garde la session, ou montre les lignes d'une trame."""
        self.said.clear()
        if frame.startswith("ID|"):
            self.session, self.returned = frame.removeprefix("ID|"), False
            self.accepted.set()
            show(f"Te voilà dans la chatroom, sous le pseudo {self.pseudo}.")
            return
        for line in filter(None, map(clean_message, frame.split("\n"))):
            mine = re.fullmatch(rf"\[[\d/ :]+\] {re.escape(self.pseudo)} a dit : (.*)", line)
            if welcome := WELCOME.fullmatch(line):
                self.pseudo, self.returned = welcome[1], True
                self.accepted.set()
            if mine and mine[1] in self.unsure:  # à un retour, tes messages passés te reviennent
                self.unsure.remove(mine[1])  # le plus ancien des pareils
                show(f"Bien reçu : {mine[1]}")
            elif not (mine and self.returned):
                show(paint(line))


async def main(uri: str, reconnect: bool) -> str | None:
    """Mène la conversation et le clavier ensemble, jusqu'à la fin de l'une ou de l'autre."""
    keyboard = Keyboard()
    chatting = asyncio.create_task(Chat(uri, reconnect, keyboard).run())
    typing = asyncio.create_task(keyboard.read())
    try:
        await asyncio.wait([chatting, typing], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([chatting], timeout=FAREWELL if sys.stdin.isatty() else None)
    finally:
        for task in chatting, typing:
            task.cancel()
        await asyncio.wait([chatting, typing])
    return None if chatting.cancelled() else chatting.result()


if __name__ == "__main__":
    if sys.stdin is None or sys.stdout is None:
        sys.exit("L'entrée ou la sortie est fermée : il n'y a personne à qui parler.")
    for stream in sys.stdin, sys.stdout:
        if isinstance(stream, TextIOWrapper):
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
