#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "auth/secret.hh"
#include "event/task.hh"
#include "proto/mysql/back.hh"
#include "proto/mysql/front.hh"
#include "session/session.hh"

namespace perilune::proto::mysql {

// The method of no account anywhere.
inline constexpr std::string_view kNobodysPlugin = "perilune_none";

// The rounds of a login between a client and a server that trust the proxy with nothing but their
// packets. What the client deems safe (a unix socket) says nothing about the server's side, so over
// a plain connection only methods pass that never send the password itself, or that can encrypt it.
class PassThrough {
 public:
  enum class Next : std::uint8_t { Over, Refused, ClientAnswers, ServerGoesOn };

  PassThrough(session::Session& session, Front& client, Back& server) noexcept
      : session_(session), client_(client), server_(server) {}

  // What a packet of the server's means; throws LoginFailure for one that must not be relayed.
  Next inspect(Bytes payload);

  // Takes the client's answer to the server; a clear password is encrypted first where the server
  // expects that.
  event::Task<> answer();

 private:
  Next inspect_ok() const;
  Next inspect_switch(Bytes payload);
  Next inspect_more(Bytes payload);
  void require_safe(std::string_view plugin) const;
  event::Task<> send_encrypted(auth::Secret password);
  event::Task<> send_decrypted();
  bool needs_encryption() const noexcept;
  bool is_clear_password(Bytes answer) const noexcept;

  session::Session& session_;
  Front& client_;
  Back& server_;
  std::string plugin_;  // empty: the server has not challenged the client yet
  Buffer challenge_;
  bool wants_password_ = false;  // itself, not a proof that the client knows it
  bool key_requested_ = false;   // by the client, which encrypts by itself then
};

}  // namespace perilune::proto::mysql
