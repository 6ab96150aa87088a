/* Tout ce qu'une personne lit dans une page. */
() => {
  const values = [...document.querySelectorAll("textarea, input, output")]
    .filter((e) => e.readOnly || e.disabled || e.tagName !== "INPUT")
    .map((e) => e.value || "");
  const visit = (root) => [...root.querySelectorAll("*")].flatMap((e) =>
    e.shadowRoot ? [e.shadowRoot.textContent, ...visit(e.shadowRoot)] : []);
  return [document.title, document.body?.innerText ?? "", ...values, ...visit(document),
    ...(window.__tp7?.notified ?? [])].join("\n");
}
