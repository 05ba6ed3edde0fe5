// LOAD DATA LOCAL INFILE by mysql2: loads a file with a statement, and says how many rows that were, or the error's number.
'use strict';

const fs = require('fs');
const mysql = require('mysql2/promise');

const [socketPath, user, password, database, path, sql] = process.argv.slice(2);

async function run() {
  const connection = await mysql.createConnection({ socketPath, user, password, database });
  const query = { sql, infileStreamFactory: () => fs.createReadStream(path) };
  console.log(await connection.query(query).then(([done]) => done.affectedRows, (error) => error.errno ?? error.code));
  const [rows] = await connection.query({ sql: "SELECT 'goes on'", rowsAsArray: true });
  console.log(rows[0][0]);
  await connection.end();
}

run().catch((error) => {
  console.log(`ERROR ${error.message}`);
  process.exit(1);
});
