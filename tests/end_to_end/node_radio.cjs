// A VoicePing radio: `node node_radio.cjs URL HEADERS`, with `ws` and `notepack.io` in NODE_PATH.
// Sends each line of its standard input, a JSON array, and prints what it sends and is told.
"use strict";

const { createInterface } = require("node:readline");
const notepack = require("notepack.io");
const WebSocket = require("ws");

const [url, headers] = process.argv.slice(2);
const socket = new WebSocket(url, { headers: JSON.parse(headers) });

socket.on("open", () => {
  createInterface({ input: process.stdin }).on("line", (line) => {
    const frame = notepack.encode(JSON.parse(line));
    console.log("sent", frame.toString("hex"));
    socket.send(frame);
  });
});
socket.on("message", (data, isBinary) => {
  if (!isBinary) throw new Error(`told in text: ${data}`);
  console.log("told", data.toString("hex"), JSON.stringify(notepack.decode(data)));
});
socket.on("ping", (payload) => console.log("ping", payload.toString()));
