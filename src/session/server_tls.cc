#include "session/server_tls.hh"

#include <memory>

namespace perilune::session {

ServerTls make_server_tls(const net::TlsWish& wish) {
  ServerTls tls;
  tls.mode = wish.mode;
  tls.server_name = wish.server_name;
  if (wish.mode != net::TlsMode::Disable) tls.client = std::make_shared<net::TlsClient>(wish.files);
  return tls;
}

void start_tls(net::Stream& server, const ConnectTo& decision, const net::Address& address) {
  const ServerTls& tls = decision.tls;
  const std::string name =
      tls.server_name.empty() ? net::host_of(decision.target) : tls.server_name;
  server.start_tls(std::make_unique<net::Tls>(tls.client, name, address.text() + ' ' + name));
}

std::string tls_problem(const net::Stream& server) {
  const net::Tls& tls = *server.tls();
  const bool is_established = tls.is_open() || tls.state() == net::Tls::State::Closed;
  if (!is_established && tls.error().empty()) return "the server closed the connection";
  if (!is_established) return tls.error();
  const std::string problem = tls.verification_error();
  return problem.empty() ? problem : "the server's certificate: " + problem;
}

}  // namespace perilune::session
