#pragma once

// What passes through a command phase when a script decides about a recorded session: made of the
// recording and the codecs alone.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "session/decision.hh"
#include "unit/wire/mysql/session_file.hh"
#include "wire/mysql/exchange.hh"
#include "wire/mysql/protocol.hh"

namespace perilune::test {

// What the script says to one command.
enum class Say : std::uint8_t { Forward, Refuse, Succeed, Table, Shorter, Equal, Longer, Database };
inline constexpr Say kAllSays[] = {Say::Forward, Say::Refuse, Say::Succeed, Say::Table,
                                   Say::Shorter, Say::Equal,  Say::Longer,  Say::Database};

struct Choice {
  Say say = Say::Forward;
  bool waits = false;  // before it is said
};

// Whether the script is asked about a command at all, and may say so.
bool is_asked(wire::mysql::Command command);
bool may_say(wire::mysql::Command command, Say say);
wire::mysql::Command command_of(const RecordedCommand& command);

struct Plan {
  struct Send {
    std::size_t wait_for;  // bytes that the sender must have received before
    Buffer bytes;
  };
  struct Asked {
    std::string text;  // of the client's command
    session::StatementDecision decision;
    bool waits = false;
  };

  std::vector<Send> from_client;
  std::vector<Send> from_server;
  Buffer to_client;  // all that the client must get
  Buffer to_server;
  std::vector<Asked> asked;  // in this order
  std::uint64_t capabilities = 0;
  std::uint16_t status = 0;  // of the login
};

class PlanMaker {
 public:
  using Choose = std::function<Choice(std::size_t position, wire::mysql::Command command)>;

  // pipeline: all commands are sent without waiting, as far as local files allow.
  PlanMaker(const RecordedSession& session, bool pipeline);
  Plan make(const Choose& choose);

 private:
  // MariaDB's statement -1.
  enum class Last : std::uint8_t { Servers, Ours, Nobodys };

  void add(const RecordedCommand& command, const Choice& choice);
  void ask(const Choice& choice);
  session::StatementDecision decision_for(Say say) const;
  void client_sends(Bytes bytes, std::size_t after);
  void server_gets(Bytes bytes);
  void server_sends(Bytes bytes);
  void forward(const RecordedCommand& command);
  void rest_of_dialogue(const RecordedCommand& command);
  void change_database();
  bool replace(const RecordedCommand& command, const std::string& text);
  void answer(const session::StatementDecision& decision);
  void answer_prepare(const session::StatementDecision& decision);
  bool is_of_last_statement() const;
  void answer_last_statement();
  void proxy_sends_err(std::uint16_t code, const char* state, const std::string& message);
  void proxy_sends_ok(std::uint64_t affected_rows);
  std::uint16_t lasting_status() const;
  std::string text() const;

  const RecordedSession& session_;
  bool pipeline_;
  Plan plan_;
  wire::mysql::Exchange tracker_;  // of what the server is sent and sends
  std::size_t barrier_ = 0;        // what the client has got when it sends the next command

  // The command that is being added.
  Buffer payload_;
  wire::mysql::Command code_ = wire::mysql::Command::Quit;
  std::uint32_t packets_ = 1;

  Last last_ = Last::Servers;
  session::StatementDecision last_decision_;
  std::uint32_t prepared_ = 0;
};

}  // namespace perilune::test
