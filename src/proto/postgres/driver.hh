#pragma once

#include "session/driver.hh"

namespace perilune::proto::postgres {

// The story of a PostgreSQL session.
class Driver final : public session::Driver {
 public:
  event::Task<> serve(session::Session& session, net::Stream& client) const override;
};

}  // namespace perilune::proto::postgres
