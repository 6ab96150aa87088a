// la VM en premier, et si elle est éteinte le serveur lancé sur mon PC
const ADRESSES = ['ws://172.16.4.10:8765', 'ws://localhost:8765'];

const $ = (id) => document.getElementById(id);
const login = $('login');
let ws = null;

function ecrire(ligne) {
  const heure = new Date().toLocaleTimeString('fr-FR');
  $('log').value += `[${heure}] ${ligne}\n`;
  $('log').scrollTop = $('log').scrollHeight;
}

function connecter(pseudo, essai = 0) {
  let ouvert = false;
  ws = new WebSocket(ADRESSES[essai]);
  ws.onopen = () => {
    ouvert = true;
    ws.send(`Hello|${pseudo}`);
    $('etat').textContent = `Connecté en tant que ${pseudo}`;
    $('saisie').focus();
  };
  ws.onmessage = ({ data }) => {
    const [commande, a, ...b] = data.split('|');
    switch (commande) {
      case 'Msg': ecrire(`${a} : ${b.join('|')}`); break;
      case 'Join': ecrire(`*** ${a} est arrivé(e)`); break;
      case 'Leave': ecrire(`*** ${a} est parti(e)`); break;
      case 'List': $('membres').textContent = a.split(',').join(', '); break;
      default: console.warn(data);
    }
  };
  ws.onclose = () => {
    if (!ouvert && essai + 1 < ADRESSES.length) return connecter(pseudo, essai + 1);
    $('etat').textContent = ouvert ? 'Le serveur est parti :(' : 'Aucun serveur ne répond';
    $('etat').classList.add('mort');
    $('saisie').contentEditable = 'false';
  };
}

$('saisie').addEventListener('keydown', (e) => {
  if (e.key !== 'Enter' || e.shiftKey) return;
  e.preventDefault();
  const texte = $('saisie').innerText.trim();
  if (!texte || !ws || ws.readyState !== WebSocket.OPEN) return;
  ws.send(`Msg|${texte}`);
  ecrire(`moi : ${texte}`);
  $('saisie').innerText = '';
});

login.addEventListener('close', () => {
  const pseudo = login.querySelector('input').value.trim();
  if (!pseudo) return login.showModal();
  connecter(pseudo);
});
login.showModal();
