# Tout le TP en quelques commandes : `make` les montre.

# Sans eux, `make chat` écoute où le disent l'environnement, puis .env, comme chaque serveur.
ADDRESS :=
PORT :=
LANGUE ?= fr
PYTEST_OPTIONS ?= -n 4

VENV := .venv
PYTHON := $(VENV)/bin/python
PYTEST = $(PYTHON) -m pytest $(PYTEST_OPTIONS)

# Le python3 de Rocky Linux 9 est un 3.9 : il faut le chercher sous son nom complet. 3.14 d'abord,
# le dernier pour lequel toutes les roues existent.
CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3
SYSTEM_PYTHON = $(firstword $(foreach name,$(CANDIDATES),$(shell \
	$(name) -c 'import sys; sys.version_info >= (3, 11) and print(sys.executable)' 2>/dev/null)))
# Sans npm, le script Node manque de son paquet et les tests le disent : le reste marche.
NODE_MODULES := $(if $(shell command -v npm),node_modules/.package-lock.json)

.DEFAULT_GOAL := help
.PHONY: help chat test style endurance meta noter bench bench-long install

help: ## montre cette aide
	@echo "Commandes du TP :"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "Exemples :"
	@echo "  make chat ADDRESS=0.0.0.0 PORT=8889    ouvert aux autres machines, sur un autre port"
	@echo "  make noter RENDU=../etudiant LANGUE=en"
	@echo "  make noter RENDU=../etudiant RAPPORT=../notes    avec une page à rendre, dans ../notes"
	@echo "  make noter RENDUS=../classe RAPPORT=../notes INSTALLER=1    une classe, et ses paquets"
	@echo "  make test PYTEST_OPTIONS='-x -k redis'"

chat: install ## démarre les bases et la chatroom, et dit comment la rejoindre
	@$(PYTHON) -c "$$JOIN" $(WHERE)
	@exec $(PYTHON) databases.py -- python -m chatroom $(WHERE)

# « exec » : ce qui arrête make arrête aussi la chatroom et ses bases, sans un shell entre eux.
# Vides, ADDRESS et PORT comptent pour absents ; le shell les lit, un guillemet n'y change rien.
WHERE := --address="$$ADDRESS" --port="$$PORT"

# Chaque ligne se copie telle quelle, même d'un dossier nommé « l'école », « tp7(1) » ou « C# ».
define JOIN
import argparse, pathlib, shlex, sys, urllib.parse
from chatroom.options import CannotStart, read_place
try:
    place = read_place(argparse.ArgumentParser("make chat"))
except CannotStart as error:
    sys.exit(str(error))
address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(place.address, place.address)
client = [sys.executable, "-m", "chatroom.client", "-a", address, "-p", str(place.port)]
page = pathlib.Path("ws_i_3_client.html").absolute().as_uri()
if place.port:  # 0 : le système choisira, et le serveur dira lequel
    print("Pour rejoindre la chatroom, dans un autre terminal :")
    print(f"  cd {shlex.quote(str(pathlib.Path.cwd()))} && {shlex.join(client)}")
    print("ou dans un navigateur :")
    print(f"  {page}?{urllib.parse.urlencode({'address': address, 'port': place.port})}")
endef
export JOIN

test: install $(NODE_MODULES) ## essaie tout (options de pytest dans PYTEST_OPTIONS)
	@$(PYTEST)

style: install ## vérifie l'écriture du code
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy

# Des foules qui se mesurent ne se croisent pas : une à la fois.
endurance: PYTEST_OPTIONS = -n 0
endurance: install $(NODE_MODULES) ## les pannes et les foules, en plus long
	@$(PYTEST) -m endurance

meta: install $(NODE_MODULES) ## essaie la notation elle-même
	@$(PYTEST) -m meta

# Le shell lit ces noms, comme ADDRESS et PORT : un guillemet n'y change rien.
noter: install $(NODE_MODULES) ## note un rendu : make noter RENDU=../etudiant
	@test -n "$$RENDU$$RENDUS" || { echo "Quel dossier ? make noter RENDU=../etudiant"; exit 2; }
	@$(PYTEST) $(if $(RENDU),--rendu="$$RENDU") $(if $(RENDUS),--rendus="$$RENDUS") \
		--langue=$(LANGUE) $(if $(RAPPORT),--rapport="$$RAPPORT") $(if $(INSTALLER),--installer)

bench: install ## mesure nos serveurs et leurs concurrents, en moins de dix minutes
	@$(PYTHON) -m bench

bench-long: install ## le même, cinq tours de chaque mesure, et vingt rendus notés
	@$(PYTHON) -m bench --rounds 5 --grade 20

install: $(VENV)/installed

$(VENV)/installed: requirements.txt
	@test -n "$(SYSTEM_PYTHON)" || { echo "Il faut Python 3.11 ou plus récent :"; \
		echo "  sudo dnf install python3.12    (Rocky Linux)"; \
		echo "  sudo apt install python3 python3-venv    (Debian, Ubuntu)"; exit 1; }
	@echo "Installation dans $(VENV) : quelques minutes la première fois."
	@$(SYSTEM_PYTHON) -m venv $(VENV) || { echo "Si c'est le module venv qui manque :" \
		"sudo apt install python3-venv"; exit 1; }
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

node_modules/.package-lock.json: package.json
	@npm install --silent --no-audit --no-fund --no-package-lock
	@touch $@
