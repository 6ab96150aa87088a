"""La chatroom qui survit : plusieurs serveurs, Redis entre eux, l'historique dans MongoDB.

    python -m chatroom           # le serveur
    python -m chatroom.client    # un client de terminal

Tout va dans un sens : trame d'un client → `connection` → `outbox` → stream de Redis → `room` →
trames des autres ; et stream de Redis → `history` → MongoDB → les nouveaux venus. Un module
n'importe que ceux qui sont plus bas :

    __main__
    connection · presence
    outbox
    room · history · backends
    sessions
    members
    protocol
    text · options · logs
"""
