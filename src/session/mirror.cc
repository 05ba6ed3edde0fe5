#include "session/mirror.hh"

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "event/first_of.hh"
#include "event/latch.hh"
#include "net/dialing.hh"

namespace perilune::session {

namespace {

constexpr Millis kConnectLimit{5000};
constexpr Millis kFarewellLimit{5000};

using StreamPtr = std::unique_ptr<net::Stream>;

event::Task<> flush(net::Stream& stream) { co_await stream.flushed(); }

}  // namespace

// One target. Outlives the session until it has everything.
class Mirror::Copy final : private net::Receiver {
 public:
  Copy(Session& session, Target target)
      : services_(session.services()),
        counts_(session.listener().counts),
        metrics_(session.metrics()),
        target_(std::move(target)),
        session_name_(session.name()),
        is_over_(services_.loop) {}
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  ~Copy() = default;

  static event::Task<> live(std::shared_ptr<Copy> copy);

  void take(Bytes data);
  void end() { is_over_.set(); }

 private:
  std::size_t on_data(Bytes data) override { return data.size(); }
  void after_data() override {}
  void on_end(int code) override;
  void on_drained() override;

  event::Task<> open();
  event::Task<> finish();
  std::size_t waiting() const noexcept { return stream_ ? stream_->queued() : early_.size(); }
  void give_up(std::string_view why, std::size_t dropped);

  Services& services_;
  std::shared_ptr<stats::ListenerCells> counts_;  // keeps what the next refers to
  stats::Cells& metrics_;
  Target target_;
  std::string session_name_;
  Buffer early_;  // what came before the connection was made
  StreamPtr stream_;
  event::Latch is_over_;  // the session, or this
  bool given_up_ = false;
};

event::Task<> Mirror::Copy::live(std::shared_ptr<Copy> copy) {
  co_await copy->open();
  if (!copy->given_up_) co_await copy->is_over_;
  if (!copy->given_up_) co_await copy->finish();
  copy->stream_.reset();
}

event::Task<> Mirror::Copy::open() {
  net::Dialing dialing{services_.loop};
  std::optional<StreamPtr> stream;
  std::string reason = "connect: timed out";
  auto reaching = dialing.dial(target_, kConnectLimit);
  try {
    stream = co_await event::within(services_.loop, kConnectLimit, std::move(reaching));
  } catch (const std::exception& error) {
    reason = error.what();
  }
  if (given_up_) co_return;
  if (!stream) {
    give_up(reason, waiting());
    co_return;
  }
  const Buffer early = std::exchange(early_, {});
  stream_ = *std::move(stream);
  stream_->set_receiver(this);
  take(early);
}

void Mirror::Copy::take(Bytes data) {
  if (given_up_) return metrics_.mirror_bytes_dropped.add(data.size());
  const std::size_t before = waiting();
  if (before > kMaxWaiting) return give_up("too slow", before + data.size());
  if (!stream_) return append(early_, data);
  stream_->write(data);
  if (stream_->is_broken()) give_up("the connection broke", before + data.size());
}

// One that merely ends its side may go on listening.
void Mirror::Copy::on_end(int code) {
  if (code < 0) give_up(uv_strerror(code), waiting());
}

void Mirror::Copy::on_drained() {
  if (stream_->is_broken()) give_up("the connection broke", waiting());
}

event::Task<> Mirror::Copy::finish() {
  stream_->shut_down();
  auto flushing = flush(*stream_);
  const bool in_time = co_await event::within(services_.loop, kFarewellLimit, std::move(flushing));
  if (stream_->is_broken()) give_up("the connection broke", waiting());
  if (!in_time) give_up("too slow", waiting());
}

// Its connection is closed by its task: a callback of the stream's may be on the stack.
void Mirror::Copy::give_up(std::string_view why, std::size_t dropped) {
  if (std::exchange(given_up_, true)) return;
  metrics_.mirrors_failed.add();
  metrics_.mirror_bytes_dropped.add(dropped);
  early_ = Buffer{};
  const std::string target = net::text_of(target_);
  services_.logger.with(session_name_)
      .info("mirror failed", log::field("target", target), log::field("reason", why),
            log::field("dropped", dropped));
  is_over_.set();
}

Mirror::Mirror(Session& session, const std::vector<Target>& targets) {
  for (const Target& target : targets) {
    copies_.push_back(std::make_shared<Copy>(session, target));
    session.services().background.spawn(Copy::live(copies_.back()));
  }
}

Mirror::~Mirror() {
  for (const auto& copy : copies_) copy->end();
}

void Mirror::copy(Bytes data) {
  for (const auto& copy : copies_) copy->take(data);
}

std::unique_ptr<Mirror> make_mirror(Session& session, const std::vector<Target>& targets) {
  return targets.empty() ? nullptr : std::make_unique<Mirror>(session, targets);
}

}  // namespace perilune::session
