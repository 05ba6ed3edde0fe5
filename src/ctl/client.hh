#pragma once

// ctl: perilunectl, the administrator's command. Speaks HTTP with the daemon and knows nothing else
// of it.

#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>

namespace perilune::ctl {

using Json = nlohmann::ordered_json;
using Arguments = std::multimap<std::string, std::string>;

// What the administrator is told instead of an answer.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Where the daemon hears its administrator.
struct Where {
  std::string socket = "/run/perilune/admin.sock";
  std::string url;         // "http://host:9101": instead of the socket
  std::string token_file;  // empty: none
};

class Client {
 public:
  // Throws Failure when the token cannot be read.
  explicit Client(const Where& where);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Throw Failure when there is no answer or it says that something went wrong.
  Json get(const std::string& path, const Arguments& arguments = {});
  Json post(const std::string& path, const Arguments& arguments = {});

 private:
  struct Handle;
  Json ask(const std::string& path, const Arguments& arguments, bool changes);

  std::unique_ptr<Handle> handle_;
  std::string base_;
  std::string where_;  // for messages
};

}  // namespace perilune::ctl
