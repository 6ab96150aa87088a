/*
 * TP7, étape I.3 : la chatroom dans une page, sans framework ni serveur HTTP.
 *
 * Ce que l'étape montre : un navigateur sait parler WebSocket sans rien installer, au même serveur
 * que ws_i_3_client.py. Lance un serveur de chat, puis ouvre ws_i_3_client.html.
 *
 * À regarder : `receive`, qui trie ce que dit le serveur ; `closed`, où le code de fermeture dit
 * s'il faut revenir ; `tag`, qui n'écrit que du texte : le HTML reçu d'un autre reste du texte.
 */
"use strict";

if (typeof document === "undefined") {
  console.error("Ce script vit dans une page : ouvre ws_i_3_client.html dans ton navigateur.");
  process.exit(1);
}

const MAX_MESSAGE = 2000; // points de code, comme les compte le serveur
const MAX_LINES = 1000; // au-delà, les plus vieilles lignes quittent la page
const FIRST_DELAY = 500; // ms, à peu près, avant un retour ; le double à chaque échec…
const MAX_DELAY = 15_000; // … jusqu'à celui-ci
const STABLE = 10_000; // une connexion qui a tenu tout ce temps remet le délai à zéro

const UNKNOWN_SESSION = 4002;
// Après ces autres codes de fermeture, la page ne revient pas d'elle-même.
const FINAL = {
  1000: "Le serveur a mis fin à la conversation.",
  1008: "Le serveur n'a pas voulu de ton arrivée.",
  4001: "Ta session continue ailleurs (un autre onglet ?) : cette page ne la reprend pas.",
  4003: "Ce pseudo est déjà pris : choisis-en un autre.",
};

// Une ligne du serveur : « [hh:mm] pseudo a dit : message », ou une annonce.
const LINE = /^(?:\[([\d/: ]+)\] )?(?:(?!Annonce : |Erreur : )(.+?)(?= a dit : ))?(.*)$/su;
// Les règles du serveur : un blanc devient une espace, sauf les insécables du français ; ce qui
// commande un écran disparaît, sauf les liants dont les émojis ont besoin.
const BLANKS = /\r\n|[\t-\r\x1c-\x1f\x85\u2028\u2029]|(?![\u00a0\u202f])\p{Zs}/gu;
const CONTROLS = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}]/gu;

const $ = (id) => document.getElementById(id);

let me = null; // { address, pseudo, session } de celui qui demande à entrer
let joined = false; // il est entré : une coupure mérite un retour
let online = false; // la connexion en cours est acceptée : il peut parler
let socket = null;
let openedAt = 0;
let failures = 0;
let timer = 0;

// --- La connexion -------------------------------------------------------------------------------

function connect() {
  setState("waiting", `Connexion à ${me.address}…`);
  $("refusal").textContent = "";
  openedAt = Infinity;
  try {
    socket = new WebSocket(me.address);
  } catch {
    return askAgain(`« ${me.address} » n'a pas la forme ws://127.0.0.1:8888.`, "address");
  }
  socket.onopen = () => {
    openedAt = Date.now();
    socket.send(me.session ? `ID|${me.session}` : `Hello|${me.pseudo}`);
  };
  socket.onmessage = (event) => receive(event.data);
  socket.onclose = (event) => closed(event.code, event.reason);
}

function receive(frame) {
  if (frame.startsWith("ID|")) return accepted(frame.slice("ID|".length));
  if (frame.startsWith("Welcome back ")) accepted(me.session);
  if (!online) return ($("refusal").textContent = clean(frame));
  for (const line of frame.split("\n")) show(...parse(line));
}

function accepted(session) {
  const first = !joined;
  joined = online = true;
  me.session = session;
  // Pas localStorage : il est commun à toutes les pages du disque, et deux onglets se prendraient
  // leur session sans fin.
  sessionStorage.setItem(location.href, JSON.stringify(me));
  setState("online", `${clean(me.pseudo)}, sur ${me.address}`);
  $("hint").textContent = "";
  if (first) enterRoom();
}

function closed(code, reason) {
  online = false;
  if (code === UNKNOWN_SESSION && me.session) {
    me.session = null;
    connect();
  } else if (code in FINAL) {
    const details = reason && ` (${clean(reason)})`;
    askAgain($("refusal").textContent || FINAL[code] + details, "pseudo");
  } else if (joined) {
    comeBackLater();
  } else {
    askAgain(`${me.address} ne répond pas : vérifie que le serveur y est lancé.`, "address");
  }
}

function comeBackLater() {
  failures = Date.now() - openedAt > STABLE ? 0 : failures + 1;
  // Un peu de hasard : cent pages coupées ensemble ne reviennent pas au même instant.
  const delay = Math.min(FIRST_DELAY * 2 ** failures, MAX_DELAY) * (0.75 + Math.random() / 2);
  timer = setTimeout(connect, delay);
  setState("waiting", `Connexion perdue, nouvel essai dans ${Math.ceil(delay / 1000)} s.`);
}

function forget() {
  clearTimeout(timer);
  if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
  socket?.close();
  joined = online = false;
  failures = 0;
  sessionStorage.removeItem(location.href);
}

// --- Ce que l'on voit ---------------------------------------------------------------------------

function setState(name, sentence) {
  document.body.dataset.state = name;
  $("state").textContent = sentence;
}

function enterRoom() {
  $("arrival").hidden = true;
  $("room").hidden = $("leave").hidden = false;
  $("message").focus();
}

function askAgain(reason, field) {
  forget();
  setState("offline", "Hors ligne");
  $("arrival").hidden = false;
  $("room").hidden = $("leave").hidden = true;
  $("refusal").textContent = reason;
  $(field).focus();
}

function parse(line) {
  const [, time = "", author = "", text] = line.match(LINE);
  return [author ? "said" : text.startsWith("Erreur") ? "error" : "news", time, author, text];
}

function show(kind, time, author, text) {
  const line = tag("p", "");
  line.className = kind;
  line.style.setProperty("--hue", hue(author));
  if (time) line.append(tag("time", time), " ");
  line.append(tag("b", author), clean(text));
  $("log").append(line);
  if ($("log").childElementCount > MAX_LINES) $("log").firstElementChild.remove();
}

function tag(name, text) {
  return Object.assign(document.createElement(name), { textContent: clean(text) });
}

// Une teinte qui ne dépend que du pseudo ; l'angle d'or éloigne celles de pseudos voisins.
function hue(author) {
  let sum = 0;
  for (const character of author) sum = (sum * 31 + character.codePointAt(0)) % 65_521;
  return (sum * 137.508) % 360;
}

function clean(text) {
  return text.normalize("NFC").replace(BLANKS, " ").replace(CONTROLS, "");
}

// --- Ce que l'on fait ---------------------------------------------------------------------------

function join(event) {
  event.preventDefault();
  forget();
  const typed = $("address").value.trim();
  const address = /^wss?:/i.test(typed) ? typed : `ws://${typed}`;
  me = { address, pseudo: $("pseudo").value.trim(), session: null };
  connect();
}

function speak(event) {
  event.preventDefault();
  const text = clean($("message").value).trim();
  const length = [...text].length; // text.length compterait deux fois chaque émoji
  $("hint").textContent = "";
  if (length > MAX_MESSAGE) {
    $("hint").textContent = `Pas envoyé : ${length} caractères, c'est plus que ${MAX_MESSAGE}.`;
  } else if (!online || socket.readyState !== WebSocket.OPEN) {
    $("hint").textContent = "Pas envoyé : la connexion est coupée. Ton message t'attend ici.";
  } else if (length > 0) {
    socket.send(text);
    show("said mine", new Date().toTimeString().slice(0, 5), "Vous", ` avez dit : ${text}`);
    $("scroll").scrollTop = 0; // le bas, où l'on se lit (voir column-reverse dans la page)
    $("message").value = "";
  }
}

function start() {
  const wanted = new URLSearchParams(location.search || location.hash.slice(1));
  const given = wanted.get("address") || "127.0.0.1";
  const host = /^[^[].*:/.test(given) ? `[${given}]` : given; // une adresse IPv6 sans crochets
  $("address").value = given.includes("://") ? given : `ws://${host}:${wanted.get("port") || 8888}`;
  $("arrival").addEventListener("submit", join);
  $("composer").addEventListener("submit", speak);
  $("leave").addEventListener("click", () => askAgain("", "pseudo"));

  me = JSON.parse(sessionStorage.getItem(location.href));
  if (!me) return;
  $("address").value = me.address;
  $("pseudo").value = me.pseudo;
  joined = true;
  enterRoom();
  connect();
}

start();
