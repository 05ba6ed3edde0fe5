-- One event sends a statement of one megabyte, answered with a few bytes.
function thread_init()
  connection = sysbench.sql.driver():connect()
  statement = "DO LENGTH('" .. string.rep('x', 1000000) .. "')"
end

function event()
  connection:query(statement)
end

function thread_done()
  connection:disconnect()
end
