#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "event/task_group.hh"
#include "event/timer.hh"
#include "log/logger.hh"
#include "script/host.hh"
#include "session/session.hh"
#include "support/run_task.hh"
#include "support/socket_pair.hh"
#include "util/error.hh"

namespace perilune::script::test {

// The daemon's log, readable at any time.
class LogFile {
 public:
  LogFile() : file_(memfd_create("log", MFD_CLOEXEC)) {}
  int fd() const noexcept { return file_.value(); }
  std::string text() const {
    char buffer[65536];
    const ssize_t n = pread(file_.value(), buffer, sizeof buffer, 0);
    return {buffer, n > 0 ? static_cast<std::size_t>(n) : 0};
  }
  bool contains(std::string_view part) const { return text().find(part) != std::string::npos; }

 private:
  UniqueFd file_;
};

// A file below test/lua.
struct FromDisk {
  std::string path;
};

// A loaded script and everything that it needs around it.
class Stage {
 public:
  explicit Stage(std::string script) : Stage(std::move(script), HostOptions{}) {}
  Stage(std::string script, HostOptions options) {
    sources_ = std::make_shared<lua::Sources>("/etc/perilune/config.lua");
    sources_->put("config.lua", std::move(script));
    options.path = "config.lua";
    open(std::move(options));
  }
  explicit Stage(const FromDisk& file) {
    HostOptions options;
    options.path = std::string(TEST_LUA_FOLDER "/") + file.path;
    sources_ = std::make_shared<lua::Sources>(options.path);
    open(std::move(options));
  }

  event::Loop& loop() { return loop_; }
  Host& host() { return *host_; }
  std::shared_ptr<Host> share_host() { return host_; }
  void drop_host() { host_.reset(); }
  lua::Sources& sources() { return *sources_; }
  LogFile& log() { return log_; }
  const stats::Cells& metrics() { return registry_.worker(0); }
  session::Services& services() { return services_; }

  session::Declaration load() { return perilune::test::run_task(loop_, host_->load()); }

  // Why the script cannot be loaded.
  std::string load_error() {
    try {
      load();
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  }

 private:
  void open(HostOptions options) {
    options.sources = sources_;
    options.logger = &logger_;
    options.metrics = &registry_.worker(0);
    host_ = std::make_shared<Host>(loop_, std::move(options));
  }

  event::Loop loop_;
  LogFile log_;
  log::Output output_{log_.fd(), log::LineFormat::Timed, log::Level::Debug};
  log::Logger logger_{output_};
  stats::Registry registry_{1};
  event::TaskGroup background_{loop_};
  session::Services services_{loop_, background_, logger_, registry_.worker(0)};
  std::shared_ptr<lua::Sources> sources_;
  std::shared_ptr<Host> host_;
};

// A client whose password is known to the test; it answers in the next turn of the loop.
class FakeChallenger final : public session::Challenger {
 public:
  explicit FakeChallenger(event::Loop& loop) : loop_(loop) {}
  std::string password = "secret";
  int asked = 0;

  event::Task<bool> verify(std::optional<auth::Secret> secret) override {
    co_await event::Sleep(loop_, delay);
    ++asked;
    co_return secret&& as_text(secret->bytes()) == password;
  }
  event::Task<auth::Secret> read_password() override {
    co_await event::Sleep(loop_, delay);
    ++asked;
    co_return auth::Secret{password};
  }
  Millis delay{1};

 private:
  event::Loop& loop_;
};

enum class From { Tcp, Unix };

// A loaded and committed script with one client on its first listener.
class Play {
 public:
  explicit Play(std::string script, From from = From::Tcp) : stage_(std::move(script)) {
    open(from);
  }
  Play(std::string script, HostOptions options) : stage_(std::move(script), std::move(options)) {
    open(From::Tcp);
  }
  explicit Play(const FromDisk& file) : stage_(file) { open(From::Tcp); }

  Stage& stage() { return stage_; }
  LogFile& log() { return stage_.log(); }
  session::Session& session() { return *session_; }
  session::Hooks& hooks() { return session_->hooks(); }
  FakeChallenger& challenger() { return challenger_; }
  void end_session() { session_.reset(); }

  static session::Login anna() {
    session::Login login;
    login.user = "anna";
    login.database = "shop";
    login.attributes = {{"program_name", "mysql"}, {"_os", "Linux"}};
    return login;
  }

  session::Decision log_in(session::Login login = anna()) {
    return perilune::test::run_task(stage_.loop(), hooks().on_login(std::move(login), challenger_));
  }
  session::Decision connect() {
    return perilune::test::run_task(stage_.loop(), hooks().on_connect());
  }
  session::Decision command_phase() {
    return perilune::test::run_task(stage_.loop(), hooks().on_command_phase());
  }
  session::StatementDecision query(std::string_view text, session::StatementKind kind =
                                                              session::StatementKind::Query) {
    auto decision = hooks().on_query(text, kind);
    return decision ? *std::move(decision) : rest();
  }
  session::StatementDecision init_db(std::string_view name) {
    auto decision = hooks().on_init_db(name);
    return decision ? *std::move(decision) : rest();
  }
  session::StatementDecision rest() {
    return perilune::test::run_task(stage_.loop(), hooks().rest_of_statement());
  }
  void disconnect() { perilune::test::run_task(stage_.loop(), hooks().on_disconnect()); }

  // The message of the refusal; "proceed" and "connect" for other decisions.
  static std::string say(const session::Decision& decision) {
    if (const auto* refusal = std::get_if<session::Refuse>(&decision)) return refusal->message;
    return std::holds_alternative<session::Proceed>(decision) ? "proceed" : "connect";
  }

 private:
  void open(From from) {
    auto listener = std::make_shared<session::Listener>();
    listener->declaration = stage_.load().listeners.at(0);
    listener->open = std::make_shared<std::atomic<std::uint64_t>>(0);
    stage_.host().commit();
    const in_addr host{htonl(INADDR_LOOPBACK)};
    const net::Address peer =
        from == From::Tcp ? net::Address::ipv4(host, 4711) : net::Address::unix_name("/client");
    session_ = std::make_unique<session::Session>(stage_.services(), std::move(listener), 17,
                                                  sockets_.ours.value(), net::SmallAddress{peer});
    session_->set_hooks(stage_.host().make_hooks(*session_, 0));
  }

  Stage stage_;
  perilune::test::SocketPair sockets_ = perilune::test::make_socket_pair();
  FakeChallenger challenger_{stage_.loop()};
  std::unique_ptr<session::Session> session_;
};

// A script whose on_login has this body.
inline std::string with_login(const std::string& body) {
  return "mysql_listen('127.0.0.1:0', {on_login = function(client, login)\n" + body + "\nend})";
}

// …whose on_login refuses with the text that the body returns.
inline std::string telling(const std::string& body) {
  return with_login("return client:err(tostring((function()\n" + body + "\nend)()))");
}

inline std::string password_of(const auth::Credentials& credentials) {
  if (!credentials.password) return "none";
  return "'" + std::string(as_text(credentials.password->bytes())) + "'";
}

}  // namespace perilune::script::test
