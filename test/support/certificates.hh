#pragma once

#include <string>

namespace perilune::test {

// An authority, a server's certificate of its for localhost and 127.0.0.1, and a client's, in files
// of a folder that goes with the object.
class Certificates {
 public:
  Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;
  ~Certificates();

  std::string ca() const { return folder_ + "/ca.pem"; }
  std::string cert() const { return folder_ + "/server.pem"; }
  std::string key() const { return folder_ + "/server.key"; }
  std::string client_cert() const { return folder_ + "/client.pem"; }
  std::string client_key() const { return folder_ + "/client.key"; }

 private:
  std::string folder_;
};

}  // namespace perilune::test
