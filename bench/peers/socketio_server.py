"""python-socketio et son AsyncRedisManager.

REDIS_URL=... uvicorn --app-dir peers socketio_server:app --port PORT
"""

import os

import socketio

server = socketio.AsyncServer(
    async_mode="asgi",
    client_manager=socketio.AsyncRedisManager(os.environ["REDIS_URL"]),
    transports=["websocket"],
)
app = socketio.ASGIApp(server)


@server.event
async def hello(sid, pseudo):
    await server.save_session(sid, {"pseudo": pseudo})
    await server.enter_room(sid, "room")


@server.event
async def say(sid, text):
    session = await server.get_session(sid)
    await server.emit("said", f"{session['pseudo']} a dit : {text}", room="room", skip_sid=sid)
