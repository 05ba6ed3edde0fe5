// Statements by node-postgres; ../../support/pg_drivers.py has the contract.
'use strict';

const readline = require('readline');
const { setTimeout: sleep } = require('timers/promises');
const { pipeline } = require('stream/promises');
const { Readable, Writable } = require('stream');
const { Client, Query } = require('pg');
const copy = require('pg-copy-streams');
const Cursor = require('pg-cursor');

const PORTION = 1000;
process.noDeprecation = true; // Of `activeQuery`, without which nobody knows whether a cancel is sent.
let client, settings;

const textOfValue = (value) => (value === null ? 'NULL' : typeof value === 'boolean' ? String(value)[0] : String(value));
const textOfRow = (row) => row.map(textOfValue).join('|');
const textOfRows = (rows) => rows.map(textOfRow).join(';');

function textOfResult(result) {
  const last = Array.isArray(result) ? result[result.length - 1] : result;
  return last.fields.length ? textOfRows(last.rows) : String(last.rowCount ?? 0);
}

const TLS = { off: {}, required: { ssl: { rejectUnauthorized: false } } };
TLS.direct = { ssl: { rejectUnauthorized: false }, sslnegotiation: 'direct' };

async function login(host, port, user, password, database, tls, application) {
  await logout();
  settings = { host, port: Number(port), user, password, database, application_name: application, connectionTimeoutMillis: 20000 };
  Object.assign(settings, TLS[tls]);
  const candidate = new Client(settings);
  candidate.on('error', () => {}); // What ends a session is also the next statement's error.
  await candidate.connect();
  client = candidate;
  return query('SELECT current_user');
}

async function logout() {
  const ended = client;
  client = undefined;
  if (ended) await ended.end();
  return 'ended';
}

async function query(text) {
  return textOfResult(await client.query({ text, rowMode: 'array' }));
}

let statements = 0;

async function prepared(text, count, ...parameters) {
  const name = `statement${++statements}`;
  const said = [];
  for (let at = 0; at < Number(count); ++at) {
    const values = parameters.map((first) => String(Number(first) + at));
    said.push(textOfResult(await client.query({ name, text, values, rowMode: 'array' })));
  }
  return said.join(',');
}

async function transaction(...texts) {
  await client.query('BEGIN');
  try {
    for (const text of texts) await client.query(text);
    await client.query('COMMIT');
    return 'committed';
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

async function big(text) {
  const cursor = client.query(new Cursor(text, [], { rowMode: 'array' }));
  let count = 0;
  let size = 0;
  for (let rows = await cursor.read(PORTION); rows.length; rows = await cursor.read(PORTION)) {
    count += rows.length;
    for (const row of rows) size += row[0].length;
  }
  await cursor.close();
  return `${count}|${size}`;
}

async function copyIn(text, line, count) {
  const sink = client.query(copy.from(text));
  await pipeline(Readable.from(Array.from({ length: Number(count) }, () => `${line}\n`)), sink);
  return String(sink.rowCount);
}

async function copyOut(text) {
  let size = 0;
  const count = new Writable({
    write(chunk, _, done) {
      size += chunk.length;
      done();
    },
  });
  await pipeline(client.query(copy.to(text)), count);
  return String(size);
}

// The driver has no promise for it, and the next statement must not be hit.
function sendCancel(running) {
  return new Promise((resolve) => {
    const canceller = new Client(settings);
    canceller.connection.on('error', resolve);
    canceller.connection.on('end', resolve);
    canceller.cancel(client, running);
  });
}

async function cancel(text) {
  let is_over = false;
  let running;
  const outcome = new Promise((resolve) => {
    running = client.query(new Query({ text, rowMode: 'array' }, (error) => resolve(error ?? 'not cancelled')));
  }).finally(() => (is_over = true));
  while (!is_over) {
    await Promise.race([outcome, sleep(300)]);
    if (!is_over && client.activeQuery === running) await sendCancel(running);
  }
  const error = await outcome;
  if (error instanceof Error) throw error;
  return error;
}

async function customs() {
  await client.query(''); // It says nothing else for itself.
  return 'done';
}

const VERBS = { login, logout, query, prepared, transaction, big, copy_in: copyIn, copy_out: copyOut, cancel, customs };

const textOfError = (error) => `ERROR ${error.severity ? error.code : '-'} ${error.message}`;

async function run() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [verb, ...words] = line.split('\t');
    const text = await VERBS[verb](...words).catch(textOfError);
    console.log(text.replaceAll('\n', ' '));
  }
  await logout();
}

run();
