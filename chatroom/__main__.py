"""Le serveur de la chatroom : brancher ses pièces, écouter, s'arrêter."""

import asyncio
import signal
import sys
from contextlib import suppress

from websockets.asyncio.server import Server, serve
from websockets.typing import Origin

from .backends import CONNECTIONS, hasty_redis, open_messages, patient_redis, probe
from .connection import Chatroom
from .history import History
from .logs import finish_logging, log, start_logging, watch_loop
from .members import CLOSE_DELAY, Members
from .options import CannotStart, Options, read_options
from .outbox import Outbox
from .presence import keep_presence
from .room import Room
from .sessions import Sessions
from .text import MAX_MESSAGE

MAX_FRAME = 4 * MAX_MESSAGE + 1024  # octets : un caractère en prend 4 au plus
MAX_WAITING = 256  # messages d'un client qui attendent leur tour ; au-delà, il n'est plus lu
LEAVE_DELAY = 5  # secondes laissées à Redis pour noter les départs quand le serveur s'arrête


async def run(options: Options) -> None:
    """Tient la chatroom jusqu'à Ctrl+C, SIGTERM ou SIGHUP."""
    asyncio.get_running_loop().set_exception_handler(watch_loop)
    stop, messages = stop_event(), open_messages(options.mongo_url)
    async with hasty_redis(options.redis_url) as hasty, patient_redis(options.redis_url) as patient:
        await probe(hasty, options.redis_url)
        # Toutes ses connexions, d'avance : quand les descripteurs manquent, il est trop tard.
        await asyncio.gather(*(patient.ping() for _ in range(CONNECTIONS)))
        members, sessions = Members(), Sessions(patient, options.session_ttl)
        room, history = Room(hasty, patient, members), History(patient, messages)
        await room.open()
        outbox = Outbox(sessions, members)
        chatroom = Chatroom(hasty, sessions, members, room, history, outbox)
        server = await listen(chatroom, options)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(room.follow())
            tasks.create_task(outbox.send_all())
            tasks.create_task(keep_presence(sessions, members, room))
            tasks.create_task(history.copy_all())
            host, port = server.sockets[0].getsockname()[:2]
            host = f"[{host}]" if ":" in host else host
            log.info("Serveur à l'écoute sur ws://%s:%d (Ctrl+C pour l'arrêter)", host, port)
            with suppress(asyncio.CancelledError):  # Ctrl+C sous Windows
                await stop.wait()
            await close(server, members)
            await cancel_others()
    messages.database.client.close()


async def listen(chatroom: Chatroom, options: Options) -> Server:
    """Rend un serveur qui écoute ; lève CannotStart s'il ne peut pas."""
    origins = [None, *map(Origin, options.origins)]  # None : qui n'est pas un navigateur
    try:
        return await serve(
            chatroom.chat,
            options.address,
            options.port,
            origins=origins if options.origins else None,
            process_request=chatroom.admit,
            compression=None,  # sur des lignes si courtes, elle coûte plus qu'elle ne gagne
            max_size=MAX_FRAME,
            max_queue=MAX_WAITING,
            close_timeout=CLOSE_DELAY,
        )
    except (OSError, UnicodeError) as error:
        raise CannotStart(
            f"Impossible d'écouter sur {options.address}, port {options.port} ({error}) :"
            " choisis une adresse de cette machine avec -a, et un port libre avec -p."
        ) from None


def stop_event() -> asyncio.Event:
    """Rend ce qui dira de s'arrêter. Sous `nohup`, SIGHUP est ignoré : il le reste."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    with suppress(AttributeError, NotImplementedError):  # Windows n'a que Ctrl+C, qui annule tout
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, stop.set)
    return stop


async def close(server: Server, members: Members) -> None:
    """Prévient chaque client (code 1001) et attend que son départ soit noté, un temps seulement."""
    server.close()
    try:
        async with asyncio.timeout(LEAVE_DELAY):
            await server.wait_closed()
    except TimeoutError:
        if left := len(members.present):
            log.warning("%d départ(s) que Redis n'a pas notés : leur échéance s'en charge", left)


async def cancel_others() -> None:
    """Annule les autres tâches, et insiste : le wait_for de Python 3.11 en perd parfois l'ordre."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=0.1)


def main() -> None:
    start_logging()
    try:
        asyncio.run(run(read_options()))
    except CannotStart as error:
        print(error, file=sys.stderr)
        sys.exit(error.code)
    except KeyboardInterrupt:  # Ctrl+C avant même d'écouter
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # un second Ctrl+C ne gâche pas la fin
        finish_logging()


if __name__ == "__main__":
    main()
