export function creer(racine) {
  const champ = document.createElement("div");
  champ.contentEditable = "true";
  champ.style.cssText = "border:1px solid;min-height:1.5em";
  const bouton = document.createElement("button");
  bouton.textContent = "OK";
  const sortie = document.createElement("textarea");
  sortie.readOnly = true;
  racine.append(champ, bouton, sortie);
  return { champ, bouton, sortie };
}
