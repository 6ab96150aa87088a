import asyncio
import configparser
import websockets
from aioconsole import ainput

conf = configparser.ConfigParser()
conf.read_file(open("config.ini"))


async def lire(ws):
    async for m in ws:
        print(m)


async def main():
    url = f"ws://{conf['serveur']['hote']}:{conf['serveur']['port']}"
    async with websockets.connect(url) as ws:
        await ws.send(await ainput("Pseudo : "))
        t = asyncio.create_task(lire(ws))
        while True:
            e = asyncio.create_task(ainput())
            await asyncio.wait({t, e}, return_when="FIRST_COMPLETED")
            if t.done():
                print("plus de serveur, entrée pour finir")
                return
            await ws.send(e.result())

asyncio.run(main())
