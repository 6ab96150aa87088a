"""Le serveur d'écho de l'étape I.1, face à des clients polis, pressés, brutaux ou étranges."""

import asyncio
from collections.abc import Iterator

import pytest
from support.processes import Server, wait_for
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server("ws_i_1_server.py")
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.output


def visit(server: Server, **options) -> connect:
    return connect(server.url, proxy=None, **options)


async def ask(websocket: ClientConnection, message: str) -> str:
    await websocket.send(message)
    async with asyncio.timeout(10):
        return await websocket.recv()


async def test_answer(server: Server):
    """Un message reçoit sa réponse ; le serveur affiche l'un et l'autre."""
    async with visit(server) as websocket:
        assert await ask(websocket, "salut") == 'Hello client ! Received "salut"'
    server.wait_line("^>>>")
    assert server.lines[1:] == ["<<< salut", '>>> Hello client ! Received "salut"']


async def test_any_number_of_messages(server: Server):
    """Une connexion porte autant de messages que l'on veut, les réponses dans l'ordre."""
    messages = ["", " ", "é 🦊", 'un "mot"', "{message}", "a\nb", "x" * 500_000, "fin"]
    async with visit(server) as websocket:
        answers = [await ask(websocket, message) for message in messages]
        assert answers == [f'Hello client ! Received "{message}"' for message in messages]
        for number in range(500):
            await websocket.send(str(number))
        for number in range(500):
            assert await websocket.recv() == f'Hello client ! Received "{number}"'


async def test_any_number_of_clients(server: Server):
    """100 clients à la fois : chacun reçoit sa réponse, même si un autre se tait."""
    async with visit(server):

        async def converse(number: int) -> list[str]:
            async with visit(server) as websocket:
                return [await ask(websocket, f"{number}-{turn}") for turn in range(3)]

        answers = await asyncio.gather(*map(converse, range(100)))
    assert answers == [
        [f'Hello client ! Received "{number}-{turn}"' for turn in range(3)] for number in range(100)
    ]


@pytest.mark.parametrize("way", ["poli", "coupé", "coupé sans lire", "muet"])
async def test_departure_disturbs_nobody(server: Server, way: str):
    """Quelle que soit la façon de partir, les autres continuent et le suivant est servi."""
    async with visit(server) as other:
        for _ in range(3):
            leaving = await visit(server)
            if way != "muet":
                await ask(leaving, "au revoir")
            if way == "coupé sans lire":
                await leaving.send("x" * 900_000)
            if way == "poli":
                await leaving.close()
            leaving.transport.abort()
            await leaving.wait_closed()
            assert await ask(other, "toujours là ?") == 'Hello client ! Received "toujours là ?"'
    async with visit(server) as following:
        assert await ask(following, "et moi ?") == 'Hello client ! Received "et moi ?"'


@pytest.mark.parametrize(
    ("frame", "as_text", "code"),
    [(b"\xff\xfe", True, 1007), (b"x" * 2_000_000, True, 1009), (b"binaire", False, 1003)],
)
async def test_strange_frames(server: Server, frame: bytes, as_text: bool, code: int):
    """Une trame que le serveur ne prend pas ferme sa connexion, et aucune autre."""
    async with visit(server) as other, visit(server) as strange:
        with pytest.raises(ConnectionClosed):
            await strange.send(frame, text=as_text)
            await strange.recv()
        assert strange.close_code == code
        assert await ask(other, "et moi ?") == 'Hello client ! Received "et moi ?"'


async def test_compression_is_on(server: Server):
    """La compression reste active : elle se regarde dans Wireshark."""
    async with visit(server) as websocket:
        extensions = websocket.response.headers["Sec-WebSocket-Extensions"]
        assert extensions.startswith("permessage-deflate")


async def test_not_a_websocket_client(server: Server):
    """Un navigateur, une sonde de port, du bruit : le serveur continue, et n'affiche rien."""
    for noise in b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\n\n", b"GET / HT":
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(noise)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    async with visit(server) as websocket:
        await ask(websocket, "fin")
    wait_for(lambda: len(server.lines) >= 3, "pas de trace du dernier message")
    assert server.lines[1:] == ["<<< fin", '>>> Hello client ! Received "fin"']
