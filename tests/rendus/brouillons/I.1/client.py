import websockets
# a finir : demander la phrase et l'envoyer
