#include "proto/protocols.hh"

#include <algorithm>

#include "proto/mysql/driver.hh"
#include "proto/mysql/health_probe.hh"
#include "proto/postgres/driver.hh"
#include "proto/postgres/health_probe.hh"
#include "proto/raw/driver.hh"
#include "proto/raw/probe.hh"

namespace perilune::proto {

namespace {

const mysql::Driver mysql_driver;
const postgres::Driver postgres_driver;
const raw::Driver raw_driver;

struct Row {
  session::Protocol protocol;
  const session::Driver& driver;
  cluster::Probe probe;
};

// In the order of the enumeration.
const Row rows[] = {
    {session::Protocol::Mysql, mysql_driver, mysql::probe_health},
    {session::Protocol::Pgsql, postgres_driver, postgres::probe_health},
    {session::Protocol::Tcp, raw_driver, raw::probe},
};

}  // namespace

const session::Driver& driver_of(session::Protocol protocol) noexcept {
  return rows[static_cast<std::size_t>(protocol)].driver;
}

cluster::Probe probe_of(std::string_view protocol) noexcept {
  const auto* const row = std::ranges::find_if(
      rows, [protocol](const Row& r) { return session::name_of(r.protocol) == protocol; });
  return row->probe;
}

}  // namespace perilune::proto
