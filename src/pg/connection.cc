#include "pg/connection.hh"

#include <libpq-fe.h>

#include <memory>
#include <utility>

#include "event/first_of.hh"
#include "event/latch.hh"
#include "event/offload.hh"
#include "event/poll.hh"

namespace perilune::pg {

namespace {

// For the server to end what was cancelled.
constexpr Millis kCancelLimit{10000};

// Begins a connection, on another thread: files are read and the system is asked for the user's
// name. Whoever holds it last ends what nobody took.
struct Starting {
  explicit Starting(Options given) : options(std::move(given)) {}
  Starting(const Starting&) = delete;
  Starting& operator=(const Starting&) = delete;
  ~Starting() { PQfinish(connection); }

  void start() {
    std::vector<const char*> names;
    std::vector<const char*> values;
    for (const auto& [name, value] : options.all()) {
      names.push_back(name.c_str());
      values.push_back(value.c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    connection = PQconnectStartParams(names.data(), values.data(), 0);
  }

  Options options;
  PGconn* connection = nullptr;
};

struct FreeCancel {
  void operator()(PGcancel* cancel) const noexcept { PQfreeCancel(cancel); }
};

struct FreeNotify {
  void operator()(PGnotify* notify) const noexcept { PQfreemem(notify); }
};

struct FreeText {
  void operator()(char* text) const noexcept { PQfreemem(text); }
};

std::string message_of(const PGconn* connection) {
  const std::string message = connection != nullptr ? PQerrorMessage(connection) : "out of memory";
  return message.empty() ? "the connection is lost\n" : message;
}

bool is_copy(ExecStatusType status) noexcept {
  return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

}  // namespace

Connection::Connection(event::Loop& loop, Notified notified, Noticed noticed)
    : loop_(loop), notified_(std::move(notified)), noticed_(std::move(noticed)) {}

Connection::~Connection() {
  if (connection_ == nullptr) return;
  if (busy_) {
    if (auto request = make_cancel_request()) event::offload_detached(loop_, std::move(request));
  }
  PQfinish(connection_);
}

void Connection::fail() { throw Lost(last_error_.empty() ? message_of(connection_) : last_error_); }

// --- opening

event::Task<> Connection::open(Options options) {
  const auto starting = std::make_shared<Starting>(std::move(options));
  event::Offload start{loop_, [starting] { starting->start(); }};
  co_await start;
  connection_ = std::exchange(starting->connection, nullptr);
  if (connection_ == nullptr || PQstatus(connection_) == CONNECTION_BAD) fail();
  PQsetNoticeProcessor(
      connection_,
      [](void* self, const char* text) { static_cast<Connection*>(self)->noticed_(text); }, this);
  co_await poll_until_open();
  if (PQsetnonblocking(connection_, 1) != 0) fail();
}

event::Task<> Connection::poll_until_open() {
  PostgresPollingStatusType status = PGRES_POLLING_WRITING;
  while (status != PGRES_POLLING_OK) {
    if (status == PGRES_POLLING_FAILED) fail();
    const int events = status == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE;
    co_await ready(events);
    status = PQconnectPoll(connection_);
  }
}

// The socket may be another one at every step of opening: it is watched for one event only.
event::Task<int> Connection::ready(int events) {
  const int socket = PQsocket(connection_);
  if (socket < 0) fail();
  event::Latch happened{loop_};
  event::Poll poll{loop_, socket};
  int seen = events;
  poll.start(events, [&poll, &happened, &seen](int status, int what) {
    poll.stop();
    if (status == 0) seen = what;
    happened.set();
  });
  co_await happened;
  co_return seen;
}

// --- statements

event::Task<Answer> Connection::run(Query query) {
  auto failure = send(query);
  if (failure) co_return *std::move(failure);
  co_await flush();
  Answer answer = co_await collect();
  co_return answer;
}

std::optional<Failure> Connection::send(const Query& query) {
  last_error_.clear();
  int sent = 0;
  if (query.parameters) {
    std::vector<const char*> values;
    for (const auto& value : *query.parameters) values.push_back(value ? value->c_str() : nullptr);
    sent = PQsendQueryParams(connection_, query.text.c_str(), static_cast<int>(values.size()),
                             nullptr, values.data(), nullptr, nullptr, 0);
  } else {
    sent = PQsendQuery(connection_, query.text.c_str());
  }
  if (sent != 0) {
    busy_ = true;
    return std::nullopt;
  }
  if (PQstatus(connection_) == CONNECTION_BAD) fail();
  return Failure{message_of(connection_)};
}

event::Task<> Connection::flush() {
  while (const int left = PQflush(connection_)) {
    if (left < 0) fail();
    const int events = co_await ready(UV_READABLE | UV_WRITABLE);
    // A server that is busy telling us something does not read on.
    if ((events & UV_READABLE) != 0) consume();
  }
}

event::Task<Answer> Connection::collect() {
  Answer last = Failure{"the server sent no answer\n"};
  for (;;) {
    while (PQisBusy(connection_) != 0) {
      co_await ready(UV_READABLE);
      consume();
    }
    PGresult* const result = PQgetResult(connection_);
    if (result == nullptr) break;
    last = answer_of(result);
  }
  busy_ = false;
  pass_notifications_on();
  co_return last;
}

Answer Connection::answer_of(pg_result* result) {
  Rows rows{result};
  const ExecStatusType status = PQresultStatus(result);
  if (is_copy(status)) {
    last_error_ = "ERROR:  COPY from or to the client is not supported\n";
    fail();  // the only way out of it
  }
  const bool is_error = status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
  if (!is_error) return rows;
  last_error_ = PQresultErrorMessage(result);
  return Failure{last_error_};
}

event::Task<> Connection::receive() {
  co_await ready(UV_READABLE);
  consume();
}

void Connection::consume() {
  const bool alive = PQconsumeInput(connection_) != 0;
  pass_notifications_on();
  if (!alive) fail();
}

void Connection::pass_notifications_on() {
  while (const std::unique_ptr<PGnotify, FreeNotify> notify{PQnotifies(connection_)}) {
    notified_(notify->relname);
  }
}

// --- cancelling

event::Task<> Connection::cancel() {
  if (!busy_) co_return;
  auto cancelling = cancel_and_drain();
  const bool in_time = co_await event::within(loop_, kCancelLimit, std::move(cancelling));
  if (!in_time) throw Lost("the server does not end a statement that was cancelled\n");
}

event::Task<> Connection::cancel_and_drain() {
  event::Offload request{loop_, make_cancel_request()};
  co_await request;
  co_await flush();
  const Answer ended = co_await collect();
  if (!ended) last_error_.clear();  // nobody's
}

// It makes a connection of its own, and waits for it.
UniqueFunction<void()> Connection::make_cancel_request() {
  const std::shared_ptr<PGcancel> cancel{PQgetCancel(connection_), FreeCancel{}};
  return [cancel] {
    char error[256];
    if (cancel) PQcancel(cancel.get(), error, sizeof error);
  };
}

std::string Connection::quote_name(const std::string& name) {
  const std::unique_ptr<char, FreeText> quoted{
      PQescapeIdentifier(connection_, name.data(), name.size())};
  if (!quoted) fail();
  return quoted.get();
}

}  // namespace perilune::pg
