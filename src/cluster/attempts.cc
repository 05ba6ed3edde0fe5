#include "cluster/attempts.hh"

#include <fmt/format.h>

#include <algorithm>

#include "event/timer.hh"

namespace perilune::cluster {

namespace {

// How often who waits looks again.
constexpr Millis kLookEvery{50};

// How long after all have failed they are tried again, if nobody finds one earlier.
constexpr Millis kAgainAfter{1000};

bool may_pass(Choice::Lack lack) noexcept { return lack != Choice::Lack::Tried; }

}  // namespace

Attempts::Attempts(event::Loop& loop, std::shared_ptr<Cluster> cluster, Wish wish, unsigned retry,
                   Millis limit)
    : loop_(loop),
      cluster_(std::move(cluster)),
      wish_(std::move(wish)),
      is_limited_(limit > Millis{}),
      end_(Clock::now() + limit),
      retries_(retry),
      retries_left_(retry) {}

event::Task<std::unique_ptr<Lease>> Attempts::next() {
  if (pauses_) co_await pause();
  for (;;) {
    Choice choice = cluster_->choose(wish_, tried_);
    if (choice.lease) co_return std::move(choice.lease);
    const bool is_late = is_limited_ && Clock::now() >= end_;
    if (is_late || !may_pass(choice.lack)) throw NoNode(complaint(choice.lack));
    co_await event::Sleep(loop_, kLookEvery);
  }
}

// Somebody else may find out that a node is back.
event::Task<> Attempts::pause() {
  pauses_ = false;
  const auto again = Clock::now() + kAgainAfter;
  while (Clock::now() < std::min(again, end_) && !cluster_->is_any_promising()) {
    co_await event::Sleep(loop_, kLookEvery);
  }
  if (Clock::now() >= end_) throw NoNode(complaint(Choice::Lack::Unusable));
}

Millis Attempts::left() const {
  const auto left = std::chrono::duration_cast<Millis>(end_ - Clock::now());
  return std::max(left, Millis{1});
}

Millis Attempts::share() const {
  if (!is_limited_) return Millis{};
  // The present node is among those that have not failed yet.
  const std::size_t untried = std::max<std::size_t>(cluster_->count_untried(tried_), 1);
  const auto attempts = std::min<std::size_t>(untried, retries_left_ + 1);
  return std::max(left() / static_cast<Millis::rep>(attempts), Millis{1});
}

bool Attempts::fail(Node& node, const std::string& reason, bool refused) {
  cluster_->note_failure(node, reason, refused);
  tried_.add(node);
  last_failure_ = fmt::format("{}: {}", node.text(), reason);
  if (is_limited_ && Clock::now() >= end_) return false;
  if (refused && begin_anew()) return true;
  if (retries_left_ == 0) return false;
  // With no usable node at all there is one to wait for.
  const bool all_tried = cluster_->count_untried(tried_) == 0 && !cluster_->usable(wish_).empty();
  if (all_tried) return false;
  --retries_left_;
  return true;
}

// False: there are others, or somebody who probes will know, or nobody would end it.
bool Attempts::begin_anew() {
  if (!is_limited_ || cluster_->is_monitored() || cluster_->count_untried(tried_) > 0) return false;
  tried_ = {};
  retries_left_ = retries_;
  pauses_ = true;
  return true;
}

std::string Attempts::complaint(Choice::Lack lack) const {
  std::string text = fmt::format("no node of cluster {} ", cluster_->name());
  text += lack == Choice::Lack::Full ? "has a place left (max_connections)" : "is usable";
  text += ": " + cluster_->describe_state();
  if (!last_failure_.empty()) text += "; the last failure: " + last_failure_;
  return text;
}

}  // namespace perilune::cluster
