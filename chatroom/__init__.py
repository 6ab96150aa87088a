"""La chatroom qui survit : plusieurs serveurs, Redis entre eux, l'historique dans MongoDB.

    python -m chatroom           # le serveur
    python -m chatroom.client    # un client de terminal

Tout va dans un sens : trame d'un client → `connection` → `outbox` → flux de Redis → `room` → trames
des autres ; et flux de Redis → `archive` → MongoDB → `history`. Un module n'importe que ceux qui
sont plus bas, ou plus à droite :

    __main__ · connection · presence
    room · outbox · archive · history · door · probe
    sessions · backends
    stream · members
    protocol
    text · options · logs
"""
