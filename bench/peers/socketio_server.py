"""python-socketio et son AsyncRedisManager : des événements nommés, une session par connexion."""

import os

import socketio

# redis-py 8 n'ouvre que cent connexions, et coupe celle qui attend un message depuis 5 s.
OPTIONS = {"max_connections": 10_000, "socket_timeout": None}
manager = socketio.AsyncRedisManager(os.environ["REDIS_URL"], redis_options=OPTIONS)
# Le générateur ne répond pas aux pings de Socket.IO : le premier n'arrive qu'après l'essai.
server = socketio.AsyncServer(async_mode="asgi", client_manager=manager, ping_interval=600)
app = socketio.ASGIApp(server)


@server.event
async def hello(sid, pseudo):
    await server.save_session(sid, {"pseudo": pseudo})
    await server.enter_room(sid, "room")


@server.event
async def say(sid, text):
    session = await server.get_session(sid)
    await server.emit("said", f"{session['pseudo']} a dit : {text}", room="room", skip_sid=sid)
