"""Refait les captures de docs/captures/, que lit docs/wireshark.md.

    sudo .venv/bin/python docs/captures.py

Il faut tshark, openssl et socat, et le droit de capturer ; les ports 8888 et 8443 doivent être
libres. Chaque capture est un vrai échange entre les scripts du TP, sur l'interface `lo`.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs/captures"
CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30"
    " -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem"
)
TUNNEL = "socat OPENSSL-LISTEN:8443,cert=cert.pem,key=key.pem,verify=0,reuseaddr TCP:127.0.0.1:8888"


@contextmanager
def running(*command: str, until: str = "", **options) -> Iterator[subprocess.Popen]:
    """Un programme, dès qu'il a écrit une ligne avec `until` ; arrêté à la fin du bloc."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes, **options) as process:
        try:
            if until:
                wait_line(process, until)
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()


def wait_line(process: subprocess.Popen, text: str) -> None:
    for line in process.stdout:
        if text in line:
            return
    sys.exit(f"« {' '.join(process.args)} » s'est arrêté sans dire « {text} ».")


def python(*command: str, until: str = "", **options):
    return running(sys.executable, "-u", *command, until=until, **options)


@contextmanager
def captured(name: str, port: int) -> Iterator[None]:
    """Garde dans `name` ce qui passe par ce port de `lo` pendant le bloc."""
    file = FOLDER / name
    command = ["tshark", "-i", "lo", "-f", f"tcp port {port}", "-w", str(file)]
    with running(*command, until="Capture started"):
        yield
        time.sleep(1)  # le noyau garde un instant les derniers paquets avant de les donner
    file.chmod(0o644)


def type_in(process: subprocess.Popen, *lines: str) -> None:
    process.stdin.write("".join(f"{line}\n" for line in lines))
    process.stdin.flush()


def echo() -> None:
    """Deux « bonjour » à l'écho, compressés, puis Ctrl+D."""
    with python("ws_i_1_server.py", until="à l'écoute"), captured("echo.pcapng", 8888):
        typed = "bonjour\nbonjour\n"
        subprocess.run([sys.executable, "ws_i_1_client.py"], cwd=ROOT, input=typed, text=True)


def chat() -> None:
    """Sans compression : léo parle à ana et s'en va, puis le serveur s'arrête."""
    with captured("chat.pcapng", 8888), python("ws_i_3_server.py", until="à l'écoute") as server:
        with python("ws_i_3_client.py") as ana:
            type_in(ana, "ana")
            time.sleep(26)  # le temps d'un ping, que chaque côté envoie toutes les 20 s
            with python("ws_i_3_client.py") as leo:
                for line in "léo", "bonjour", "bonjour":
                    type_in(leo, line)
                    time.sleep(2)
                leo.stdin.close()
                wait_line(ana, "léo a quitté")
            server.send_signal(signal.SIGINT)
            wait_line(ana, "est fermée")


def tls() -> None:
    """Un « bonjour » à l'écho, derrière un tunnel TLS ; les clés de la session sont gardées."""
    keys = FOLDER / "tls.keys"
    keys.unlink(missing_ok=True)
    subprocess.run(CERTIFICATE.split(), cwd=FOLDER, check=True, capture_output=True)
    trusting = os.environ | {"SSL_CERT_FILE": str(FOLDER / "cert.pem"), "SSLKEYLOGFILE": str(keys)}
    with python("ws_i_1_server.py", until="à l'écoute"), captured("tls.pcapng", 8443):
        tunnel = subprocess.Popen(TUNNEL.split(), cwd=FOLDER)
        while subprocess.run(["ss", "-Hltn", "sport = 8443"], capture_output=True).stdout == b"":
            time.sleep(0.05)
        client = [sys.executable, "-u", "-m", "websockets", "wss://localhost:8443"]
        with running(*client, until="Connected", env=trusting) as process:
            type_in(process, "bonjour")
            wait_line(process, "Hello client")
            process.stdin.close()
        tunnel.wait(timeout=10)
    for name in "cert.pem", "key.pem":
        (FOLDER / name).unlink()


if __name__ == "__main__":
    for scene in echo, chat, tls:
        scene()
