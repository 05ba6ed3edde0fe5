// What clients and servers may send in a session: nothing may crash, every session must end when
// its peers have, nobody is let in by a password that the input does not have, and none that the
// script knows goes readable over plain TCP.
//
// Input: a byte that chooses the way, a byte that chooses what lies between us and the server and
// what the script says to statements, then pieces, each with a byte for its direction, two for its
// length, and so many bytes (or what is left). They are sent in this order; then both hang up.

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/expect.hh"
#include "log/output.hh"
#include "net/listener.hh"
#include "proto/postgres/driver.hh"
#include "session/run.hh"
#include "support/fake_hooks.hh"
#include "support/socket_pair.hh"
#include "wire/cursor.hh"

using namespace perilune;

namespace {

// Inputs that contain it, as the fuzzer learns it from comparisons, are left out.
constexpr std::string_view kPassword = "hard to guess, and not in the corpus";

// Turns of the loop that a login takes at most, and that its end takes.
constexpr int kTurns = 64;
constexpr int kTurnsToEnd = 2000;

constexpr int kTurnsForPiece = 6;

enum class Way : unsigned { PassThrough, Known, Verify, ReadPassword, Serve, Count };

struct Piece {
  bool from_client = false;
  Buffer bytes;
};

struct Input {
  Way way = Way::PassThrough;
  bool server_on_tcp = false;
  bool waits = false;  // the script, before it says anything to a statement
  std::vector<Piece> pieces;
};

Input read_input(Bytes bytes) {
  wire::Cursor in{bytes};
  Input input;
  input.way = static_cast<Way>(in.u8() % static_cast<unsigned>(Way::Count));
  const std::uint8_t flags = in.u8();
  input.server_on_tcp = (flags & 1) != 0;
  input.waits = (flags & 2) != 0;
  while (in.left() > 3) {
    Piece piece;
    piece.from_client = (in.u8() & 1) != 0;
    const std::size_t wanted = in.u16();
    append(piece.bytes, in.take(std::min(wanted, in.left())));
    input.pieces.push_back(std::move(piece));
  }
  return input;
}

bool knows_password(Bytes input) {
  return as_text(input).find(kPassword) != std::string_view::npos;
}

session::StatementDecision decide(std::string_view text) {
  switch (text.empty() ? ' ' : text.front()) {
    case 'r':
      return session::Refuse{};
    case 'i':
      return session::SendInstead{"SELECT 1"};
    case 'o':
      return session::Succeed{text.size()};
    case 't': {
      auto table = std::make_shared<session::ResultTable>();
      table->columns = {"a", "b"};
      table->rows = {{Value{std::string("x")}, Value{}}, {Value{}, Value{std::string(text)}}};
      return std::shared_ptr<const session::ResultTable>(std::move(table));
    }
    default:
      return session::Proceed{};
  }
}

class Script final : public test::LoginHooks {
 public:
  Script(Way way, bool waits, net::Address server)
      : way_(way), waits_(waits), server_(std::move(server)) {}
  event::Task<session::Decision> on_login(session::Login login,
                                          session::Challenger& challenger) override {
    bool right = false;
    try {
      right = co_await ask(challenger);
    } catch (const std::exception&) {
    }
    if (!right) co_return session::Refuse{};
    if (way_ == Way::Serve) co_return session::Serve{};
    co_return connect(std::move(login));
  }
  bool has_on_query() const noexcept override { return true; }
  std::optional<session::StatementDecision> on_query(std::string_view text,
                                                     session::StatementKind) override {
    if (!waits_) return decide(text);
    later_ = decide(text);
    return std::nullopt;
  }
  event::Task<session::StatementDecision> rest_of_statement() override { co_return later_; }
  bool has_on_log() const noexcept override { return true; }
  std::optional<session::LogList> on_log(const log::Record& record) override {
    expect(!record.kind.empty() && record.sql.size() <= record.sql_size);
    expect(record.first <= record.duration);
    return session::LogList{};
  }

 private:
  event::Task<bool> ask(session::Challenger& challenger) {
    if (way_ == Way::Verify) {
      std::optional<auth::Secret> secret{auth::Secret(kPassword)};
      const bool right = co_await challenger.verify(std::move(secret));
      expect(!right);
      co_return right;
    }
    if (way_ == Way::ReadPassword) {
      const auth::Secret password = co_await challenger.read_password();
      expect(as_text(password.bytes()) != kPassword);
    }
    co_return true;
  }

  session::ConnectTo connect(session::Login login) const {
    session::ConnectTo decision;
    decision.target = server_;
    decision.login = std::move(login);
    if (way_ == Way::Known) decision.credentials.password.emplace(kPassword);
    return decision;
  }

  Way way_;
  bool waits_;
  net::Address server_;
  session::StatementDecision later_;
};

// Sends to whoever connects, and keeps what it gets.
class Server {
 public:
  Server(event::Loop& loop, const net::Address& where)
      : loop_(loop),
        socket_(net::ListenSocket::bind(where, 16, {})),
        acceptor_(
            loop, socket_, [this](UniqueFd fd, net::Address) { accept(std::move(fd)); },
            [](int) {}) {}

  const net::Address& address() const { return socket_->address(); }

  void begin() {
    received_.clear();
    unsent_.clear();
    open_ = true;
  }
  void send(const Buffer& bytes) {
    if (streams_.empty()) return append(unsent_, bytes);
    streams_.back()->write(bytes);
  }
  void hang_up() {
    for (const auto& stream : streams_) append(received_, stream->input());
    streams_.clear();
    open_ = false;
  }
  const Buffer& received() const { return received_; }

 private:
  void accept(UniqueFd fd) {
    if (!open_) return;
    streams_.push_back(std::make_unique<net::Stream>(loop_, std::move(fd)));
    streams_.back()->write(unsent_);
    streams_.back()->begin_reading();
  }

  event::Loop& loop_;
  std::shared_ptr<net::ListenSocket> socket_;
  net::Acceptor acceptor_;
  bool open_ = false;
  Buffer unsent_;
  std::vector<std::unique_ptr<net::Stream>> streams_;
  Buffer received_;
};

// All that lives longer than one input.
struct Worker {
  Worker() {
    std::signal(SIGPIPE, SIG_IGN);  // as the daemon does
    auto made = std::make_shared<session::Listener>();
    made->open = std::make_shared<std::atomic<std::uint64_t>>(0);
    made->times_statements = made->notes_statements = true;
    listener = made;
  }

  bool is_idle() const { return tasks.size() + background.size() == 0; }
  void run(int turns) {
    for (int i = 0; i < turns && !is_idle(); ++i) uv_run(loop.uv(), UV_RUN_NOWAIT);
  }

  event::Loop loop;
  log::Output output{-1, log::LineFormat::Timed, log::Level::Error};
  log::Logger logger{output};
  stats::Registry registry{1};
  event::TaskGroup background{loop};
  session::Services services{loop, background, logger, registry.worker(0)};
  session::SessionList sessions{[] {}};
  std::shared_ptr<const session::Listener> listener;
  proto::postgres::Driver driver;
  Server on_tcp{loop, *net::parse_address("127.0.0.1:0", 1)};
  Server on_unix{loop, *net::parse_address("@perilune-fuzz-pg-" + std::to_string(getpid()), 1)};
  event::TaskGroup tasks{loop};
};

void run_session(Worker& worker, const Input& input) {
  Server& server = input.server_on_tcp ? worker.on_tcp : worker.on_unix;
  server.begin();
  test::SocketPair pair = test::make_socket_pair();
  net::Stream client{worker.loop, std::move(pair.theirs)};
  const int fd = pair.ours.value();
  auto stream = std::make_unique<net::Stream>(worker.loop, std::move(pair.ours));
  auto session =
      std::make_unique<session::Session>(worker.services, worker.listener, 0x80000001U, fd,
                                         net::SmallAddress{net::Address::unix_name({})});
  session->set_hooks(std::make_unique<Script>(input.way, input.waits, server.address()));
  worker.sessions.enter(*session);
  worker.tasks.spawn(session::run(std::move(session), std::move(stream), worker.driver));
  client.begin_reading();
  for (const Piece& piece : input.pieces) {
    if (piece.from_client) {
      client.write(piece.bytes);
    } else {
      server.send(piece.bytes);
    }
    worker.run(kTurnsForPiece);
  }
  worker.run(kTurns);
  client.shut_down();
  worker.run(kTurns);
  server.hang_up();
  worker.run(kTurnsToEnd);
  expect(worker.is_idle());
  const bool readable = as_text(server.received()).find(kPassword) != std::string_view::npos;
  expect(!readable || !input.server_on_tcp);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Worker worker;
  const Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
  if (!knows_password(bytes)) run_session(worker, read_input(bytes));
  return 0;
}
