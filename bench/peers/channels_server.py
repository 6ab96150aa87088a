"""Django Channels et channels_redis : un groupe, un consommateur par connexion.

`app` passe par la couche `pubsub`, `core` par celle du même nom, la première des deux : sa file par
client garde ici cent mille messages au lieu de cent, au-delà desquels elle les perd.
"""

import os

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.conf import settings

# redis-py 8 n'ouvre que cent connexions, et coupe celle qui attend un message depuis 5 s.
REDIS = {"address": os.environ["REDIS_URL"], "max_connections": 10_000, "socket_timeout": None}
PUBSUB = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS]}}
CONFIG = {"hosts": [REDIS], "capacity": 100_000}
CORE = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": CONFIG}
settings.configure(CHANNEL_LAYERS={"default": PUBSUB, "core": CORE})


class Chat(AsyncWebsocketConsumer):
    pseudo = None

    async def receive(self, text_data=None, bytes_data=None):
        if self.pseudo is None:
            self.pseudo = text_data.partition("|")[2]
            await self.channel_layer.group_add("room", self.channel_name)
        else:
            line = f"{self.pseudo} a dit : {text_data}"
            event = {"type": "said", "author": self.channel_name, "line": line}
            await self.channel_layer.group_send("room", event)

    async def said(self, event):
        if event["author"] != self.channel_name:
            await self.send(text_data=event["line"])


class CoreChat(Chat):
    channel_layer_alias = "core"


app = ProtocolTypeRouter({"websocket": Chat.as_asgi()})
core = ProtocolTypeRouter({"websocket": CoreChat.as_asgi()})
