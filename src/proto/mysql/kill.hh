#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "event/task.hh"
#include "session/session.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

// A client's wish to end another session or its statement, as a statement around the id.
struct KillRequest {
  std::uint64_t id = 0;
  bool query_only = false;  // the session lives
  std::string before_id = "KILL ";
  std::string after_id;
};

// Whether it is one of our sessions'.
bool is_session_id(std::uint64_t id) noexcept;
std::string statement_for(const KillRequest& request, std::uint32_t thread);

// Goes to the killer's server as it is, which judges it.
struct KillUnchanged {};

// Goes to the killer's server with its own number in place of the id.
struct KillThread {
  std::uint32_t id = 0;
};

// Is answered here: it has been done, or cannot be.
struct KillAnswer {
  std::optional<wire::mysql::Err> err;  // none: OK
};

using KillDecision = std::variant<KillUnchanged, KillThread, KillAnswer>;

// What becomes of a killer's request. Ids are ours if they have our bit and are a session's with
// the killer's user and account. One that runs at another server is killed there, by the
// credentials that the script gave for the killer, else by those of the cluster that both are at;
// one without a server is ended here. Bounded in time; changes nothing about the killer, which must
// live until then. Throws nothing that a peer can cause.
event::Task<KillDecision> decide_kill(session::Session& killer, KillRequest request);

}  // namespace perilune::proto::mysql
