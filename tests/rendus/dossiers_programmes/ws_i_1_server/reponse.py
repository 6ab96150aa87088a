def fabriquer_reponse(msg: str) -> str:
    return 'Hello client ! Received "{}"'.format(msg)
