import asyncio
import paquet_que_personne_n_a
import websockets

paquet_que_personne_n_a.lancer(asyncio, websockets)
