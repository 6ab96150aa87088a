const zone = document.body.appendChild(document.createElement('div'));
const ws = new WebSocket('ws://127.0.0.1:8888');
const nom = prompt('Nom ?');
ws.onopen = () => { ws.send('Hello|' + nom); parler(); };
ws.onmessage = (m) => { zone.innerText += m.data + '\n'; };
ws.onclose = () => { zone.innerText += 'connexion perdue'; };
function parler() {
  const texte = prompt(nom + ', ton message :');
  if (texte) ws.send(texte);
  parler();
}
