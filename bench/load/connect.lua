-- One event is one session: connect, log in, ask once, leave.
function thread_init()
  driver = sysbench.sql.driver()
end

function event()
  local connection = driver:connect()
  connection:query('SELECT 1')
  connection:disconnect()
end
