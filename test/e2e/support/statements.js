// What mysql2 makes of a script's answers, by the text and the binary protocol, and of a KILL; one line each.
'use strict';

const mysql = require('mysql2/promise');

const [socketPath, user, password] = process.argv.slice(2);

const said = (promise) => promise.then(([rows]) => (Array.isArray(rows) ? rows[0][0] : 'ok'), (error) => error.errno);

async function run() {
  const options = { socketPath, user, password, rowsAsArray: true };
  const connection = await mysql.createConnection(options);
  const killer = await mysql.createConnection(options);
  for (let round = 0; round < 2; ++round) {
    console.log('prepared', await said(connection.execute('answer ?', [round])));
    console.log('prepared', await said(connection.execute('replace ?', [round])));
    console.log('prepared', await said(connection.execute('refuse ?', [round])));
  }
  console.log('use', await said(connection.query('USE alias')));
  console.log('database', await said(connection.query('SELECT DATABASE()')));
  const sleeping = said(connection.query('SELECT SLEEP(60) AS a_long_time'));
  const running = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%a_long_time' AND info NOT LIKE '%processlist%'";
  while (String(await said(killer.query(running))) === '0');
  console.log('kill', await said(killer.query(`KILL QUERY ${connection.threadId}`)));
  console.log('killed', [1, 1317].includes(await sleeping));
  await connection.end();
  await killer.end();
}

run().catch((error) => {
  console.log(`ERROR ${error.message}`);
  process.exit(1);
});
