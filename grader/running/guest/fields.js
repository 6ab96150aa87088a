/*
 * Les champs à remplir et les boutons à presser d'une page, marqués chacun de son rang et décrits
 * par ce qu'une personne en lit : son étiquette, ou à défaut ce qui est écrit juste avant.
 */
() => {
  const shown = (e) => e.getClientRects().length > 0 && !e.matches(":disabled") && !e.readOnly;
  const before = (e) => {
    const cell = e.closest("td")?.previousElementSibling;
    const beside = e.previousElementSibling;
    const text = beside?.matches("label, span, p, b, strong, dt") ? beside.innerText : "";
    return cell?.innerText || text || e.previousSibling?.textContent?.trim() || "";
  };
  const label = (e) => {
    const own = [e.id, e.name, e.placeholder, e.title, e.getAttribute("aria-label"),
      ...[...(e.labels || [])].map((l) => l.innerText)];
    return [...own, before(e)].filter(Boolean).join(" ");
  };
  const kinds = ["text", "search", "email", "url", "tel", "number", "", null];
  const fields = [...document.querySelectorAll("input, textarea, [contenteditable=true]")]
    .filter((e) => shown(e) && (e.tagName !== "INPUT" || kinds.includes(e.getAttribute("type"))));
  for (const name of ["data-tp7", "data-tp7-button"])
    document.querySelectorAll(`[${name}]`).forEach((e) => e.removeAttribute(name));
  fields.forEach((e, n) => e.setAttribute("data-tp7", n));
  // Un lien, un div ou un span se presse aussi, si la souris y devient une main.
  const hand = (e) => e && getComputedStyle(e).cursor === "pointer";
  const clicks = "button, input[type=button], input[type=submit], [onclick], [role=button], " +
    "a:not([href]), a[href^='#'], a[href^='javascript:']";
  const buttons = [...document.body.querySelectorAll("*")].filter((e) => shown(e) &&
    (e.matches(clicks) || (e.matches("div, span, p, li, img, svg, i") && hand(e) &&
      !hand(e.parentElement))));
  buttons.forEach((e, n) => e.setAttribute("data-tp7-button", n));
  // Le bouton d'un champ est d'ordinaire le premier qui le suit.
  const follows = (a, b) => a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING;
  return {
    fields: fields.map((e) => ({ label: label(e), value: e.value || e.innerText || "",
      next: buttons.findIndex((button) => follows(e, button)) })),
    buttons: buttons.map((e) => [e.id, e.name, e.title, e.getAttribute("aria-label"),
      e.innerText || e.value || ""].filter(Boolean).join(" ")),
  };
}
