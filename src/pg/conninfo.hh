#pragma once

// pg: PostgreSQL lookups: libpq on a worker's loop, which it never blocks. A pool of connections
// takes queries from tasks and completes them. Knows neither Lua nor sessions.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "util/clock.hh"
#include "util/failure.hh"
#include "util/result.hh"

namespace perilune::pg {

// Options of a connection as libpq calls them. Values may be secret: they are wiped.
class Options {
 public:
  Options() = default;
  Options(Options&&) noexcept = default;
  Options& operator=(Options&&) = delete;
  ~Options();

  // Replaces a value that is there.
  void set(std::string_view name, std::string_view value);
  // Empty when it is not there.
  std::string_view find(std::string_view name) const noexcept;
  const std::vector<std::pair<std::string, std::string>>& all() const noexcept { return all_; }
  Options clone() const;

 private:
  std::vector<std::pair<std::string, std::string>> all_;
};

// One of the servers that a connection string names; what is empty is libpq's default.
struct Host {
  std::string name;     // "db.example", an address, or the folder of a unix socket
  std::string address;  // numeric: then nobody asks for the name
  std::string port;
  // Whether DNS has to be asked, which libpq would do in our thread.
  bool needs_lookup() const;
  bool operator==(const Host&) const = default;
};

// A connection string in one of libpq's two forms, understood. No message shows any of it but what
// label() says: it may hold a password.
class Conninfo {
 public:
  static Result<Conninfo, Failure> parse(const std::string& text);

  // In the order in which they are tried; at least one.
  const std::vector<Host>& hosts() const noexcept { return hosts_; }
  // All options, with these hosts in the place of the original ones.
  Options options_with(const std::vector<Host>& hosts) const;

  // For one attempt, all its steps included.
  Millis connect_timeout() const noexcept { return connect_timeout_; }
  // For logs: "db.example:5432/hosting".
  const std::string& label() const noexcept { return label_; }

 private:
  explicit Conninfo(Options options);

  Options options_;
  std::vector<Host> hosts_;
  Millis connect_timeout_;
  std::string label_;
};

}  // namespace perilune::pg
