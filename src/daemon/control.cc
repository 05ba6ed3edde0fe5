#include "daemon/control.hh"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "event/poll.hh"
#include "session/session.hh"
#include "wire/control/datagram.hh"

namespace perilune::daemon {

namespace {

using wire::control::Number;

// A wake-up: the rest comes after everything else that is ready.
constexpr int kMostAtOnce = 64;

// To add a command: a method of Control and a row here. All others are for other programs that
// listen to the same group.
struct Command {
  Number number;
  void (Control::*run)(std::string_view payload);
};

constexpr Command kCommands[] = {
    {Number::DisconnectDatabase, &Control::disconnect_database},
};

bool is_allowed(const session::ControlDeclaration& declaration, const net::Datagram& datagram) {
  if (declaration.allow_uids) {
    const auto& uids = *declaration.allow_uids;
    return datagram.credentials &&
           std::ranges::binary_search(uids, static_cast<std::uint32_t>(datagram.credentials->uid));
  }
  if (!declaration.from) return true;
  return std::ranges::any_of(*declaration.from, [&datagram](const net::Network& network) {
    return network.contains(datagram.sender);
  });
}

// Who sent it, whatever port or process it was this time.
std::string peer_of(const net::Datagram& datagram) {
  if (datagram.credentials) return fmt::format("uid={}", datagram.credentials->uid);
  return datagram.sender.host();
}

}  // namespace

struct Control::Receiver {
  Receiver(event::Loop& loop, std::shared_ptr<net::DatagramSocket> opened)
      : socket(std::move(opened)), poll(loop, socket->fd()) {}

  session::ControlDeclaration declaration;
  std::shared_ptr<net::DatagramSocket> socket;
  event::Poll poll;
};

// The sessions of one account, as the workers tell of them.
struct Control::Closing {
  std::string account;
  std::size_t count = 0;
  std::size_t missing = 0;  // workers that have not answered
};

Control::Control(event::Loop& loop, event::Mailbox& home, const Branches& branches,
                 const log::Logger& logger)
    : loop_(loop),
      home_(home),
      branches_(branches),
      logger_(logger),
      buffer_(wire::control::kMaxDatagram) {}

Control::~Control() = default;

// --- sockets

Control::Prepared Control::prepare(const std::vector<session::ControlDeclaration>& wanted) {
  Prepared prepared;
  for (const auto& declaration : wanted) {
    const auto found = std::ranges::find_if(open_, [&declaration](const auto& receiver) {
      return receiver->declaration.has_socket_of(declaration);
    });
    if (found != open_.end()) {
      prepared.push_back(*found);
      continue;
    }
    auto socket = net::DatagramSocket::bind(declaration.where, declaration.socket);
    prepared.push_back(std::make_shared<Receiver>(loop_, std::move(socket)));
  }
  return prepared;
}

void Control::commit(const std::vector<session::ControlDeclaration>& wanted, Prepared prepared) {
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    Receiver* const receiver = prepared[i].get();
    receiver->declaration = wanted[i];
    if (receiver->poll.is_active()) continue;
    receiver->poll.start(UV_READABLE, [this, receiver](int, int) { receive(*receiver); });
  }
  open_ = std::move(prepared);
}

void Control::close() noexcept {
  for (const auto& receiver : open_) receiver->socket->remove_file();
  open_.clear();
}

// --- datagrams

void Control::receive(Receiver& receiver) {
  for (int i = 0; i < kMostAtOnce; ++i) {
    const auto datagram = receiver.socket->receive(buffer_);
    if (!datagram) return;
    handle(receiver.declaration, *datagram);
  }
}

void Control::handle(const session::ControlDeclaration& declaration,
                     const net::Datagram& datagram) {
  if (!is_allowed(declaration, datagram)) {
    report(datagram, "not allowed");
  } else if (!datagram.is_whole) {
    report(datagram, "too long");
  } else {
    run_commands(datagram);
  }
}

void Control::run_commands(const net::Datagram& datagram) {
  wire::control::Reader reader{datagram.bytes};
  while (const auto command = reader.next()) {
    const auto known = std::ranges::find(kCommands, command->number, &Command::number);
    if (known != std::end(kCommands)) (this->*known->run)(as_text(command->payload));
  }
  if (reader.mistake() != nullptr) report(datagram, reader.mistake());
}

void Control::report(const net::Datagram& datagram, std::string_view why) {
  const std::string peer = peer_of(datagram);
  if (!throttle_.admit(peer, Clock::now())) return;
  logger_.warning("control datagram ignored", log::field("peer", peer), log::field("reason", why),
                  log::field("length", datagram.bytes.size()));
}

// --- commands

void Control::disconnect_database(std::string_view account) {
  const auto branches = branches_.get();
  if (account.empty() || !branches) return;
  const auto closing = std::make_shared<Closing>();
  closing->account = account;
  closing->missing = branches->size();
  for (const Branch& there : *branches) {
    there.mailbox->post([this, closing, sessions = there.sessions] {
      const std::size_t count =
          session::stop_account(*sessions, closing->account, session::StopReason::Dropped);
      home_.post([this, closing, count] { add(*closing, count); });
    });
  }
}

void Control::add(Closing& closing, std::size_t count) {
  closing.count += count;
  if (--closing.missing > 0 || closing.count == 0) return;
  logger_.notice("closed sessions", log::field("count", closing.count),
                 log::field("account", closing.account));
}

}  // namespace perilune::daemon
