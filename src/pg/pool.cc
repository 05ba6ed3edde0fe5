#include "pg/pool.hh"

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "event/first_of.hh"
#include "net/connect.hh"

namespace perilune::pg {

namespace {

constexpr Millis kRetryRefusedChannel{10000};

event::Task<> until(event::Latch& latch) { co_await latch; }

// libpq's messages end with a line break.
std::string_view without_break(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

}  // namespace

struct Pool::Request {
  Request(Pool& owner, Query asked) : pool(owner), query(std::move(asked)), answered(owner.loop_) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() { pool.forget(*this); }

  void complete(Answer with) {
    answer.emplace(std::move(with));
    answered.set();
  }

  Pool& pool;
  Query query;
  std::optional<Answer> answer;
  event::Latch answered;
  Slot* slot = nullptr;  // where it runs
};

// A connection and the task that keeps it.
struct Pool::Slot {
  Slot(event::Loop& loop, std::size_t number) : index(number), bell(loop) {}

  const std::size_t index;
  State state = State::Connecting;
  event::Bell bell;  // there is something to do
  std::unique_ptr<Connection> connection;
  Request* current = nullptr;
  std::optional<event::Latch> given_up;  // by who wanted to know `current`
  unsigned pauses = 0;                   // since the last statement that was answered
};

Pool::Pool(event::Loop& loop, const log::Logger& logger, Conninfo conninfo, PoolOptions options)
    : loop_(loop),
      logger_(logger),
      conninfo_(std::move(conninfo)),
      options_(std::move(options)),
      tasks_(loop) {}

Pool::~Pool() = default;

// --- queries

event::Task<Answer> Pool::execute(std::shared_ptr<Pool> pool, Query query) {
  Request request{*pool, std::move(query)};
  pool->enqueue(request);
  co_await request.answered;
  co_return *std::move(request.answer);
}

void Pool::enqueue(Request& request) {
  queue_.push_back(&request);
  find_a_slot();
}

void Pool::forget(Request& request) noexcept {
  if (request.slot != nullptr) {
    request.slot->current = nullptr;
    request.slot->given_up->set();
  } else {
    std::erase(queue_, &request);
  }
}

Pool::Request* Pool::take_oldest() noexcept {
  if (queue_.empty()) return nullptr;
  Request* const oldest = queue_.front();
  queue_.pop_front();
  return oldest;
}

// For what has come to the queue.
void Pool::find_a_slot() {
  if (Slot* const idle = find(State::Idle)) return idle->bell.ring();
  const auto connecting = std::ranges::count(slots_, State::Connecting, &Slot::state);
  if (queue_.size() <= static_cast<std::size_t>(connecting)) return;
  if (Slot* const pausing = find(State::Pausing)) return pausing->bell.ring();
  if (slots_.size() < options_.connections) add_slot();
}

// One that nobody has rung for yet.
Pool::Slot* Pool::find(State state) noexcept {
  for (const auto& slot : slots_) {
    if (slot->state == state && !slot->bell.rung().is_set()) return slot.get();
  }
  return nullptr;
}

bool Pool::has_connection() const noexcept {
  return std::ranges::any_of(slots_, [](const auto& slot) {
    return slot->state == State::Idle || slot->state == State::Busy;
  });
}

void Pool::add_slot() {
  slots_.push_back(std::make_unique<Slot>(loop_, slots_.size()));
  tasks_.spawn(serve(*slots_.back()));
}

// --- one connection

event::Task<> Pool::serve(Slot& slot) {
  for (;;) {
    const bool connected = co_await connect(slot);
    if (connected) {
      co_await use(slot);
    }
    slot.connection.reset();
    if (listens(slot)) forget_registrations();
    // Only the first connection is made again before somebody needs it.
    const bool at_once = connected && slot.pauses == 0 && slot.index == 0;
    if (at_once) {
      slot.pauses = 1;
    } else {
      co_await pause(slot);
    }
  }
}

event::Task<bool> Pool::connect(Slot& slot) {
  slot.state = State::Connecting;
  std::string reason;
  try {
    auto opening = open(slot);
    const bool in_time =
        co_await event::within(loop_, conninfo_.connect_timeout(), std::move(opening));
    if (!in_time) reason = "connection to " + conninfo_.label() + " failed: timeout expired\n";
  } catch (const std::exception& error) {
    reason = error.what();
  }
  if (reason.empty()) {
    report_return();
    co_return true;
  }
  refuse(reason);
  co_return false;
}

// As long as there is another connection, nobody need know.
void Pool::refuse(const std::string& reason) {
  report_outage(reason);
  if (has_connection()) return;
  if (Request* const oldest = take_oldest()) oldest->complete(Failure{reason});
}

event::Task<> Pool::open(Slot& slot) {
  const std::vector<Host> hosts = co_await look_hosts_up();
  slot.connection = std::make_unique<Connection>(
      loop_, [this](std::string_view channel) { notify(channel); },
      [this](std::string_view text) {
        logger_.debug("PostgreSQL says", log::field("server", conninfo_.label()),
                      log::field("text", without_break(text)));
      });
  co_await slot.connection->open(conninfo_.options_with(hosts));
  if (!options_.schema.empty()) co_await set_search_path(*slot.connection);
}

// A name of several addresses becomes several hosts; one that cannot be found is left out.
event::Task<std::vector<Host>> Pool::look_hosts_up() {
  std::vector<Host> hosts;
  std::string problem;
  for (const Host& host : conninfo_.hosts()) {
    if (!host.needs_lookup()) {
      hosts.push_back(host);
      continue;
    }
    net::HostName name{host.name, 0};
    try {
      const std::vector<net::Address> found = co_await net::resolve(loop_, std::move(name));
      for (const net::Address& one : found) hosts.push_back({host.name, one.host(), host.port});
    } catch (const std::exception& error) {
      problem = error.what();
    }
  }
  if (hosts.empty()) throw Lost(problem + "\n");
  co_return hosts;
}

event::Task<> Pool::set_search_path(Connection& connection) {
  Query query{"SET search_path TO " + connection.quote_name(options_.schema), std::nullopt};
  const Answer done = co_await connection.run(std::move(query));
  if (!done) throw Lost(done.error().message);
}

event::Task<> Pool::use(Slot& slot) {
  std::string reason;
  try {
    co_await work(slot);
  } catch (const std::exception& error) {
    reason = error.what();
  }
  slot.state = State::Pausing;
  report_outage(reason);
}

// Ends by an exception only.
event::Task<> Pool::work(Slot& slot) {
  for (;;) {
    slot.bell.reset();
    slot.state = State::Busy;
    slot.connection->consume();  // nothing is sent into a connection that has ended
    if (listens(slot)) co_await register_channels(slot);
    if (Request* const request = take_oldest()) {
      if (!queue_.empty()) find_a_slot();
      co_await answer(slot, *request);
    } else {
      co_await wait_for_work(slot);
    }
  }
}

event::Task<> Pool::answer(Slot& slot, Request& request) {
  slot.current = &request;
  slot.given_up.emplace(loop_);
  request.slot = &slot;
  auto running = slot.connection->run(std::move(request.query));
  const bool finished = co_await event::FirstOf<Answer>(running, *slot.given_up);
  Request* const asker = std::exchange(slot.current, nullptr);
  if (asker != nullptr) asker->slot = nullptr;
  if (!finished) {
    running.cancel();
    co_await slot.connection->cancel();
    co_return;
  }
  try {
    Answer result = running.take();
    slot.pauses = 0;
    if (asker != nullptr) asker->complete(std::move(result));
  } catch (const std::exception& error) {
    if (asker != nullptr) asker->complete(Failure{error.what()});
    throw;
  }
}

event::Task<> Pool::wait_for_work(Slot& slot) {
  slot.state = State::Idle;
  auto receiving = receive(slot);
  const bool received = co_await event::FirstOf<void>(receiving, slot.bell.rung());
  if (received) receiving.take();
}

event::Task<> Pool::receive(Slot& slot) {
  const bool again = listens(slot) && has_refused_channels();
  const Millis limit = again ? kRetryRefusedChannel : Millis{0};  // zero: no limit
  auto receiving = slot.connection->receive();
  co_await event::within(loop_, limit, std::move(receiving));
}

event::Task<> Pool::pause(Slot& slot) {
  slot.bell.reset();
  slot.state = State::Pausing;
  const Millis limit = slot.index == 0 ? next_pause(slot) : Millis{0};  // zero: no limit
  auto ringing = until(slot.bell.rung());
  const bool rung = co_await event::within(loop_, limit, std::move(ringing));
  if (!rung) ++slot.pauses;
}

// Between half of it and all of it, so that many proxies do not come back at the same moment. While
// queries wait the pauses are short.
Millis Pool::next_pause(const Slot& slot) {
  constexpr unsigned kMostDoublings = 5;
  const unsigned before = std::clamp(slot.pauses, 1U, kMostDoublings + 1) - 1;
  const unsigned doublings = queue_.empty() ? before : 0;
  const Millis longest = std::min(kFirstPause * (1U << doublings), kLongestPause);
  std::uniform_int_distribution<Millis::rep> choose{longest.count() / 2, longest.count()};
  return Millis{choose(random_)};
}

// --- notifications

bool Pool::listen(std::string channel, UniqueFunction<void()> notified) {
  if (std::ranges::find(channels_, channel, &Channel::name) != channels_.end()) return false;
  Channel added;
  added.name = std::move(channel);
  added.notified = std::move(notified);
  channels_.push_back(std::move(added));
  if (slots_.empty()) {
    add_slot();
  } else {
    slots_.front()->bell.ring();
  }
  return true;
}

bool Pool::listens(const Slot& slot) const noexcept { return slot.index == 0; }

// By index: more may come meanwhile.
event::Task<> Pool::register_channels(Slot& slot) {
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    const Channel& channel = channels_[i];
    if (!channel.registered && channel.retry_at <= loop_.now()) {
      co_await register_channel(slot, i);
    }
  }
}

event::Task<> Pool::register_channel(Slot& slot, std::size_t index) {
  Query query{"LISTEN " + slot.connection->quote_name(channels_[index].name), std::nullopt};
  const Answer registered = co_await slot.connection->run(std::move(query));
  Channel& channel = channels_[index];
  if (!registered) {
    channel.retry_at = loop_.now() + kRetryRefusedChannel;
    logger_.warning("PostgreSQL refuses to notify", log::field("server", conninfo_.label()),
                    log::field("channel", channel.name),
                    log::field("reason", without_break(registered.error().message)));
    co_return;
  }
  slot.pauses = 0;
  channel.registered = true;
  if (std::exchange(channel.missed, false)) channel.notified();
}

bool Pool::has_refused_channels() const noexcept {
  return !std::ranges::all_of(channels_, &Channel::registered);
}

void Pool::forget_registrations() noexcept {
  for (Channel& channel : channels_) {
    channel.registered = false;
    channel.missed = true;
    channel.retry_at = Millis{0};
  }
}

void Pool::notify(std::string_view channel) {
  const auto found = std::ranges::find(channels_, channel, &Channel::name);
  if (found != channels_.end()) found->notified();
}

// --- the log

void Pool::report_outage(const std::string& reason) {
  if (has_connection() || std::exchange(is_away_, true)) return;
  logger_.warning("no connection to PostgreSQL", log::field("server", conninfo_.label()),
                  log::field("reason", without_break(reason)));
}

void Pool::report_return() {
  if (!std::exchange(is_away_, false)) return;
  logger_.notice("connected to PostgreSQL again", log::field("server", conninfo_.label()));
}

}  // namespace perilune::pg
