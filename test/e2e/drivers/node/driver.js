// One login and one statement by mysql2; ../../support/drivers.py has the contract.
'use strict';

const fs = require('fs');
const { parseArgs } = require('util');
const mysql = require('mysql2/promise');

const names = ['host', 'port', 'socket', 'user', 'password', 'database', 'tls', 'ca', 'plugin', 'query'];

function readOptions() {
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string', default: '' }]));
  return parseArgs({ options }).values;
}

function tlsOf({ tls, ca }) {
  switch (tls) {
    case 'off':
      return undefined;
    case 'required':
      return { rejectUnauthorized: false };
    case 'verify':
      return { ca: fs.readFileSync(ca), verifyIdentity: true };
    default:
      throw new Error(`no such TLS mode: ${tls}`);
  }
}

function addressOf({ host, port, socket }) {
  return socket ? { socketPath: socket } : { host, port: Number(port) };
}

async function run() {
  const options = readOptions();
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
    console.log(String(rows[0][0]));
  } finally {
    await connection.end();
  }
}

run().catch((error) => {
  console.log(`ERROR ${error.errno ?? 0} ${error.sqlMessage ?? error.message}`);
  process.exit(1);
});
