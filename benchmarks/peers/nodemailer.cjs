// Nodemailer sends `count` letters over kept connections to 127.0.0.1:`port`, as fast as it can.
//
//   node nodemailer.cjs MODULE PORT COUNT CONNECTIONS raw|fields LETTER.json
//
// raw: the letter's bytes are ready, the same Buffer for everybody (so it is spared the personal link that we write).
// fields: Nodemailer composes each letter from subject, text and html, with the personal link in them.
// Prints one JSON object: seconds and CPU seconds (all threads) from the first letter to the last reply.
"use strict";

const { readFileSync } = require("node:fs");

const [module_, port, count, connections, mode, file] = process.argv.slice(2);
const nodemailer = require(module_);
const letter = JSON.parse(readFileSync(file, "utf8"));
const ready = Buffer.from(letter.raw, "latin1");
const limit = Number(count);
const at_once = 2 * Number(connections); // so that a connection that has finished finds its next letter waiting

function mail(number) {
  const to = `reader-${number}@example.org`;
  if (mode === "raw") return { envelope: { from: letter.from, to }, raw: ready };
  const token = String(number).padStart(letter.slot.length, "0");
  return {
    from: letter.from,
    to,
    subject: letter.subject,
    text: letter.text.replaceAll(letter.slot, token),
    html: letter.html.replaceAll(letter.slot, token),
    list: { unsubscribe: letter.link.replaceAll(letter.slot, token) },
  };
}

async function main() {
  const pool = nodemailer.createTransport({
    host: "127.0.0.1",
    port: Number(port),
    pool: true,
    maxConnections: Number(connections),
    maxMessages: Infinity, // otherwise it connects anew after every hundred
    ignoreTLS: true,
  });
  let next = 0;
  const sender = async () => {
    while (next < limit) await pool.sendMail(mail(next++));
  };
  const cpu = process.cpuUsage();
  const begin = process.hrtime.bigint();
  await Promise.all(Array.from({ length: at_once }, sender));
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  const used = process.cpuUsage(cpu);
  pool.close();
  console.log(JSON.stringify({ seconds, cpu_seconds: (used.user + used.system) / 1e6 }));
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
