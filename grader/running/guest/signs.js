/* Ce qu'une page montre sans mots : un champ ou un bouton éteint, une pastille et sa couleur. */
() => {
  const deep = (root) => [...root.querySelectorAll("*")].flatMap((e) =>
    e.shadowRoot ? deep(e.shadowRoot) : [e]);
  const pressed = (e) => e.matches("input, textarea, button, select, [contenteditable]");
  const small = (e, box) => Math.max(box.width, box.height) <= 40 && !e.children.length &&
    e.textContent.trim().length <= 2;
  const signs = deep(document).filter((e) => {
    const box = e.getBoundingClientRect();
    return box.width && box.height && !e.getAnimations().length && (pressed(e) || small(e, box));
  });
  return signs.map((e) => {
    const { backgroundColor, color } = getComputedStyle(e);
    return pressed(e) ? [e.matches(":disabled"), e.isContentEditable]
      : [backgroundColor, color, e.textContent.trim()];
  }).join("\n");
}
