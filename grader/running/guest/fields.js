/*
 * Les champs à remplir et les boutons à presser d'une page, marqués chacun de son rang et décrits
 * par ce qu'une personne en lit.
 */
() => {
  const shown = (e) => e.getClientRects().length > 0 && !e.matches(":disabled") && !e.readOnly;
  const label = (e) => [e.id, e.name, e.placeholder, e.title, e.getAttribute("aria-label"),
    ...[...(e.labels || [])].map((l) => l.innerText)].filter(Boolean).join(" ");
  const kinds = ["text", "search", "email", "url", "tel", "number", "", null];
  const fields = [...document.querySelectorAll("input, textarea, [contenteditable=true]")]
    .filter((e) => shown(e) && (e.tagName !== "INPUT" || kinds.includes(e.getAttribute("type"))));
  for (const name of ["data-tp7", "data-tp7-button"])
    document.querySelectorAll(`[${name}]`).forEach((e) => e.removeAttribute(name));
  fields.forEach((e, n) => e.setAttribute("data-tp7", n));
  const clicks = "button, input[type=button], input[type=submit], [onclick], [role=button]";
  const buttons = [...document.querySelectorAll(clicks)].filter(shown);
  buttons.forEach((e, n) => e.setAttribute("data-tp7-button", n));
  return {
    fields: fields.map((e) => ({ label: label(e), value: e.value || e.innerText || "" })),
    buttons: buttons.map((e) => label(e) + " " + (e.innerText || e.value || "")),
  };
}
