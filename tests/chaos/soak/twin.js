// The equivalent of primary.py and application.py on Node's cluster, as far as
// Node has it: workers that are killed are replaced, and workers are rolled.
//
// Usage: node twin.js WORKERS PORT TAKEN
'use strict';

const cluster = require('node:cluster');
const fs = require('node:fs');
const net = require('node:net');
const readline = require('node:readline');

const [wanted, port, taken] = process.argv.slice(2);

function primary() {
  const tell = (fact) => process.stdout.write(JSON.stringify(fact) + '\n');
  let stopping = false;

  function fork() {
    const worker = cluster.fork();
    tell({ event: 'fork', worker: worker.id, pid: worker.process.pid });
    // Without this an order to a worker that was just killed ends the primary.
    worker.on('error', (error) =>
      tell({ event: 'error', worker: worker.id, error: String(error) }));
    return worker;
  }
  function fill() {
    // Without those that were told to disconnect.
    const staying = Object.values(cluster.workers)
      .filter((each) => !each.exitedAfterDisconnect);
    for (let i = staying.length; i < Number(wanted); i++) fork();
  }
  const orders = {
    roll({ id, worker }) {
      const failed = () => tell({ id, error: 'it ended' });
      const successor = fork().once('exit', failed);
      successor.once('listening', () => {
        successor.removeListener('exit', failed);
        const old = cluster.workers[worker];
        if (old) old.disconnect();
        tell({ id, result: null });
      });
    },
    collect({ id }) { tell({ id, result: null }); },
    stop({ id }) {
      stopping = true;
      cluster.disconnect(() => tell({ id, result: null }));
    },
  };

  cluster.setupPrimary({ stdio: ['ignore', 2, 2, 'ipc'] });
  cluster.on('listening', (worker) =>
    tell({ event: 'listening', worker: worker.id }));
  cluster.on('exit', (worker, code, signal) => {
    tell({ event: 'exit', worker: worker.id, code, signal });
    if (!stopping) fill();
  });
  readline.createInterface({ input: process.stdin })
    .on('line', (line) => {
      const order = JSON.parse(line);
      orders[order.do](order);
    })
    .on('close', () => process.exit());
  fill();
}

function worker() {
  const ledger = fs.openSync(taken, 'r+');
  const id = Buffer.alloc(4);
  id.writeUInt32LE(cluster.worker.id);
  const one = Buffer.from([1]);
  const mark = (number, field) => {
    if (number !== undefined) fs.writeSync(ledger, one, 0, 1, number * 8 + field);
  };

  // As numbering.py has it.
  function numberOf(socket) {
    const host = socket.remoteAddress;
    if (!host || !host.startsWith('127.100.')) return undefined;
    const [, , high, low] = host.split('.').map(Number);
    return (high * 250 + low - 1) * 12000 + socket.remotePort - 20000;
  }

  const isSlow = (number) => number % 101 < 8;
  const isGreeted = (number) => number % 101 >= 8 && number % 101 < 23;

  net.createServer((socket) => {
    const known = numberOf(socket);
    if (known !== undefined) fs.writeSync(ledger, id, 0, 4, known * 8 + 4);
    mark(known, 0);
    if (known !== undefined && isGreeted(known)) {
      mark(known, 1);
      socket.write(`hello ${cluster.worker.id}\n`);
    }
    let received = '';
    socket.on('error', () => {});
    socket.on('data', (data) => {
      if (!received && !isGreeted(known)) mark(known, 1);
      received += data;
      if (!received.endsWith('\n')) return;
      const number = Number(received);
      const answer = () => {
        if (number !== known) mark(known, 3);
        mark(known, 2);
        socket.end(`${number} ${cluster.worker.id}\n`);
      };
      if (isSlow(number)) setTimeout(answer, 30);
      else answer();
    });
  }).listen({ port: Number(port), host: '127.0.0.1', backlog: 1024 });
}

if (cluster.isPrimary) primary();
else worker();
