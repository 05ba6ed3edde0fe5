#pragma once

#include "session/driver.hh"

namespace perilune::proto::raw {

// The story of a session of bytes that mean nothing to us.
class Driver final : public session::Driver {
 public:
  event::Task<> serve(session::Session& session, net::Stream& client) const override;
};

}  // namespace perilune::proto::raw
