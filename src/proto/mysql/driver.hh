#pragma once

#include "session/driver.hh"

namespace perilune::proto::mysql {

// The story of a MySQL or MariaDB session.
class Driver final : public session::Driver {
 public:
  event::Task<> serve(session::Session& session, net::Stream& client) const override;
};

}  // namespace perilune::proto::mysql
