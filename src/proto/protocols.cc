#include "proto/protocols.hh"

#include "proto/mysql/driver.hh"
#include "proto/raw/driver.hh"

namespace perilune::proto {

namespace {

const mysql::Driver mysql_driver;
const raw::Driver raw_driver;

struct Row {
  session::Protocol protocol;
  const session::Driver& driver;
};

// In the order of the enumeration.
const Row rows[] = {
    {session::Protocol::Mysql, mysql_driver},
    {session::Protocol::Tcp, raw_driver},
};

}  // namespace

const session::Driver& driver_of(session::Protocol protocol) noexcept {
  return rows[static_cast<std::size_t>(protocol)].driver;
}

}  // namespace perilune::proto
