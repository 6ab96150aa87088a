/*
 * Le calque pour Node : toute connexion va au serveur du test, quels que soient l'adresse et le
 * port écrits dans le script. Chacune est notée dans le journal du correcteur. Ce que montraient les
 * vieilles versions de ws se lit encore.
 */
"use strict";

const fs = require("node:fs");
const net = require("node:net");
const path = require("node:path");

const PORT = Number(process.env.TP7_SERVER_PORT || 1);

function note(event, facts) {
  try {
    const line = JSON.stringify({ event, ...facts }) + "\n";
    fs.appendFileSync(path.join(process.env.TP7_CONTROL, "events"), line);
  } catch {
    // Le dossier de contrôle a disparu : il n'y a plus personne à prévenir.
  }
}

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  // net.connect passe ses arguments déjà normalisés, dans un seul tableau.
  const list = Array.isArray(args[0]) ? args[0] : args;
  let options = list[0];
  if (typeof options === "number" || (typeof options === "string" && !isNaN(options))) {
    options = { port: Number(options), host: typeof list[1] === "string" ? list[1] : "localhost" };
    const callback = list.find((item) => typeof item === "function");
    return connect.call(this, moved(options), ...(callback ? [callback] : []));
  }
  if (options && typeof options === "object" && options.port !== undefined) {
    list[0] = moved(options);
  }
  return connect.apply(this, args);
};

function moved(options) {
  note("connect", { kind: "server", host: String(options.host || ""), port: Number(options.port) });
  return { ...options, host: "127.0.0.1", port: PORT, lookup: undefined };
}

// Depuis ws 8 un message est un Buffer, que console.log montre en hexadécimal : le texte suit.
const shown = Symbol.for("nodejs.util.inspect.custom");
const inspect = Buffer.prototype[shown];
Buffer.prototype[shown] = function (...args) {
  note("remark", { key: "buffer_printed" });
  return `${inspect.apply(this, args)} (${this.toString()})`;
};

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  const callback = args.find((item) => typeof item === "function");
  this.once("listening", () => {
    const { address, port } = this.address();
    note("listen", { asked: args.filter((item) => typeof item !== "function"), host: address, port });
  });
  return listen.call(this, { port: 0, host: "127.0.0.1" }, ...(callback ? [callback] : []));
};
