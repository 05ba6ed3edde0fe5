#include "proto/raw/fanout.hh"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "util/error.hh"

namespace perilune::proto::raw {

namespace {

session::ConnectTo connection_to(const session::FanOut& wish, session::Target target) {
  session::ConnectTo where;
  where.target = std::move(target);
  where.tls = wish.tls;
  where.connect_timeout = wish.connect_timeout;
  where.send_proxy = wish.send_proxy;
  return where;
}

}  // namespace

Fanout::Fanout(session::Session& session, net::Stream& client, session::FanOut wish)
    : session_(session),
      client_(client),
      on_failure_(wish.on_failure),
      decided_(session.loop()),
      over_(session.loop()),
      tasks_(session.loop()) {
  FanoutTarget::Owner& owner = *this;
  for (std::size_t i = 0; i < wish.targets.size(); ++i) {
    net::Stream* const reply_to = wish.reply_from == i ? &client_ : nullptr;
    session::ConnectTo where = connection_to(wish, std::move(wish.targets[i]));
    targets_.push_back(std::make_unique<FanoutTarget>(session, owner, std::move(where), reply_to));
  }
}

// What was read and waits for a slow target is lost to all.
Fanout::~Fanout() {
  session_.set_ending(nullptr);
  for (const auto& target : targets_) {
    const bool was_counted = target->has_failed() && !closes_on_failure();
    if (target->has_everything() || was_counted) continue;
    count_lost(*target, target->lost() + target->queued() + client_.input().size());
  }
}

// --- connecting

event::Task<> Fanout::connect() {
  connecting_ = targets_.size();
  for (const auto& target : targets_) tasks_.spawn(reach(*target));
  co_await decided_;
  if (!is_lost()) co_return;
  client_.reset();
  throw PeerError(failure_);
}

event::Task<> Fanout::reach(FanoutTarget& target) {
  co_await target.reach();
  --connecting_;
  if (target.has_failed()) note_failure(target);
  if (connecting_ == 0 || is_lost()) decided_.set();
}

bool Fanout::closes_on_failure() const noexcept {
  return on_failure_ == session::FanOut::OnFailure::Close;
}

bool Fanout::is_lost() const noexcept {
  return closes_on_failure() ? failed_ > 0 : failed_ == targets_.size();
}

// --- running

event::Task<> Fanout::run() {
  session_.set_ending(this);
  session_.enter(session::Phase::Commands);
  idle_ = session::watch_idleness(session_, [this] { return delivered(); });
  client_.set_receiver(this);
  for (const auto& target : targets_) {
    if (target->is_open()) target->start();
  }
  client_.offer();
  co_await over_;
  client_.set_receiver(nullptr);
  if (end_ == End::AllHaveEnded) {
    co_await client_.flushed();
    co_return;
  }
  client_.reset();
  if (end_ == End::TargetFailed) throw PeerError(failure_);
  for (const auto& target : targets_) target->reset();
  throw ClientGone("reset the connection");
}

std::size_t Fanout::on_data(Bytes data) {
  if (end_ != End::None) return 0;
  session_.traffic.from_client += data.size();
  session_.metrics().client_bytes.add(data.size());
  for (const auto& target : targets_) target->give(data);
  if (is_held_back()) client_.pause();
  return data.size();
}

void Fanout::after_data() {
  if (client_.has_ended() && !client_.is_paused()) on_end(client_.end_code());
}

void Fanout::on_end(int code) {
  if (code < 0) return end(End::SourceBroke);
  // Behind what waits for a slow target it comes again.
  if (client_.is_paused() || std::exchange(source_has_ended_, true)) return;
  for (const auto& target : targets_) target->end();
}

// Who has ended well need not hear the answers.
void Fanout::on_drained() {
  if (client_.is_broken() && !source_has_ended_) return end(End::SourceBroke);
  for (const auto& target : targets_) target->resume_replies();
}

bool Fanout::is_held_back() const noexcept {
  return std::ranges::any_of(targets_, [](const auto& target) { return target->is_full(); });
}

bool Fanout::has_open_targets() const noexcept {
  return std::ranges::any_of(targets_, [](const auto& target) { return target->is_open(); });
}

// Within on_data the source is not paused yet.
void Fanout::target_has_room() {
  if (end_ != End::None || !client_.is_paused() || is_held_back()) return;
  client_.resume();
  client_.offer();
}

// Once the source has ended the others may as well have everything.
void Fanout::target_is_over(FanoutTarget& target) {
  if (target.has_failed()) note_failure(target);
  const bool is_over = !has_open_targets() || (is_lost() && !source_has_ended_);
  if (is_over) return end(is_lost() ? End::TargetFailed : End::AllHaveEnded);
  target_has_room();
}

void Fanout::note_failure(const FanoutTarget& target) {
  ++failed_;
  session_.metrics().fanout_targets_failed.add();
  if (failure_.empty()) failure_ = fmt::format("target {}: {}", target.name(), target.failure());
  if (closes_on_failure()) return;
  const std::string name = session_.name();
  session_.services().logger.with(name).warning(
      "target failed", log::field("target", target.name()), log::field("reason", target.failure()));
  count_lost(target, target.lost());
}

void Fanout::count_lost(const FanoutTarget& target, std::size_t bytes) {
  if (bytes == 0) return;
  session_.metrics().fanout_bytes_lost.add(bytes);
  const std::string name = session_.name();
  session_.services().logger.with(name).warning("bytes lost", log::field("target", target.name()),
                                                log::field("bytes", bytes));
}

void Fanout::end(End how) {
  if (end_ != End::None) return;
  end_ = how;
  over_.set();
}

// --- idleness and the end from outside

// What a target takes out of its queue is a sign of life as well.
std::uint64_t Fanout::delivered() const noexcept {
  std::uint64_t bytes = session_.traffic.from_client + session_.traffic.from_server;
  for (const auto& target : targets_) bytes -= target->queued();
  return bytes - client_.queued();
}

void Fanout::say_farewell(session::StopReason reason) {
  if (reason == session::StopReason::IdleTimeout) return;
  client_.reset();
  for (const auto& target : targets_) target->reset();
}

}  // namespace perilune::proto::raw
