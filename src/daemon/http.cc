#include "daemon/http.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "util/error.hh"

namespace perilune::daemon {

namespace {

constexpr int kBacklog = 64;
constexpr std::size_t kShortestToken = 16;
constexpr std::size_t kLongestToken = 1024;
constexpr std::string_view kBlanks = " \t\r\n";

std::string_view trim(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

void check_rights(const UniqueFd& file, const std::string& path) {
  struct stat what {};
  if (::fstat(file.value(), &what) != 0) throw SystemError(path, errno);
  if ((what.st_mode & S_IRWXO) == 0) return;
  throw ConfigError(path + ": others may read or change this token; chmod o= first");
}

}  // namespace

auth::Secret read_token(const std::string& path) {
  const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file) throw SystemError(path, errno);
  check_rights(file, path);
  std::array<char, kLongestToken + 2> buffer{};
  const ssize_t size = ::read(file.value(), buffer.data(), buffer.size());
  if (size < 0) throw SystemError(path, errno);
  auth::Secret token{trim({buffer.data(), static_cast<std::size_t>(size)})};
  auth::wipe(std::as_writable_bytes(std::span(buffer)));
  if (token.size() >= kShortestToken && token.size() <= kLongestToken) return token;
  throw ConfigError(fmt::format("{}: a token has {} to {} characters", path, kShortestToken,
                                kLongestToken));
}

Http::Http(event::Loop& loop, Handlers handlers, const log::Logger& logger)
    : handlers_(std::move(handlers)),
      logger_(logger),
      acceptors_(
          loop,
          [this](UniqueFd socket, net::Address peer, std::size_t place) {
            accept(std::move(socket), peer, place);
          },
          [](int) {}) {}

Http::Prepared Http::prepare(const std::vector<session::HttpDeclaration>& wanted) {
  Prepared prepared;
  std::vector<OpenListener> sockets;
  for (const auto& declaration : wanted) {
    Place place;
    place.declaration = declaration;
    if (!declaration.token_file.empty()) {
      place.token = std::make_shared<const auth::Secret>(read_token(declaration.token_file));
    }
    const auto known = std::ranges::find_if(places_, [&declaration](const Place& open) {
      return open.declaration.where == declaration.where;
    });
    place.socket = known != places_.end()
                       ? known->socket
                       : net::ListenSocket::bind(declaration.where, kBacklog, declaration.rights);
    server_of(declaration.service);
    sockets.push_back({place.socket, sockets.size()});
    prepared.push_back(std::move(place));
  }
  acceptors_.prepare(std::move(sockets));
  return prepared;
}

void Http::commit(Prepared prepared) {
  for (const Place& place : prepared) {
    try {
      place.socket->set_rights(place.declaration.rights);
    } catch (const std::exception& e) {
      logger_.warning("a changed option could not be applied", log::field("reason", e.what()));
    }
  }
  places_ = std::move(prepared);
  acceptors_.commit();
}

void Http::close() noexcept {
  acceptors_.clear();
  for (const Place& place : places_) place.socket->remove_file();
  places_.clear();
}

void Http::end() noexcept {
  admin_.reset();
  metrics_.reset();
}

void Http::tick() noexcept {
  if (metrics_) metrics_->tick();
  if (admin_) admin_->tick();
}

HttpServer& Http::server_of(session::HttpDeclaration::Service service) {
  const bool is_admin = service == session::HttpDeclaration::Service::Admin;
  auto& server = is_admin ? admin_ : metrics_;
  if (!server) {
    server = std::make_unique<HttpServer>(is_admin ? handlers_.admin : handlers_.metrics, logger_);
  }
  return *server;
}

void Http::accept(UniqueFd socket, const net::Address& peer, std::size_t place) {
  const Place& to = places_[place];
  server_of(to.declaration.service).serve(std::move(socket), peer, to.token);
}

}  // namespace perilune::daemon
