#include "unit/wire/postgres/session_file.hh"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "support/hex.hh"
#include "wire/postgres/framing.hh"

namespace perilune::test::postgres {

using namespace perilune::wire::postgres;

namespace {

RecordedStep read_step(const std::string& word, std::istream& file) {
  RecordedStep step;
  std::string rest;
  if (word == "goodbye") {
    step.kind = RecordedStep::Kind::Goodbye;
    return step;
  }
  file >> rest;
  if (word == "idle") {
    step.kind = RecordedStep::Kind::Idle;
    step.status = static_cast<TransactionStatus>(rest.at(0));
    return step;
  }
  if (word != "C" && word != "S") throw std::runtime_error("unknown word " + word);
  step.kind = word == "C" ? RecordedStep::Kind::Client : RecordedStep::Kind::Server;
  step.bytes = from_hex(rest);
  return step;
}

RecordedSession load(const std::filesystem::path& path) {
  RecordedSession session;
  session.name = path.stem();
  std::ifstream file{path};
  std::string word;
  std::vector<RecordedStep>* steps = nullptr;
  while (file >> word) {
    if (word == "login") {
      steps = &session.login;
    } else if (word == "commands") {
      steps = &session.commands;
    } else {
      steps->push_back(read_step(word, file));
    }
  }
  if (session.login.empty()) throw std::runtime_error("login of " + session.name);
  return session;
}

std::filesystem::path folder() { return PERILUNE_TEST_DATA "/postgres_sessions"; }

}  // namespace

std::vector<RecordedSession> recorded_sessions() {
  std::vector<RecordedSession> sessions;
  for (const auto& entry : std::filesystem::directory_iterator{folder()}) {
    if (entry.path().extension() == ".txt") sessions.push_back(load(entry.path()));
  }
  std::ranges::sort(sessions, {}, &RecordedSession::name);
  return sessions;
}

RecordedSession recorded_session(std::string_view name) {
  return load(folder() / (std::string(name) + ".txt"));
}

std::vector<Buffer> login_bodies(const RecordedSession& session, RecordedStep::Kind kind,
                                 char tag) {
  Buffer stream;
  for (const RecordedStep& step : session.login) {
    const bool untagged = step.bytes.front() == std::byte{0};
    if (step.kind == kind && !untagged) append(stream, step.bytes);
  }
  std::vector<Buffer> bodies;
  Bytes left = stream;
  while (!left.empty()) {
    const auto message = front_message(left, kMaxAuthMessage);
    if (!message || !message->complete) throw std::runtime_error("login of " + session.name);
    const Bytes body = message->body;
    if (message->tag == tag) bodies.emplace_back(body.begin(), body.end());
    left = left.subspan(message->size);
  }
  return bodies;
}

}  // namespace perilune::test::postgres
