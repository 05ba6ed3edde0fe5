// Statements of one session by mysql2: texts, and prepared ones with values of several kinds.
'use strict';

const mysql = require('mysql2/promise');

const [socketPath, user, password, number, count] = process.argv.slice(2);

async function run() {
  const connection = await mysql.createConnection({ socketPath, user, password, maxPreparedStatements: 20 });
  for (let i = 0; i < count / 5; ++i) {
    await connection.query(`SELECT 'session ${number}', ${i}`);
    await connection.execute('SELECT ?', [`text ${i}`]);
    await connection.execute('SELECT ?, 1', [null]);
    await connection.execute(`SELECT ${i % 100}, ?`, [`value ${i}`]);
    await connection.query('SELECT ?', [i]);
  }
  await connection.end();
}

run().catch((error) => {
  console.log(`ERROR ${error.message}`);
  process.exit(1);
});
