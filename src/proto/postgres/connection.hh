#pragma once

#include <memory>

#include "net/stream.hh"
#include "session/mirror.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::proto::postgres {

// What a login leaves behind for the command phase. The client waits for its ReadyForQuery no more.
struct Connection {
  std::unique_ptr<net::Stream> server;  // null: the script answers
  wire::postgres::TransactionStatus status = wire::postgres::TransactionStatus::Idle;
  std::unique_ptr<session::Mirror> mirror;  // of the command phase; null: none
};

}  // namespace perilune::proto::postgres
