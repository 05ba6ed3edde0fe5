#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "log/sink.hh"
#include "net/address.hh"
#include "sinks/sinks.hh"
#include "support/catch.hh"
#include "util/fd.hh"

namespace perilune::test {

// A folder of the test's own.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "perilune-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

inline std::string contents(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

// What a queue would hand to a sink.
class Items {
 public:
  Items& add(std::string text, std::uint32_t session = 1) {
    texts_.push_back(std::move(text));
    items_.push_back({texts_.back(), session, items_.size() + 1});
    return *this;
  }
  operator std::span<const log::Ring::Item>() const { return items_; }
  std::span<const log::Ring::Item> from(std::size_t first) const {
    return std::span{items_}.subspan(first);
  }
  std::size_t size() const { return items_.size(); }

 private:
  std::deque<std::string> texts_;
  std::vector<log::Ring::Item> items_;
};

// Who listens at a unix socket.
class Collector {
 public:
  Collector(const std::string& path, int type) {
    const net::Address address = net::Address::unix_name(path);
    socket_ = UniqueFd{::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)};
    REQUIRE(::bind(socket_.value(), address.data(), address.size()) == 0);
    if (type == SOCK_STREAM) REQUIRE(::listen(socket_.value(), 16) == 0);
  }

  int fd() const { return socket_.value(); }
  // -1: nobody comes.
  UniqueFd accept() const {
    pollfd ready{socket_.value(), POLLIN, 0};
    if (::poll(&ready, 1, 2000) != 1) return {};
    return UniqueFd{::accept4(socket_.value(), nullptr, nullptr, SOCK_CLOEXEC)};
  }

 private:
  UniqueFd socket_;
};

inline std::string receive(const UniqueFd& socket) {
  std::array<char, 65536> bytes;
  pollfd ready{socket.value(), POLLIN, 0};
  if (::poll(&ready, 1, 2000) != 1) return "(nothing)";
  const ssize_t size = ::recv(socket.value(), bytes.data(), bytes.size(), 0);
  return size > 0 ? std::string(bytes.data(), static_cast<std::size_t>(size)) : "(the end)";
}

inline log::QueryLogOptions options_for(log::QueryLogOptions::Where where, std::string target) {
  log::QueryLogOptions options;
  options.where = where;
  options.target = std::move(target);
  return options;
}

// Writes until the sink has dealt with all, as the writer's thread does.
inline log::Sink::Outcome write_all(log::Sink& sink, const Items& items) {
  log::Sink::Outcome sum;
  for (int round = 0; round < 1000 && sum.done < items.size(); ++round) {
    const auto outcome = sink.write(items.from(sum.done));
    sum.done += outcome.done;
    sum.lost += outcome.lost;
    sum.bytes += outcome.bytes;
    if (outcome.error != 0) sum.error = outcome.error;
    if (sum.done < items.size()) ::usleep(1000);
  }
  return sum;
}

}  // namespace perilune::test
