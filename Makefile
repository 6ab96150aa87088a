# Tout le TP en quelques commandes : `make` les montre.

ADDRESS ?= 127.0.0.1
PORT ?= 8888
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
	@echo "  make test PYTEST_OPTIONS='-x -k redis'"

chat: install ## démarre les bases et le dernier serveur, et dit comment rejoindre la chatroom
	@$(PYTHON) -c 'import socket as s; six = s.AF_INET6 if ":" in "$(ADDRESS)" else s.AF_INET; \
		s.create_server(("$(ADDRESS)", $(PORT)), family=six).close()' \
		2>/dev/null || { echo "Impossible d'écouter sur $(ADDRESS):$(PORT), sans doute déjà pris :" \
		"essaie make chat PORT=8889"; exit 1; }
	@echo "Pour rejoindre la chatroom, dans un autre terminal :"
	@echo "  $(HERE)/$(PYTHON) $(HERE)/ws_i_3_client.py -a $(JOIN) -p $(PORT)"
	@echo "ou dans un navigateur :"
	@echo "  file://$(subst $(SPACE),%20,$(CURDIR))/ws_i_3_client.html?address=$(JOIN)&port=$(PORT)"
	@$(PYTHON) databases.py -- python ws_ii_3_server.py -a $(ADDRESS) -p $(PORT)

# Un dossier dont le nom a une espace ne se recopie qu'entre apostrophes.
SPACE := $(subst ,, )
HERE := $(if $(findstring $(SPACE),$(CURDIR)),'$(CURDIR)',$(CURDIR))
# 0.0.0.0 veut dire « toutes les adresses de cette machine » : on ne peut pas s'y connecter.
JOIN = $(if $(filter 0.0.0.0,$(ADDRESS)),$(firstword $(shell hostname -I 2>/dev/null) 127.0.0.1),$(ADDRESS))

test: install $(NODE_MODULES) ## essaie tout (options de pytest dans PYTEST_OPTIONS)
	@$(PYTEST)

style: install ## vérifie l'écriture du code
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m ruff check .

# Des foules qui se mesurent ne se croisent pas : une à la fois.
endurance: PYTEST_OPTIONS = -n 0
endurance: install $(NODE_MODULES) ## les pannes et les foules, en plus long
	@$(PYTEST) -m endurance

meta: install $(NODE_MODULES) ## essaie la notation elle-même
	@$(PYTEST) -m meta

noter: install $(NODE_MODULES) ## note un rendu : make noter RENDU=../etudiant
	@test -n "$(RENDU)" || { echo "Quel dossier ? make noter RENDU=../etudiant"; exit 2; }
	@$(PYTEST) --rendu="$(RENDU)" --langue=$(LANGUE) $(if $(RAPPORT),--rapport="$(RAPPORT)")

bench: install $(NODE_MODULES) ## mesure nos serveurs et leurs concurrents, en quelques minutes
	@$(PYTHON) bench/bench.py

bench-long: install $(NODE_MODULES) ## le même, cinq tours de chaque mesure
	@$(PYTHON) bench/bench.py --rounds 5 --seconds 2 --grade 20

install: $(VENV)/installed

$(VENV)/installed: requirements.txt
	@test -n "$(SYSTEM_PYTHON)" || { echo "Il faut Python 3.11 ou plus récent :"; \
		echo "  sudo dnf install python3.12    (Rocky Linux)"; \
		echo "  sudo apt install python3 python3-venv    (Debian, Ubuntu)"; exit 1; }
	@echo "Installation dans $(VENV) : quelques minutes la première fois."
	@$(SYSTEM_PYTHON) -m venv $(VENV) || { echo "Le module venv manque :" \
		"sudo apt install python3-venv"; exit 1; }
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@touch $@

node_modules/.package-lock.json: package.json
	@npm install --silent --no-audit --no-fund --no-package-lock
	@touch $@
