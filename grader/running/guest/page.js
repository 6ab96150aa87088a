/*
 * Le calque pour une page : ses WebSocket vont toutes au serveur du test (PORT est remplacé), et ce
 * qu'elle demande est noté. Une page ne doit pas pouvoir figer celui qui note : ses boîtes de
 * dialogue sont répondues par le pilote.
 */
(() => {
  const Real = window.WebSocket;
  window.__tp7 = { asked: [], notified: [] };
  window.WebSocket = new Proxy(Real, {
    construct(target, [url, ...rest]) {
      window.__tp7.asked.push(String(url));
      let moved = url;
      try {
        const asked = new URL(url, location.href);
        moved = `ws://127.0.0.1:PORT${asked.pathname}${asked.search}`;
      } catch {
        // Une adresse que le navigateur refuserait : qu'il le fasse lui-même.
      }
      return new target(moved, ...rest);
    },
  });
  window.Notification = class {
    static permission = "granted";
    static requestPermission = async () => "granted";
    constructor(title, options) {
      window.__tp7.notified.push(`${title} ${options?.body ?? ""}`);
    }
  };
})();
