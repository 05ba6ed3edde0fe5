#include "net/dialing.hh"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "event/first_of.hh"
#include "event/timer.hh"

namespace perilune::net {

namespace {

// How often a full backlog of a unix socket is tried again; the kernel has no event for it.
constexpr Millis kBacklogRetry{10};

// Zero: no limit.
Millis rest_of(Millis limit, Clock::time_point begin) {
  if (limit <= Millis{}) return Millis{};
  const auto passed = std::chrono::duration_cast<Millis>(Clock::now() - begin);
  return std::max(limit - passed, Millis{1});
}

}  // namespace

event::Task<std::unique_ptr<Stream>> Dialing::dial(Endpoint target, Millis limit) {
  const Clock::time_point begin = Clock::now();
  std::vector<Address> addresses;
  if (const auto* address = std::get_if<Address>(&target)) {
    addresses.push_back(*address);
  } else {
    const HostName name = std::get<HostName>(target);
    addresses = co_await resolve(loop_, name);
  }
  co_return co_await dial_any(std::move(addresses), rest_of(limit, begin));
}

event::Task<std::unique_ptr<Stream>> Dialing::dial_any(std::vector<Address> addresses,
                                                       Millis limit) {
  const Clock::time_point begin = Clock::now();
  int status = 0;
  auto left = std::ssize(addresses);
  for (const Address& address : addresses) {
    const Millis share = left > 1 ? rest_of(limit, begin) / left : Millis{};
    --left;
    status = co_await try_within(address, share);
    if (status == 0) break;
  }
  event::check(status, "connect");
  auto stream = attempt_->take();
  attempt_.reset();
  co_return stream;
}

// What is given up while it connects was never accepted by the server: nothing counts it there.
event::Task<int> Dialing::try_within(Address address, Millis limit) {
  address_ = address;
  auto attempt = try_until_decided(address);
  const auto status = co_await event::within(loop_, limit, std::move(attempt));
  if (!status || *status != 0) attempt_.reset();
  co_return status.value_or(UV_ETIMEDOUT);
}

event::Task<int> Dialing::try_until_decided(Address address) {
  attempt_.emplace(loop_, address);
  int status = co_await *attempt_;
  while (status == UV_EAGAIN) {
    co_await event::Sleep(loop_, kBacklogRetry);
    attempt_.emplace(loop_, address);
    status = co_await *attempt_;
  }
  co_return status;
}

std::optional<Connecting> Dialing::take_attempt() {
  if (!attempt_ || !attempt_->is_pending()) return std::nullopt;
  std::optional<Connecting> attempt{std::move(*attempt_)};
  attempt_.reset();
  return attempt;
}

}  // namespace perilune::net
