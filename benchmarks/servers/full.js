// The equivalent of full.py on Node's cluster: serves few clients at a time, and
// each for as long as it likes.
//
// Usage: node full.js PORT NOTES LIMIT WORKERS
'use strict';

const cluster = require('node:cluster');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const [port, notes, limit, workers] = process.argv.slice(2);
const SILENCE = 200;

// The file appears under its name only when it is complete.
function leaveNote() {
  const unfinished = path.join(notes, `.${process.pid}`);
  fs.writeFileSync(unfinished, '{}');
  fs.renameSync(unfinished, path.join(notes, String(process.pid)));
}

if (cluster.isPrimary) {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  for (let i = 0; i < Number(workers); i++) cluster.fork();
} else {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.write(`${process.pid}\n`);
    const closing = setTimeout(() => socket.end(), SILENCE);
    socket.on('data', () => clearTimeout(closing));
    socket.on('close', () => clearTimeout(closing));
  });
  server.maxConnections = Number(limit);
  server.listen({ port: Number(port), host: '127.0.0.1', backlog: 511 }, leaveNote);
}
