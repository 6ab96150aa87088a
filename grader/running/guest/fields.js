/*
 * Les champs à remplir, les choix à faire et les boutons à presser d'une page, marqués chacun de son
 * rang et décrits par ce qu'une personne en lit : son étiquette, ou à défaut ce qui est écrit juste
 * avant. Rien de ce que cache une fenêtre posée devant. `inner` : la page où celle-ci mène.
 */
(inner) => {
  const deep = (root) => [...root.querySelectorAll("*")].flatMap((e) =>
    e.shadowRoot ? [e, ...deep(e.shadowRoot)] : [e]);
  const all = deep(document);
  const within = (e, box) => !!e && (e === box || within(e.parentNode ?? e.host, box));
  const modal = all.findLast((e) => e.matches(":modal"));
  const large = (e) => e.clientWidth > innerWidth / 2 && e.clientHeight > innerHeight / 2;
  const behind = (e) => {
    const { left, top, width, height } = e.getBoundingClientRect();
    let over = document.elementFromPoint(left + width / 2, top + height / 2);
    while (over && !within(e, over) && !large(over)) over = over.parentElement;
    return over && !within(e, over);
  };
  const shown = (e) => e.getClientRects().length > 0 && !e.matches(":disabled") && !e.readOnly &&
    getComputedStyle(e).visibility === "visible" && (!modal || within(e, modal));
  const inFront = (found) => {
    const front = found.filter((e) => !behind(e));
    return front.length ? front : found;
  };
  const before = (e) => {
    const cell = e.closest("td")?.previousElementSibling;
    const beside = e.previousElementSibling;
    const text = beside?.matches("label, span, p, b, strong, dt") ? beside.innerText : "";
    return cell?.innerText || text || e.previousSibling?.textContent?.trim() || "";
  };
  const own = (e) => [e.id, e.name, e.placeholder, e.title, e.getAttribute("aria-label"),
    ...[...(e.labels || [])].map((l) => l.innerText)].filter(Boolean).join(" ");
  const label = (e) => [own(e), before(e)].filter(Boolean).join(" ");
  const mark = (name, found) => {
    all.forEach((e) => e.removeAttribute(name));
    found.forEach((e, n) => e.setAttribute(name, n));
    return found;
  };
  const forms = all.filter((e) => e.matches("form"));
  const form = (e) => forms.indexOf(e.form ?? e.closest("form"));

  const kinds = ["text", "search", "email", "url", "tel", "number", "password"];
  const editable = (e) => e.isContentEditable && !e.parentElement?.isContentEditable;
  const fields = mark("data-tp7", inFront(all.filter((e) => shown(e) && (e.tagName === "TEXTAREA" ||
    (e.tagName === "INPUT" ? kinds.includes(e.type) : editable(e))))));
  const picked = (e) => all.some((o) => o.type === "radio" && o.name === e.name && o.checked);
  const choices = mark("data-tp7-choice", all.filter((e) => shown(e) && (e.matches("select") ?
    !e.value && [...e.options].some((o) => o.value && !o.disabled) :
    e.matches("[type=radio]") ? !picked(e) : e.matches("[type=checkbox]") && !e.checked)));
  // Un lien, un div ou un span se presse aussi, si la souris y devient une main ou si la page y
  // attend un clic ; un lien vers une autre page, si c'est là que l'on va.
  const hand = (e) => e && getComputedStyle(e).cursor === "pointer";
  const clicks = "button, input[type=button], input[type=submit], [onclick], [role=button], " +
    "a:not([href]), a[href^='#'], a[href^='javascript:']";
  const awaited = (e) => (e.onclick || window.__tp7?.clicks.has(e)) && e.innerText?.length < 40 &&
    !e.querySelector("input, textarea, select, button, a, [contenteditable]");
  const leads = (e) => inner && e.matches("a[href]") && e.pathname.endsWith("/" + inner);
  const buttons = mark("data-tp7-button", inFront(all.filter((e) => shown(e) &&
    (e.matches(clicks) || leads(e) || awaited(e) || (e.matches("div, span, p, li, img, svg, i") && hand(e) &&
      !hand(e.parentElement))))));
  // Le bouton d'un champ est d'ordinaire le premier qui le suit.
  const follows = (a, b) => a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING;
  return {
    fields: fields.map((e) => ({ label: label(e), own: own(e), mine: e.getAttribute("data-tp7-mine"), kind: e.type || "", form: form(e),
      required: e.matches(":required"), value: e.value || e.innerText || "",
      next: buttons.findIndex((button) => follows(e, button)) })),
    choices: choices.map((e) => ({ label: label(e), kind: e.type, group: e.name, form: form(e),
      required: e.matches(":required"),
      first: [...(e.options ?? [])].findIndex((o) => o.value && !o.disabled) })),
    buttons: buttons.map((e) => [e.id, e.name, e.title, e.getAttribute("aria-label"),
      e.innerText || e.value || ""].filter(Boolean).join(" ")),
  };
}
