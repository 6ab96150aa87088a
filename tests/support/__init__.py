"""Ce que les tests partagent : processus, terminaux, navigateur, bases de données."""
