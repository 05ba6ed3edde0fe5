// Statements of one session by node-postgres: texts, unnamed and named prepared ones, values of several kinds.
'use strict';

const { Client } = require('pg');

const [port, user, password, number, count] = process.argv.slice(2);

async function run() {
  const client = new Client({ host: '127.0.0.1', port, user, password, database: 'hosting' });
  await client.connect();
  for (let i = 0; i < count / 5; ++i) {
    await client.query(`SELECT 'session ${number}', ${i}`);
    await client.query('SELECT $1::text', [`text ${i}`]);
    await client.query({ name: 'one', text: 'SELECT $1::int, 1', values: [null] });
    await client.query({ name: `many ${i}`, text: `SELECT ${i % 100}, $1::text`, values: [`value ${i}`] });
    await client.query(`SELECT $1::int /* ${i} */`, [i]);
  }
  await client.end();
}

run().catch((error) => {
  console.log(`ERROR ${error.message}`);
  process.exit(1);
});
