import asyncio
import websockets


def demander(question, defaut):
    rep = input(f"{question} [{defaut}] : ").strip()
    return rep or defaut


async def echo(ws):
    print("connexion de", ws.remote_address)
    try:
        async for msg in ws:
            print("Reçu:", msg)
            await ws.send(f"Hello client ! Received '{msg}'")
    except websockets.ConnectionClosedError:
        print("le client a coupé comme un sauvage")


async def main(ip, port):
    async with websockets.serve(echo, ip, port):
        print(f"J'écoute sur {ip}:{port}")
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    ip = demander("IP d'écoute", "127.0.0.1")
    port = int(demander("Port d'écoute", "8765"))
    asyncio.run(main(ip, port))
