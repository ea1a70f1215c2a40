// The equivalent of answer.py on Node's cluster: answers each connection with
// one line and closes it.
//
// Usage: node answer.js PORT NOTES hello|pid WORKERS rr|none
'use strict';

const cluster = require('node:cluster');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');

const [port, notes, answer, workers, policy] = process.argv.slice(2);

// The file appears under its name only when it is complete.
function leaveNote(listeningSince) {
  const unfinished = path.join(notes, `.${process.pid}`);
  fs.writeFileSync(unfinished, JSON.stringify({ listeningSince }));
  fs.renameSync(unfinished, path.join(notes, String(process.pid)));
}

if (cluster.isPrimary) {
  cluster.schedulingPolicy =
    policy === 'rr' ? cluster.SCHED_RR : cluster.SCHED_NONE;
  for (let i = 0; i < Number(workers); i++) cluster.fork();
} else {
  const line = answer === 'pid' ? `${process.pid}\n` : 'hello\n';
  // `end` writes, shuts our side down, and destroys the socket when the
  // client has closed too; nothing has to be read for that.
  const server = net.createServer((socket) => socket.end(line));
  server.listen({ port: Number(port), host: '127.0.0.1', backlog: 511 }, () =>
    leaveNote(Number(process.hrtime.bigint()) / 1e9));
}
