"""TP7, étape I.3 : le client du chat, dans un terminal.

Ce que l'étape montre : écouter le clavier et le serveur à la fois. Avec `input`, rien ne s'affiche
avant que tu aies tapé Entrée ; avec `ainput`, les autres parlent pendant que tu écris.

    python ws_i_3_client.py                                # un serveur de cette machine
    python ws_i_3_client.py -a 192.168.56.10 --reconnect   # revient seul après une coupure

Il parle avec les serveurs des étapes I.3, II.2 et II.3. Ctrl+D ou Ctrl+C pour partir.
À regarder : visit(), où deux tâches tournent ensemble, et où la fin de l'une arrête l'autre.
"""

import argparse
import asyncio
import os
import re
import signal
import sys
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from aioconsole import ainput, aprint, get_standard_streams
from colored import fore, style
from dotenv import dotenv_values
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

if os.name == "posix":
    import termios

PROMPT_ROWS = 3  # rangées réservées en bas : une ligne tapée plus longue s'y recouvre elle-même
TYPED_LIMIT = 4095  # octets : Linux coupe là une ligne tapée, sans le dire (man 3 termios)
HELLO_TIMEOUT = 5  # secondes : certains serveurs ne répondent rien à qui arrive
RETRY_DELAY = 1  # seconde
COLORS = "cyan", "dodger_blue_1", "spring_green_3a", "gold_3a", "dark_orange", "hot_pink_3a"
NAMED_LINE = re.compile(
    r"(\[[\d/ :]+\] (?:Annonce : )?)(.+?)"
    r"( a dit : .*| a rejoint la chatroom| a quitté la chatroom| est de retour !)"
)
UNREACHABLE = 0  # notre code pour une connexion qui n'a jamais eu lieu
SENTENCES = {
    UNREACHABLE: "Pas de serveur WebSocket à {uri} : lance-le, ou vérifie l'adresse et le port.",
    1001: "Le serveur s'arrête.",
    1008: "Le serveur a refusé ton arrivée.",
    1009: "Le serveur a coupé : ton message était trop long pour lui.",
    1012: "Le serveur redémarre.",
    1013: "Le serveur a coupé : ton terminal lisait trop lentement.",
    4001: "Ta session continue ailleurs : ce client s'arrête.",
    4002: "Le serveur ne connaît plus ta session.",
    4003: "Ce pseudo est déjà pris.",
}
# Ta ligne n'a ses rangées à elle que si le clavier et l'écran sont un terminal (pas un tube).
SPLIT = hasattr(signal, "SIGWINCH") and all(
    stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)
)


@dataclass
class Guest:
    pseudo: str
    session: str = ""  # le secret que donne le serveur : il permet de revenir
    unsent: str = ""  # la ligne tapée qu'une coupure a retenue


async def chat(uri, reconnect):
    """Va de visite en visite, jusqu'à ton départ ou à celui du serveur (code de sortie 1)."""
    guest, previous = Guest(await ask_pseudo()), None
    while (code := await visit(uri, guest)) is not None:
        sentence = SENTENCES.get(code, "La connexion est coupée.").format(uri=uri)
        refused = code == 4003 or (code == 1008 and not guest.session)
        if refused and sys.stdin.isatty():
            await show(sentence)
            guest.pseudo, guest.session = await ask_pseudo(), ""
            continue
        if refused or code == 4001 or not reconnect:
            sys.exit(sentence)
        if code == 4002:
            guest.session = ""
        if code != UNREACHABLE or previous is None:
            await show(f"{sentence} Je reviens dès que possible (Ctrl+C pour partir).")
        previous = code
        await asyncio.sleep(RETRY_DELAY)


async def ask_pseudo():
    await show("Quel est ton pseudo ?")
    return await read_line()


async def visit(uri, guest):
    """Reste dans la chatroom tant que le serveur est là et que l'entrée n'est pas finie.

    Rend le code de fermeture (RFC 6455, section 7.4), UNREACHABLE, ou None si c'est toi qui pars.
    """
    try:  # proxy=None : le serveur du TP est tout près, jamais derrière le mandataire de l'école
        websocket = await connect(uri, proxy=None, open_timeout=5, close_timeout=2)
    except (OSError, ValueError, WebSocketException):
        return UNREACHABLE
    code = None
    try:
        await arrive(websocket, guest)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(listen(websocket, guest))
            tasks.create_task(speak(websocket, guest))
    except* EOFError:
        pass
    except* ConnectionClosed:
        code = websocket.close_code
    finally:
        await websocket.close()
    return code


async def arrive(websocket, guest):
    """Se présente et attend la réponse, un temps : ce que tu tapes ne part pas vers un refus."""
    await websocket.send(f"ID|{guest.session}" if guest.session else f"Hello|{guest.pseudo}")
    with suppress(TimeoutError):
        async with asyncio.timeout(HELLO_TIMEOUT):
            while (await receive(websocket, guest)).startswith("Erreur"):
                pass


async def listen(websocket, guest):
    while True:
        await receive(websocket, guest)


async def receive(websocket, guest):
    """Attend une trame et la rend, après en avoir gardé la session ou montré les lignes."""
    frame = (await websocket.recv(decode=False)).decode(errors="replace")
    if frame.startswith("ID|"):
        guest.session = frame.removeprefix("ID|")
    else:
        await show("\n".join(paint(clean_message(line)) for line in frame.split("\n")))
    return frame


async def speak(websocket, guest):
    """Envoie chaque ligne tapée ; à la fin de l'entrée, attend que tout soit arrivé."""
    while True:
        try:
            guest.unsent = guest.unsent or await read_line()
        except EOFError:
            await (await websocket.ping())  # le serveur n'y répond qu'après avoir lu ce qui précède
            raise
        await websocket.send(guest.unsent)
        said, guest.unsent = clean_message(guest.unsent), ""
        await show(f"Vous avez dit : {said}")


def one_line(text):
    """Change chaque blanc et chaque saut de ligne en une espace, sauf les insécables françaises."""
    return re.sub(r"\r\n|[^\S\u00a0\u202f]", " ", text)


def harmless(character):
    """Dit si un caractère ne peut pas déranger un écran : ni contrôle, ni format, sauf les deux
    liants dont se servent les émojis et certaines écritures."""
    category = unicodedata.category(character)
    return category not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or character in "\u200c\u200d"


def clean_message(text):
    """Rend un message sur une ligne, sans rien qui puisse déranger un écran."""
    text = one_line(unicodedata.normalize("NFC", text))
    if not text.isprintable():  # le plus souvent il n'y a rien à trier
        text = unicodedata.normalize("NFC", "".join(filter(harmless, text)))
    return text.strip()


def paint(line):
    """Donne à chaque pseudo sa couleur, toujours la même (`colored` obéit à NO_COLOR)."""
    if not (found := NAMED_LINE.fullmatch(line)):
        return line
    before, pseudo, after = found.groups()
    color = fore(COLORS[crc32(pseudo.encode()) % len(COLORS)])
    return f"{before}{color}{pseudo}{style('reset')}{after}"


async def read_line():
    """Rend la prochaine ligne tapée qui n'est pas vide. Lève EOFError à la fin de l'entrée."""
    while True:
        try:
            line = await ainput()
            cut = sys.stdin.isatty() and len(line.encode()) >= TYPED_LIMIT
        except UnicodeError:  # la coupure est tombée au milieu d'un caractère
            line, cut = "", True
        if SPLIT:
            await aprint(f"\x1b[{prompt_row()}H\x1b[J> ", end="")
        if cut:
            await show("Ligne trop longue pour le terminal (ou pas en UTF-8) : rien n'est parti.")
        elif clean_message(line):
            return line


async def show(text):
    """Écrit une ou plusieurs lignes, par `aprint` : pendant `ainput`, `print` en perdrait.

    ESC 7 note la place du curseur dans ta ligne, ESC 8 l'y remet.
    """
    if SPLIT:
        await aprint(f"\x1b7\x1b[{prompt_row() - 1}H\n{text}\x1b8", end="")
    else:
        await aprint(text)


def prompt_row():
    rows = os.get_terminal_size().lines or 24  # certains terminaux ne disent pas leur taille
    return max(rows - PROMPT_ROWS + 1, 3)


def reserved_rows():
    """Rend ce qui exclut les dernières rangées de ce qui défile (DECSTBM), à taille nouvelle.

    Le terminal seul sait où il a mis ta ligne : on la pousse en bas sans la réécrire (ESC D).
    """
    climb = "\x1bD" * (PROMPT_ROWS - 1) + f"\x1b[{PROMPT_ROWS - 1}A"
    return f"\x1b7\x1b[r\x1b8{climb}\x1b7\x1b[1;{prompt_row() - 1}r\x1b8"


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
    """Lit les options -a et -p ; à défaut WS_HOST et WS_PORT."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-a", "--address", help="adresse du serveur (127.0.0.1 par défaut)")
    parser.add_argument("-p", "--port", help="port du serveur (8888 par défaut)")
    parser.add_argument("-r", "--reconnect", action="store_true", help="revient après une coupure")
    options = parser.parse_args()
    options.address = options.address or setting("WS_HOST", "127.0.0.1")[0]
    port, source = (options.port, "-p") if options.port else setting("WS_PORT", "8888")
    if not re.fullmatch("[0-9]{1,5}", port) or int(port) > 65535:
        parser.error(f"{source} : « {port} » n'est pas un port (un nombre de 0 à 65535)")
    options.port = int(port)
    return options


async def main(options):
    host = f"[{options.address}]" if ":" in options.address else options.address
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    _, writer = await get_standard_streams()
    with suppress(AttributeError, NotImplementedError):  # Windows n'a que Ctrl+C
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            loop.add_signal_handler(number, task.cancel)
    if SPLIT:
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # Ctrl+Z laisserait un écran coupé au shell
        loop.add_signal_handler(signal.SIGWINCH, lambda: writer.write(reserved_rows()))
        # Deux hauteurs : de quoi remonter dans une fenêtre qui grandit, et ta ligne reste en bas.
        writer.write("\n" * 2 * prompt_row() + reserved_rows() + "> ")
    try:
        await chat(f"ws://{host}:{options.port}", options.reconnect)
    finally:
        if SPLIT:
            with suppress(TimeoutError):  # un terminal figé par Ctrl+S n'empêche pas de partir
                await asyncio.wait_for(aprint(f"\x1b[r\x1b[{prompt_row()}H\x1b[J", end=""), 1)
        if os.name == "posix":  # aioconsole les rend non bloquants, et le shell les garderait ainsi
            for stream in sys.stdin, sys.stdout:
                os.set_blocking(stream.fileno(), True)
        if SPLIT:  # le shell prendrait pour une commande la ligne que tu n'as pas finie
            termios.tcflush(sys.stdin, termios.TCIFLUSH)


if __name__ == "__main__":
    with suppress(EOFError, KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(main(read_options()))
