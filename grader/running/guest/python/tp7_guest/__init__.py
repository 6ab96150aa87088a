"""Le calque : chargé par Python avant le script d'un étudiant, il le laisse tourner tel quel.

Toute écoute se fait sur un port libre de la boucle locale et toute connexion va au bon endroit
(Redis, MongoDB, ou le serveur en cours de test), quels que soient l'adresse et le port écrits dans
le script. Ce que les vieilles versions de websockets acceptaient est accepté.

Il n'importe rien du correcteur et ne doit jamais faire échouer un script qui marcherait sans lui.
"""
