#include "daemon/listeners.hh"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "util/error.hh"

namespace perilune::daemon {

namespace {

net::FileRights rights_of(const session::ListenerOptions& options) {
  net::FileRights rights;
  if (options.mode) rights.mode = static_cast<mode_t>(*options.mode);
  rights.user = options.user;
  rights.group = options.group;
  return rights;
}

void refuse_duplicates(const std::vector<session::ListenerDeclaration>& wanted) {
  for (auto a = wanted.begin(); a != wanted.end(); ++a) {
    const auto same = [&a](const auto& b) { return b.where == a->where; };
    if (std::any_of(std::next(a), wanted.end(), same)) {
      throw ConfigError(fmt::format("two listeners on {}", a->label));
    }
  }
}

}  // namespace

Listeners::Listeners(std::vector<systemd::PassedSocket> passed) : passed_(std::move(passed)) {}

std::vector<std::string> Listeners::passed_names() const {
  std::vector<std::string> names;
  for (const auto& socket : passed_) names.push_back(socket.name);
  return names;
}

std::vector<Sockets> Listeners::prepare(const std::vector<session::ListenerDeclaration>& wanted) {
  refuse_duplicates(wanted);
  std::vector<Sockets> prepared;
  for (const auto& declaration : wanted) {
    Sockets sockets = find_open(declaration.where);
    prepared.push_back(sockets.empty() ? open_new(declaration) : std::move(sockets));
  }
  return prepared;
}

Sockets Listeners::find_open(const session::ListenWhere& where) const {
  for (std::size_t i = 0; i < declared_.size(); ++i) {
    if (declared_[i].where == where) return open_[i];
  }
  return {};
}

Sockets Listeners::open_new(const session::ListenerDeclaration& declaration) {
  const auto& options = declaration.options;
  if (const auto* which = std::get_if<session::SystemdSockets>(&declaration.where)) {
    return passed(*which, options.backlog);
  }
  const auto& address = std::get<net::Address>(declaration.where);
  return {net::ListenSocket::bind(address, options.backlog, rights_of(options))};
}

// A copy of the descriptor, so that a listener which a reload drops can come back later.
Sockets Listeners::passed(const session::SystemdSockets& which, int backlog) {
  Sockets sockets;
  for (const auto& socket : passed_) {
    if (!which.name.empty() && socket.name != which.name) continue;
    UniqueFd copy{::fcntl(socket.fd.value(), F_DUPFD_CLOEXEC, 0)};
    if (!copy) throw SystemError("cannot use a socket of systemd", errno);
    sockets.push_back(net::ListenSocket::adopt(std::move(copy), backlog));
  }
  if (!sockets.empty()) return sockets;
  if (which.name.empty()) throw ConfigError("No systemd socket: none was passed");
  throw ConfigError(
      fmt::format("No systemd socket with FileDescriptorName={} was passed", which.name));
}

std::vector<std::string> Listeners::commit(const std::vector<session::ListenerDeclaration>& wanted,
                                           std::vector<Sockets> prepared) {
  std::vector<std::string> problems;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    for (const auto& socket : prepared[i]) {
      try {
        socket->set_backlog(wanted[i].options.backlog);
        if (!socket->is_adopted()) socket->set_rights(rights_of(wanted[i].options));
      } catch (const std::exception& e) {
        problems.emplace_back(e.what());
      }
    }
  }
  declared_ = wanted;
  open_ = std::move(prepared);
  return problems;
}

void Listeners::close() noexcept {
  for (const Sockets& sockets : open_) {
    for (const auto& socket : sockets) socket->remove_file();
  }
  open_.clear();
}

}  // namespace perilune::daemon
