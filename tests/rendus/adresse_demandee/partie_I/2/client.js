'use strict';

class ClientWS {
  #ws = null;

  constructor() {
    this.log = document.querySelector('#log');
    this.champ = document.querySelector('#texte');
    document.querySelector('#connexion').addEventListener('click', () => this.connecter());
  }

  async connecter() {
    const adresse = document.querySelector('#adresse').value;
    try {
      this.#ws = await this.#ouvrir(`ws://${adresse}`);
    } catch (e) {
      this.etat('échec de connexion');
      return;
    }
    this.etat('connecté');
    this.champ.disabled = false;
    document.querySelector('#go').disabled = false;
    this.#ws.addEventListener('message', ({ data }) => this.ecrire(data));
    this.#ws.addEventListener('close', () => this.etat('déconnecté'));
  }

  #ouvrir(url) {
    return new Promise((resolve, reject) => {
      const ws = new WebSocket(url);
      ws.onopen = () => resolve(ws);
      ws.onerror = reject;
    });
  }

  envoyer(ev) {
    ev.preventDefault();
    this.#ws.send(this.champ.value);
    this.champ.value = '';
    return false;
  }

  ecrire(txt) {
    const p = document.createElement('p');
    p.textContent = txt;
    this.log.append(p);
  }

  etat(txt) {
    document.querySelector('#etat').textContent = txt;
  }
}

window.app = new ClientWS();
