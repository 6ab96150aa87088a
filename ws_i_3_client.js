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

const MAX_LINES = 300; // au-delà, les plus vieilles lignes quittent la page
const FIRST_DELAY = 500; // ms, à peu près, avant un retour ; le double à chaque échec…
const MAX_DELAY = 15_000; // … jusqu'à celui-ci
const STABLE = 10_000; // une connexion qui a tenu tout ce temps remet le délai à zéro
const SILENCE = 30_000; // rien entendu depuis tout ce temps : le serveur est-il encore là ?
const PATIENCE = 15_000; // ce qu'on lui laisse pour répondre

const TRY_LATER = 1013;
const UNKNOWN_SESSION = 4002;
const SILENT = 0; // ce code-ci est à nous : rien ne s'est fermé, mais plus rien n'arrive
const FINAL = [1000, 1008, 4001, 4003]; // après eux, la page ne revient pas d'elle-même
const WHY = {
  [SILENT]: "Le serveur ne donne plus signe de vie.",
  1001: "Le serveur s'est arrêté.",
  1008: "Le serveur n'a pas voulu de ton arrivée.",
  1013: "Le serveur demande de patienter.",
  4001: "Ta session continue ailleurs (un autre onglet ?) : cette page ne la reprend pas.",
  4003: "Ce pseudo est déjà pris : choisis-en un autre.",
};

// Une ligne du serveur : « [hh:mm] pseudo a dit : message », ou une annonce.
const LINE = /^(?:\[([\d/: ]+)\] )?(?:(?!Annonce : |Erreur : )(.+?) a dit : )?(.*)$/su;
const $ = (id) => document.getElementById(id);

let me = null; // { address, pseudo, session } de celui qui demande à entrer
let joined = false; // il est entré : une coupure mérite un retour
let online = false; // la connexion en cours est acceptée : il peut parler
let answers = false; // ce serveur répond à une trame vide
let socket = null;
let openedAt = 0;
let failures = 0;
let timer = 0; // ce que l'on attend : une ouverture, un signe du serveur, l'heure de revenir
let sent = []; // mes lignes parties depuis la dernière trame reçue
let expected = null; // après un retour, mes lignes que le serveur peut me rendre
let storage = null;
try {
  storage = sessionStorage; // pas localStorage : deux onglets s'y prendraient leur session
} catch {} // ce navigateur interdit de rien garder : on s'en passe

// --- La connexion -------------------------------------------------------------------------------

function connect() {
  setState("waiting", `Connexion à ${me.address}…`);
  $("refusal").textContent = "";
  openedAt = 0;
  answers = false;
  try {
    socket = new WebSocket(me.address);
  } catch {
    return leave(`« ${me.address} » n'a pas la forme ws://127.0.0.1:8888.`, "address");
  }
  socket.onopen = () => {
    clearTimeout(timer);
    openedAt = Date.now();
    socket.send(me.session ? `ID|${me.session}` : `Hello|${me.pseudo}`);
  };
  socket.onmessage = (event) => receive(event.data);
  socket.onclose = ({ target, code, reason }) => target === socket && closed(code, reason);
  wait(PATIENCE, closed, SILENT);
}

function receive(frame) {
  sent = []; // le lien marchait encore après leur départ
  answers ||= frame === "";
  if (answers) wait(SILENCE, ask);
  if (frame.startsWith("ID|")) return welcome(frame.slice("ID|".length));
  const back = !online && frame.match(/^Welcome back (.+) !$/m);
  if (back) accepted(me.session, back[1]);
  if (!online) $("refusal").textContent = clean(frame);
  else if (frame) frame.split("\n").forEach(take);
}

function welcome(session) {
  accepted(session, me.pseudo);
  $("message").focus();
  show({ kind: "news", text: `Te voilà dans la chatroom, sous le pseudo ${me.pseudo}.` });
  const warning = "Ce navigateur ne laisse rien garder : recharger la page, c'est repartir de zéro.";
  if (!storage) show({ kind: "error", text: warning });
}

function accepted(session, pseudo) {
  expected = joined ? [...document.querySelectorAll("#log .mine")] : null;
  Object.assign(me, { session, pseudo }); // le pseudo tel que le serveur l'écrit
  joined = online = true;
  setState("online", `${clean(pseudo)}, sur ${me.address}`);
  $("hint").textContent = "";
  socket.send(""); // un navigateur n'a pas de ping : une trame vide, si le serveur y répond
  save();
}

// Un lien coupé sans bruit ne ferme rien : sans signe du serveur, il faut lui en demander un.
function ask() {
  socket.send("");
  wait(PATIENCE, closed, SILENT);
}

function closed(code, reason = "") {
  hangUp();
  const absent = `${me.address} ne répond pas : vérifie que le serveur y est lancé.`;
  const end = openedAt ? (WHY[code] ?? `La connexion est coupée (code ${code}).`) : absent;
  const why = $("refusal").textContent || end + (reason && ` (${clean(reason)})`);
  const final = FINAL.includes(code);
  online = false;
  doubt();
  if (code === UNKNOWN_SESSION && me.session) {
    me.session = null;
    connect();
  } else if (!final && (joined || code === TRY_LATER)) {
    comeBackLater(why);
  } else {
    leave(why, final ? "pseudo" : "address");
  }
}

function comeBackLater(why) {
  failures = openedAt && Date.now() - openedAt > STABLE ? 0 : failures + 1;
  // Un peu de hasard : cent pages coupées ensemble ne reviennent pas au même instant.
  const delay = Math.min(FIRST_DELAY * 2 ** failures, MAX_DELAY) * (0.75 + Math.random() / 2);
  wait(delay, connect);
  setState("waiting", `Nouvel essai dans ${Math.ceil(delay / 1000)} s. ${why}`);
}

function wait(delay, then, ...details) {
  clearTimeout(timer);
  timer = setTimeout(then, delay, ...details);
}

function hangUp() {
  clearTimeout(timer);
  socket?.close();
  socket = null; // sa fermeture ne nous concerne plus
}

function save() {
  const lines = [...$("log").children].map((line) => ({ ...line.dataset, kind: line.className }));
  storage?.setItem(location.href, JSON.stringify(joined ? { me, lines } : null));
}

// --- Ce que l'on voit ---------------------------------------------------------------------------

function setState(name, sentence) {
  document.body.dataset.state = name;
  document.body.classList.toggle("inside", joined);
  $("state").textContent = sentence;
}

// Après un retour, une ligne de moi qui revient est passée ; d'ordinaire elle est déjà à l'écran.
function take(frameLine) {
  const [, time, author, text] = frameLine.match(LINE);
  if (!author) return show({ kind: text.startsWith("Erreur") ? "error" : "news", time, text });
  if (!expected || author !== me.pseudo) return show({ kind: "said", time, author, text });
  const same = expected.filter((line) => line.dataset.text === text);
  const known = same.find((line) => line.matches(".doubtful")) ?? same[0];
  if (!known) return show({ kind: "said mine", time, author, text });
  expected.splice(expected.indexOf(known), 1);
  known.classList.remove("doubtful");
}

function doubt() {
  for (const line of sent) line.classList.add("doubtful");
  sent = [];
  save();
}

function show({ kind, time = "", author = "", text }) {
  const mine = kind.includes("mine");
  const line = tag("p", "");
  line.className = kind;
  Object.assign(line.dataset, { time, author, text });
  line.style.setProperty("--hue", hue(author));
  if (time) line.append(tag("time", time), " ");
  if (author) line.append(tag("b", mine ? "Vous" : author), mine ? " avez dit : " : " a dit : ");
  line.append(clean(text));
  if (mine) line.append(tag("em", " (peut-être pas reçu)"));
  $("log").append(line);
  if ($("log").childElementCount > MAX_LINES) $("log").firstElementChild.remove();
  return line;
}

function tag(name, text) {
  return Object.assign(document.createElement(name), { textContent: clean(text) });
}

// Une teinte qui ne dépend que du pseudo ; l'angle d'or éloigne celles de pseudos voisins.
function hue(author) {
  const sum = [...author].reduce((sum, sign) => (sum * 31 + sign.codePointAt(0)) % 65_521, 0);
  return (sum * 137.508) % 360;
}

// Comme chez le serveur : un blanc devient une espace, sauf les insécables du français ; ce qui
// commande un écran disparaît, sauf les liants dont les émojis ont besoin.
function clean(text) {
  const spaced = text.normalize("NFC").replace(/\r\n|[^\S\u00a0\u202f]/g, " ");
  return spaced.replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}]/gu, "");
}

// --- Ce que l'on fait ---------------------------------------------------------------------------

function join(event) {
  event.preventDefault();
  leave();
  me = { address: $("address").value.trim(), pseudo: $("pseudo").value.trim(), session: null };
  connect();
}

function leave(reason = "", field = "pseudo") {
  hangUp();
  joined = online = false;
  failures = 0;
  save();
  setState("offline", "Hors ligne");
  $("refusal").textContent = reason;
  $(field).focus();
}

function speak(event) {
  event.preventDefault();
  const text = clean($("message").value).trim();
  if (!online || socket.readyState !== WebSocket.OPEN) {
    $("hint").textContent = "Pas envoyé : la connexion est coupée. Ton message t'attend ici.";
  } else if (text) {
    socket.send(text);
    const time = new Date().toTimeString().slice(0, 5);
    sent.push(show({ kind: "said mine", time, author: me.pseudo, text }));
    $("scroll").scrollTop = 0; // le bas, où l'on se lit (voir column-reverse dans la page)
    $("message").value = "";
  }
}

function start() {
  const wanted = new URLSearchParams(location.search);
  const given = wanted.get("address") || "127.0.0.1";
  const host = /^[^[].*:/.test(given) ? `[${given}]` : given; // une adresse IPv6 sans crochets
  $("address").value = `ws://${host}:${wanted.get("port") || 8888}`;
  $("arrival").addEventListener("submit", join);
  $("composer").addEventListener("submit", speak);
  $("leave").addEventListener("click", () => leave());
  addEventListener("pagehide", doubt);

  const kept = JSON.parse(storage?.getItem(location.href) ?? null);
  if (!kept) return;
  me = kept.me;
  joined = true;
  kept.lines.forEach(show);
  connect();
  $("message").focus();
}

start();
