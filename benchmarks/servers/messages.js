// A primary and a worker of Node's cluster that send a message back and forth.
//
// Usage: node messages.js SERIALIZATION OUTSTANDING SIZE COUNT
//
// Prints JSON: how many seconds COUNT round trips took with OUTSTANDING of them
// under way, and how many seconds of processor time each process used.
'use strict';

const cluster = require('cluster');

const USED = 'How much processor time did you use?';

function usedSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

if (cluster.isPrimary) {
  const [outstanding, size, count] = process.argv.slice(3).map(Number);
  cluster.setupPrimary({ serialization: process.argv[2] });
  const message = { n: 1, s: 'x'.repeat(size) };
  const worker = cluster.fork();
  let received = 0;
  let begun, seconds, primaryUsed, workerUsed;

  function onUsed(used) {
    if (begun === undefined) {
      workerUsed = used;
      begun = process.hrtime.bigint();
      primaryUsed = usedSeconds();
      for (let i = 0; i < outstanding; i++) worker.send(message);
      return;
    }
    console.log(JSON.stringify({
      seconds, primary: primaryUsed, worker: used - workerUsed,
    }));
    worker.process.kill();
    process.exit(0);
  }

  worker.on('online', () => worker.send(USED));
  worker.on('message', (answer) => {
    if (typeof answer === 'number') {
      onUsed(answer);
      return;
    }
    received++;
    if (received === count) {
      seconds = Number(process.hrtime.bigint() - begun) / 1e9;
      primaryUsed = usedSeconds() - primaryUsed;
      worker.send(USED);
    } else if (received <= count - outstanding) {
      worker.send(message);
    }
  });
} else {
  process.on('message', (message) => {
    process.send(message === USED ? usedSeconds() : message);
  });
}
