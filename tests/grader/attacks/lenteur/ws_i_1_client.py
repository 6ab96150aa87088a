"""Une question d'un million de caractères, que le correcteur mettrait des heures à lire."""

input(":" * 900_000)
