// What clients and servers may send while somebody logs in: nothing may crash, every session must
// end when its peers have, nobody is let in by a password that the input does not have, and none
// that the script knows goes readable over plain TCP.
//
// Input: a byte that chooses the way, a byte that chooses what lies between us and the server, then
// pieces, each with a byte for its direction, two for its length, and so many bytes (or what is
// left). Each side sends all of its own at once and hangs up when nothing happens any more.

#include <unistd.h>

#include <algorithm>
#include <atomic>
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
#include "proto/mysql/driver.hh"
#include "session/rsa_key_source.hh"
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

enum class Way : unsigned { PassThrough, Known, Verify, ReadPassword, Count };

struct Input {
  Way way = Way::PassThrough;
  bool server_on_tcp = false;
  Buffer from_client;
  Buffer from_server;
};

Input read_input(Bytes bytes) {
  wire::Cursor in{bytes};
  Input input;
  input.way = static_cast<Way>(in.u8() % static_cast<unsigned>(Way::Count));
  input.server_on_tcp = (in.u8() & 1) != 0;
  while (in.left() > 3) {
    const bool from_client = (in.u8() & 1) != 0;
    const std::size_t wanted = in.u16();
    append(from_client ? input.from_client : input.from_server,
           in.take(std::min(wanted, in.left())));
  }
  return input;
}

// A server may make the answer to parsec cost a fifth of a second.
bool is_slow(const Input& input) {
  const std::string_view text = as_text(input.from_server);
  return input.way == Way::Known && text.find("parsec") != std::string_view::npos;
}

bool knows_password(const Input& input) {
  return as_text(input.from_client).find(kPassword) != std::string_view::npos ||
         as_text(input.from_server).find(kPassword) != std::string_view::npos;
}

class Script final : public test::LoginHooks {
 public:
  Script(Way way, net::Address server) : way_(way), server_(std::move(server)) {}
  event::Task<session::Decision> on_login(session::Login login,
                                          session::Challenger& challenger) override {
    bool right = false;
    try {
      right = co_await ask(challenger);
    } catch (const std::exception&) {
    }
    if (!right) co_return session::Refuse{};
    co_return connect(std::move(login));
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
  net::Address server_;
};

// Sends its bytes to whoever connects and keeps what it gets.
class Server {
 public:
  Server(event::Loop& loop, const net::Address& where)
      : loop_(loop),
        socket_(net::ListenSocket::bind(where, 16, {})),
        acceptor_(
            loop, socket_, [this](UniqueFd fd, net::Address) { accept(std::move(fd)); },
            [](int) {}) {}

  const net::Address& address() const { return socket_->address(); }

  void begin(const Buffer& bytes) {
    bytes_ = &bytes;
    received_.clear();
  }
  void hang_up() {
    for (const auto& stream : streams_) append(received_, stream->input());
    streams_.clear();
    bytes_ = nullptr;
  }
  const Buffer& received() const { return received_; }

 private:
  void accept(UniqueFd fd) {
    if (bytes_ == nullptr) return;
    streams_.push_back(std::make_unique<net::Stream>(loop_, std::move(fd)));
    streams_.back()->write(*bytes_);
    streams_.back()->begin_reading();
  }

  event::Loop& loop_;
  std::shared_ptr<net::ListenSocket> socket_;
  net::Acceptor acceptor_;
  const Buffer* bytes_ = nullptr;
  std::vector<std::unique_ptr<net::Stream>> streams_;
  Buffer received_;
};

// All that lives longer than one input.
struct Worker {
  Worker() {
    auto made = std::make_shared<session::Listener>();
    made->open = std::make_shared<std::atomic<std::uint64_t>>(0);
    made->rsa_key = std::make_shared<session::RsaKeySource>();
    listener = made;
    tasks.spawn(make_key(made->rsa_key));
    while (tasks.size() > 0) uv_run(loop.uv(), UV_RUN_ONCE);
  }

  event::Task<> make_key(std::shared_ptr<session::RsaKeySource> source) {
    co_await session::RsaKeySource::key(source, loop);
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
  proto::mysql::Driver driver;
  Server on_tcp{loop, *net::parse_address("127.0.0.1:0", 1)};
  Server on_unix{loop, *net::parse_address("@perilune-fuzz-" + std::to_string(getpid()), 1)};
  event::TaskGroup tasks{loop};
};

void log_in(Worker& worker, const Input& input) {
  Server& server = input.server_on_tcp ? worker.on_tcp : worker.on_unix;
  server.begin(input.from_server);
  test::SocketPair pair = test::make_socket_pair();
  net::Stream client{worker.loop, std::move(pair.theirs)};
  const int fd = pair.ours.value();
  auto stream = std::make_unique<net::Stream>(worker.loop, std::move(pair.ours));
  auto session = std::make_unique<session::Session>(
      worker.services, worker.listener, 0x80000001U, fd,
      net::SmallAddress{net::Address::unix_name({})});
  session->set_hooks(std::make_unique<Script>(input.way, server.address()));
  worker.sessions.enter(*session);
  worker.tasks.spawn(session::run(std::move(session), std::move(stream), worker.driver));
  client.begin_reading();
  client.write(input.from_client);
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
  const Input input = read_input({reinterpret_cast<const std::byte*>(data), size});
  if (!is_slow(input) && !knows_password(input)) log_in(worker, input);
  return 0;
}
