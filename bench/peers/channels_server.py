"""Django Channels et channels_redis : un groupe, un consommateur par connexion.

REDIS_URL=... uvicorn --app-dir peers channels_server:app --port PORT

La couche est `pubsub` : celle par défaut, `core`, coûte davantage et perd ce qui dépasse sa file.
"""

import os

import django
from django.conf import settings

BACKEND = "channels_redis.pubsub.RedisPubSubChannelLayer"
LAYER = {"BACKEND": BACKEND, "CONFIG": {"hosts": [os.environ["REDIS_URL"]]}}
settings.configure(
    SECRET_KEY="banc", INSTALLED_APPS=["channels"], CHANNEL_LAYERS={"default": LAYER}
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402


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


app = ProtocolTypeRouter({"websocket": Chat.as_asgi()})
