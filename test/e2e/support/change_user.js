// Logs in by mysql2, changes the user and back again, and prints who it was each time.
'use strict';

const mysql = require('mysql2/promise');

const [socketPath, first, second, password] = process.argv.slice(2);

async function run() {
  const connection = await mysql.createConnection({ socketPath, user: first, password });
  for (const user of [first, second, first]) {
    await connection.changeUser({ user, password });
    const [rows] = await connection.query({ sql: 'SELECT CURRENT_USER()', rowsAsArray: true });
    console.log(rows[0][0]);
  }
  await connection.end();
}

run().catch((error) => {
  console.log(`ERROR ${error.message}`);
  process.exit(1);
});
