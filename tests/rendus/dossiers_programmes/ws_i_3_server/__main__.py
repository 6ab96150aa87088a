import asyncio

import websockets

from adresse import HOST, PORT
from salon import Salon


async def main():
    salon = Salon()
    async with websockets.serve(salon.accueillir, HOST, PORT):
        print(f"Salon ouvert sur {HOST}:{PORT}")
        await asyncio.Event().wait()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("Salon fermé")
