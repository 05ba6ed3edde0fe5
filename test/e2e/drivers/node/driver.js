// One login and one statement by mysql2; ../../support/drivers.py has the contract.
'use strict';

const fs = require('fs');
const readline = require('readline');
const { parseArgs } = require('util');
const mysql = require('mysql2/promise');

const names = ['host', 'port', 'socket', 'user', 'password', 'database', 'tls', 'ca', 'plugin', 'query'];

function readOptions(args) {
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string', default: '' }]));
  return parseArgs({ args, options }).values;
}

function tlsOf({ tls, ca }) {
  switch (tls) {
    case 'off':
      return undefined;
    case 'required':
      return { rejectUnauthorized: false };
    case 'verify':
      return { ca: ca ? fs.readFileSync(ca) : undefined, verifyIdentity: true };
    default:
      throw new Error(`no such TLS mode: ${tls}`);
  }
}

function addressOf({ host, port, socket }) {
  return socket ? { socketPath: socket } : { host, port: Number(port) };
}

async function run(words) {
  const options = readOptions(words);
  const connection = await mysql.createConnection({
    ...addressOf(options),
    user: options.user,
    password: options.password,
    database: options.database || undefined,
    ssl: tlsOf(options),
    enableCleartextPlugin: options.plugin === 'mysql_clear_password',
    rowsAsArray: true,
    connectTimeout: 20000,
  });
  try {
    const [rows] = await connection.query(options.query);
    return String(rows[0][0]);
  } finally {
    await connection.end();
  }
}

const textOf = (error) => `ERROR ${Math.max(0, error.errno ?? 0)} ${error.sqlMessage ?? error.message}`;

async function runBatch() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const text = await run(line.split('\t')).catch(textOf);
    console.log(text.replaceAll('\n', ' '));
  }
}

async function runOne(words) {
  try {
    console.log(await run(words));
  } catch (error) {
    console.log(textOf(error));
    process.exit(1);
  }
}

const words = process.argv.slice(2);
if (words[0] === '--batch') {
  runBatch();
} else {
  runOne(words);
}
