import { ADRESSE, messages } from './connexion.js';

const ws = new WebSocket(ADRESSE);
const zone = document.getElementById('message');

function envoyer() {
  if (ws.readyState !== WebSocket.OPEN) return;
  ws.send(zone.value);
  zone.value = '';
}

document.getElementById('envoyer').onclick = envoyer;
zone.addEventListener('keydown', (e) => {
  if (e.key === 'Enter' && e.ctrlKey) envoyer();
});

for await (const m of messages(ws)) {
  const tr = document.getElementById('lignes').insertRow();
  tr.insertCell().innerText = new Date().toLocaleTimeString();
  tr.insertCell().innerText = m;
}
