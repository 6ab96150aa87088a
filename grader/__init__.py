"""Le correcteur : note n'importe quel rendu du TP, sans le modifier.

Cinq pièces, dans l'ordre où l'on y passe. Chacune n'importe que celles d'avant, et ce que toutes
partagent, ici même : la table des vérifications, les verdicts, les textes à montrer, l'horloge.

    finding     ce qui est donné à noter, où en sont les scripts, ce que leur lecture apprend
    running     les lancer sous bonne garde : bac à sable, arguments, pages, bases de données
    learning    apprendre la langue d'un chat de son propre client
    judging     faire parler clients et serveurs, et en tirer les verdicts
    reporting   les options de pytest, la note, et un module par forme de compte rendu

Pour ajouter…
    un dialecte            learning/known.py, où l'ordre compte ; un rendu dans tests/rendus
    une vérification       checks.toml, l'étape qui la juge dans judging/, `Came` de verdict.py, et
                           une faute qu'elle seule refuse, dans tests/rendus/mutations.toml, et
                           ce qui la tromperait, dans tests/rendus/doutes.toml
    un compte rendu        un module de reporting/, appelé par reporting/files.py
    une sorte d'archive    finding/archives.py, qui n'en croit aucune
    une sorte de champ     running/guest/fields.js (le trouver), running/form.py (le choisir),
                           running/hand.py (le remplir), guest/text.js (ce qui s'en affiche)
    une sorte de question  running/questions.py
    une attaque            tests/grader/attacks, et ce qui l'arrête dans running/bubblewrap.py
"""
