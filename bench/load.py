"""Le générateur de charge en Python : même usage et mêmes mesures que load.c, en plus lent.

    python load.py [--deflate] chat|socketio CLIENTS PORT [PORT ...]

Il sert quand il n'y a pas de compilateur C, pour vérifier que les deux donnent le même chiffre, et
pour demander la compression (--deflate), que load.c ne sait pas lire.
"""

import asyncio
import json
import re
import resource
import struct
import sys
import time
import zlib

TEXT = 100  # octets par message
WINDOW = 32  # connexions qui s'établissent en même temps
QUIET = 0.5  # secondes sans rien recevoir : la salle est calme
PATIENCE = 5  # secondes sans aucune ligne nouvelle : le reste est perdu
LINE = re.compile(rb"@(\d{16})(\d{8})")
REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n{extension}\r\n"
)


class Room:
    """Ce que les clients partagent : la charge en cours et ce qui en est arrivé."""

    def __init__(self, socketio, deflate):
        self.socketio, self.deflate = socketio, deflate
        self.messages = self.authors = self.closed = self.close_code = 0
        self.last_byte = time.monotonic()

    def begin(self, authors, messages, clients):
        self.authors, self.messages = authors, messages
        self.delays = []
        self.lines = self.duplicates = self.echoes = self.frames = self.bytes = 0
        self.started = self.last_line = time.monotonic()
        for client in clients:
            client.seen = bytearray(messages)
            client.order = []


class Client(asyncio.Protocol):
    """Un client : lit ses trames, coche ses lignes."""

    def __init__(self, room, number, port):
        self.room, self.number, self.port = room, number, port
        self.rest = b""
        self.upgraded = False
        self.ready = asyncio.get_running_loop().create_future()
        self.inflate = zlib.decompressobj(-15) if room.deflate else None

    def connection_made(self, transport):
        self.transport = transport
        path = "/socket.io/?EIO=4&transport=websocket" if self.room.socketio else "/"
        asked = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if self.inflate else ""
        transport.write(REQUEST.format(path=path, port=self.port, extension=asked).encode())

    def connection_lost(self, error):
        self.room.closed += 1
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("le serveur a refusé une connexion"))

    def data_received(self, data):
        self.room.last_byte = time.monotonic()
        self.rest += data
        if not self.upgraded:
            head, found, rest = self.rest.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.transport.abort()
                return
            if b"permessage-deflate" not in head:
                self.inflate = None
            self.rest, self.upgraded = rest, True
            if not self.room.socketio:
                self.introduce()
        if self.room.messages:
            self.room.bytes += len(data)
        self.take_frames()

    def take_frames(self):
        data, start = self.rest, 0
        while len(data) - start >= 2:
            length, header = data[start + 1] & 0x7F, 2
            if length >= 126:
                header = 4 if length == 126 else 10
                if len(data) - start < header:
                    break
                length = int.from_bytes(data[start + 2 : start + header], "big")
            end = start + header + length
            if len(data) < end:
                break
            self.take_frame(data[start], data[start + header : end])
            start = end
        self.rest = data[start:]

    def take_frame(self, first_byte, payload):
        if self.room.messages:
            self.room.frames += 1
        opcode = first_byte & 0x0F
        if opcode == 9:
            self.transport.write(frame(payload, 10))
        elif opcode == 8:
            self.room.close_code = int.from_bytes(payload[:2], "big") or 1005
            self.transport.abort()
        elif opcode == 1:
            if first_byte & 0x40:
                payload = self.inflate.decompress(payload + b"\0\0\xff\xff")
            self.take_text(payload)

    def take_text(self, text):
        if self.room.socketio and text == b"2":
            self.transport.write(frame(b"3"))
        elif self.room.socketio and not self.ready.done():
            if text.startswith(b"0"):
                self.transport.write(frame(b"40"))
            else:
                self.introduce()
        elif self.room.messages:
            self.count_lines(text)

    def introduce(self):
        hello = '42["hello","p{}"]' if self.room.socketio else "Hello|p{}"
        self.transport.write(frame(hello.format(self.number).encode()))
        self.ready.set_result(True)

    def count_lines(self, text):
        room = self.room
        for due, number in LINE.findall(text):
            due, number = int(due) / 1e6, int(number)
            if number >= room.messages or due < room.started - 1e-6:
                continue  # d'une charge précédente
            if number % room.authors == self.number:
                room.echoes += 1
            elif self.seen[number]:
                room.duplicates += 1
            else:
                self.seen[number] = 1
                self.order.append(number)
                room.delays.append(room.last_byte - due)
                room.lines += 1
                room.last_line = room.last_byte


def frame(payload, opcode=1):
    """Rend une trame masquée par une clé nulle : le serveur a le même travail qu'avec une autre."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + struct.pack(">H", length)
    return bytes([0x80 | opcode]) + size + b"\0\0\0\0" + payload


async def quiet(room):
    room.last_byte = time.monotonic()
    while True:
        await asyncio.sleep(0.05)
        if time.monotonic() - room.last_byte > QUIET:
            return


async def run_load(room, clients, authors, messages, rate):
    """Fait parler les `authors` premiers clients, et rend les mesures."""
    room.begin(authors, messages, clients)
    expected = messages * (len(clients) - 1)
    before, after = ('42["say","', '"]') if room.socketio else ("", "")
    cpu = time.process_time()
    for number in range(messages):
        due = room.started + (number / rate if rate else 0)
        if due > time.monotonic():
            await asyncio.sleep(due - time.monotonic())
        text = f"{before}@{int(due * 1e6):016d}{number:08d}{'x' * (TEXT - 25)}{after}"
        clients[number % authors].transport.write(frame(text.encode()))
    while time.monotonic() - room.last_line < PATIENCE:
        await asyncio.sleep(0.02)
        if room.lines >= expected:
            break
    cpu = time.process_time() - cpu
    await quiet(room)
    delays = sorted(room.delays) or [0]
    silent = [client.order for client in clients[authors:]]
    result = {
        "sent": messages,
        "lines": room.lines,
        "lost": expected - room.lines,
        "duplicates": room.duplicates,
        "echoes": room.echoes,
        "frames": room.frames,
        "bytes": room.bytes,
        "seconds": round(room.last_line - room.started, 4),
        "generator_cpu": round(cpu, 4),
        "same_order": int(all(one == silent[0] for one in silent)) if len(silent) > 1 else -1,
        "closed": room.closed,
        "close_code": room.close_code,
    }
    for name, share in ("p50", 0.5), ("p99", 0.99), ("p999", 0.999):
        result[name] = round(delays[min(int(len(delays) * share), len(delays) - 1)] * 1000, 2)
    room.messages = room.closed = room.close_code = 0
    return result


async def main(dialect, count, *ports, deflate=False):
    loop = asyncio.get_running_loop()
    room = Room(dialect == "socketio", deflate)
    window = asyncio.Semaphore(WINDOW)

    async def join(number):
        port = int(ports[number % len(ports)])
        async with window:
            _, client = await loop.create_connection(
                lambda: Client(room, number, port), "127.0.0.1", port
            )
            await client.ready
        return client

    clients = await asyncio.gather(*(join(number) for number in range(int(count))))
    await quiet(room)
    print(json.dumps({"ready": len(clients)}), flush=True)
    while command := await asyncio.to_thread(sys.stdin.readline):
        authors, messages, rate = command.split()
        result = await run_load(room, clients, int(authors), int(messages), float(rate))
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    words = [word for word in sys.argv[1:] if word != "--deflate"]
    asyncio.run(main(*words, deflate="--deflate" in sys.argv))
