// Tout est redessiné à chaque changement, même à chaque lettre.
let etat = { texte: "", pseudo: "", lignes: [] }, dessin;
function changer(neuf) {
  const ici = document.activeElement?.id;
  etat = { ...etat, ...neuf };
  document.querySelector("main").innerHTML = dessin();
  const champ = ici && document.getElementById(ici);
  if (champ) { champ.focus(); champ.setSelectionRange(999, 999); }
}
const demarrer = (f) => { dessin = f; changer({}); };
const champ = (nom) => `<input id="${nom}" value="${etat[nom]}" oninput="changer({ ${nom}: value })">`;
const bouton = (mot, action, eteint) => `<button onclick="${action}" ${eteint ? "disabled" : ""}>${mot}</button>`;
const liste = () => etat.lignes.map((l) => `<p>${l}</p>`).join("");
