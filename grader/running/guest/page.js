/*
 * Le calque pour une page : ses WebSocket vont toutes au serveur du test (PORT est remplacé) ; ce
 * qu'elle demande et ce qui s'y clique sont notés. Une page ne doit pas pouvoir figer celui qui
 * note : ses boîtes de dialogue sont répondues par le pilote.
 */
(() => {
  const Real = window.WebSocket;
  window.__tp7 = { asked: [], notified: [], clicks: new WeakSet() };
  const listen = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (kind, ...rest) {
    if (kind === "click" && this instanceof Element) window.__tp7.clicks.add(this);
    return listen.call(this, kind, ...rest);
  };
  // Ouverte du disque, une page faite pour être servie n'a pas d'hôte.
  const hosted = (url) => location.host ? url
    : String(url).replace(/^(wss?:\/\/)(?=[/:]|$)/, (scheme) => `${scheme}127.0.0.1`);
  window.WebSocket = new Proxy(Real, {
    construct(target, [given, ...rest], asker) {
      const url = hosted(given);
      window.__tp7.asked.push(String(given));
      let moved = url;
      try {
        const asked = new URL(url, location.href);
        moved = `ws://127.0.0.1:PORT${asked.pathname}${asked.search}`;
      } catch {
        // Une adresse que le navigateur refuserait : qu'il le fasse lui-même.
      }
      return Reflect.construct(target, [moved, ...rest], asker);
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
