#include "unit/wire/mysql/session_file.hh"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "support/hex.hh"
#include "wire/mysql/framing.hh"
#include "wire/mysql/handshake.hh"

namespace perilune::test {

using namespace wire::mysql;

namespace {

RecordedSession load(const std::filesystem::path& path) {
  RecordedSession session;
  session.name = path.stem();
  std::ifstream file{path};
  std::string word;
  std::vector<Part>* parts = nullptr;
  while (file >> word) {
    if (word == "login") {
      parts = &session.login;
    } else if (word == "command" || word == "pipelined") {
      session.commands.push_back({word == "pipelined", {}});
      parts = &session.commands.back().parts;
    } else {
      std::string hex;
      file >> hex;
      parts->push_back({word == "C", from_hex(hex)});
    }
  }
  const auto greeting = decode_greeting(first_payload(session.login.at(0).bytes));
  const auto response = decode_handshake_response(first_payload(session.login.at(1).bytes));
  if (!greeting || !response) throw std::runtime_error("login of " + session.name);
  session.capabilities = greeting->capabilities & response->capabilities;
  return session;
}

}  // namespace

std::vector<RecordedSession> recorded_sessions() {
  std::vector<RecordedSession> sessions;
  for (const auto& entry : std::filesystem::directory_iterator{PERILUNE_TEST_DATA "/sessions"}) {
    if (entry.path().extension() == ".txt") sessions.push_back(load(entry.path()));
  }
  std::ranges::sort(sessions, {}, &RecordedSession::name);
  return sessions;
}

Bytes first_payload(Bytes bytes) { return bytes.subspan(kHeaderSize, decode_header(bytes).length); }

Buffer packet(Bytes payload, std::uint8_t sequence) {
  Buffer out;
  append_packets(out, payload, sequence);
  return out;
}

}  // namespace perilune::test
