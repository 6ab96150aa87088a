"""Une salle de chat pour un test : ses serveurs, les gens qui y entrent, et le ménage à la fin."""

import asyncio
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .chat import Chatter
from .processes import Server

I_3, II_2, II_3 = CHAT_SERVERS = ("ws_i_3_server.py", "ws_ii_2_server.py", "ws_ii_3_server.py")
CHATROOM = "chatroom"


class Room:
    """Des serveurs du chat sur les mêmes bases, et les clients d'un test.

    À la sortie du `async with`, chaque client est coupé et chaque serveur arrêté : il doit rendre 0
    et n'avoir rien écrit d'autre que son adresse, sauf si `may_complain` est vrai.
    """

    def __init__(self, redis_url: str, mongo_url: str, program: str | Path = CHATROOM):
        self.settings = {"REDIS_URL": redis_url, "MONGO_URL": mongo_url}
        self.program = program
        self.servers: list[Server] = []
        self.people: list[Chatter] = []
        self.may_complain = False

    async def __aenter__(self) -> "Room":
        return self

    async def __aexit__(self, kind, *_) -> None:
        try:
            await asyncio.gather(*(chatter.cut() for chatter in self.people))
            alive = [server for server in self.servers if server.alive]
            codes = await asyncio.gather(*(asyncio.to_thread(stop, server) for server in alive))
        finally:
            for server in self.servers:
                server.kill()
        if kind is None:
            assert codes == [0] * len(codes), [server.output for server in alive]
            for server in self.servers:
                assert "Traceback" not in server.output, server.output
                assert self.may_complain or len(server.lines) == 1, server.output

    def start(self, program: str | Path | None = None, *options: str, **env: str) -> Server:
        """Ajoute un serveur à la salle."""
        server = Server(program or self.program, *options, **self.settings | env)
        self.servers.append(server)
        return server

    async def add(self, count: int = 1, **env: str) -> list[Server]:
        """Ajoute des serveurs, tous lancés au même instant, sans arrêter la boucle asyncio."""
        starts = (asyncio.to_thread(self.start, **env) for _ in range(count))
        return await asyncio.gather(*starts)

    def url(self, server: Server | None) -> str:
        return (server or self.servers[0]).url

    async def open(self, first: str | bytes | None = None, server=None, **options) -> Chatter:
        """Ouvre une connexion, qui envoie peut-être une première trame."""
        chatter = await Chatter.open(self.url(server), first, **options)
        self.people.append(chatter)
        return chatter

    async def join(self, pseudo: str, server=None, **options) -> Chatter:
        """Fait entrer quelqu'un."""
        chatter = await self.open(f"Hello|{pseudo}", server, **options)
        await chatter.until(lambda: chatter.session, f"{pseudo} attend son ID|")
        return chatter

    async def come_back(self, session: str, server=None) -> Chatter:
        """Fait revenir une session."""
        chatter = await self.open(f"ID|{session}", server)
        await chatter.see(r"^Welcome back ")
        chatter.session = session
        return chatter

    async def gather(self, *pseudos: str, servers: Iterable[Server] = ()) -> list[Chatter]:
        """Fait entrer des gens l'un après l'autre, sur un serveur chacun ; puis oublie ce qu'ils en
        ont vu : la suite du test commence avec des écrans vides."""
        servers = list(servers) or self.servers[:1]
        people: list[Chatter] = []
        for number, pseudo in enumerate(pseudos):
            newcomer = await self.join(pseudo, servers[number % len(servers)])
            for chatter in people:
                await chatter.see(rf"^Annonce : {pseudo} a rejoint la chatroom$")
            people.append(newcomer)
        if len(servers) > 1:  # un serveur en retard montre au dernier venu l'arrivée d'avant lui
            await (await self.join("passant", servers[0])).leave()
            for chatter in people:
                await chatter.see("^Annonce : passant a quitté la chatroom$")
        await welcomed(*people)
        forget(*people)
        return people


async def welcomed(*people: Chatter) -> None:
    """Attend que ces gens aient reçu l'historique : II.3 n'écoute personne avant."""
    for chatter in people:
        await chatter.say("é" * 2001)
        await chatter.see("^Erreur : message trop long")


def stop(server: Server) -> int:
    """Arrête un serveur et rend son code de sortie ; s'il s'y refuse, dit ce qu'il a écrit."""
    try:
        return server.stop()
    except subprocess.TimeoutExpired:
        raise AssertionError(f"SIGTERM ne l'arrête pas :\n{server.output}") from None


def forget(*people: Chatter) -> None:
    """Efface ce que ces gens ont reçu jusqu'ici."""
    for chatter in people:
        chatter.forget()
