#pragma once

#include <cstdint>
#include <memory>

#include "auth/random.hh"
#include "net/stream.hh"
#include "session/mirror.hh"
#include "session/shared_text.hh"

namespace perilune::proto::mysql {

// What the first login of a client settled for all that follow on its connection.
struct ClientTerms {
  std::uint64_t capabilities = 0;  // announced and wanted
  std::uint32_t max_packet_size = 0;
  // The greeting's. Clients made with the C libraries answer mysql_native_password by it in every
  // change of user, whatever else they are sent then; servers keep theirs for this reason.
  auth::MysqlScramble scramble{};
};

// What a login leaves behind for the command phase.
struct Connection {
  std::unique_ptr<net::Stream> server;  // null: the script answers
  std::uint64_t capabilities = 0;  // of both sides
  std::uint16_t status = 0;        // of the server's OK
  ClientTerms client;
  std::unique_ptr<session::Mirror> mirror;  // of the command phase; null: none
  session::SharedText::Shared target;  // what makes it different from connections to other servers
};

}  // namespace perilune::proto::mysql
