import asyncio
import sys
import websockets


async def client():
    ws = await websockets.connect("ws://localhost:8765", timeout=10)
    print("recu:", await ws.recv())
    await ws.send(" ".join(sys.argv[1:]) or sys.stdin.readline().strip())
    async for rep in ws:
        print("recu:", rep)

asyncio.get_event_loop().run_until_complete(client())
