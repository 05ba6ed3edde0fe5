#include "proto/raw/fanout_target.hh"

#include <exception>
#include <utility>

#include "proto/raw/opening.hh"

namespace perilune::proto::raw {

FanoutTarget::FanoutTarget(session::Session& session, Owner& owner, session::ConnectTo where,
                           net::Stream* reply_to)
    : session_(session),
      owner_(owner),
      where_(std::move(where)),
      name_(net::text_of(where_.target)),
      reply_to_(reply_to) {}

event::Task<> FanoutTarget::reach() {
  try {
    stream_ = co_await connect(session_, std::move(where_), address_);
  } catch (const std::exception& error) {
    failure_ = error.what();
  }
}

void FanoutTarget::start() {
  stream_->set_receiver(this);
  stream_->offer();
}

void FanoutTarget::give(Bytes data) {
  if (!stream_) return;
  const std::size_t waiting = stream_->queued();
  stream_->write(data);
  if (stream_->is_broken()) return fail("the connection broke", waiting + data.size());
  is_full_ = is_full_ || stream_->queued() > net::Stream::kHighWater;
}

void FanoutTarget::end() noexcept {
  was_told_end_ = true;
  if (stream_) stream_->shut_down();
}

void FanoutTarget::reset() noexcept {
  if (stream_) stream_->reset();
}

// --- what it says

std::size_t FanoutTarget::on_data(Bytes data) {
  if (reply_to_ == nullptr) return data.size();
  reply_to_->write(data);
  session_.traffic.from_server += data.size();
  session_.metrics().server_bytes.add(data.size());
  if (reply_to_->queued() > net::Stream::kHighWater) stream_->pause();
  return data.size();
}

void FanoutTarget::after_data() {
  if (stream_->has_ended() && !stream_->is_paused()) on_end(stream_->end_code());
}

void FanoutTarget::on_end(int code) {
  if (code == 0 && stream_->is_paused()) return;  // comes again behind what the client waits for
  const std::size_t waiting = stream_->queued();
  if (code < 0) return fail(uv_strerror(code), waiting);
  if (!was_told_end_ || waiting > 0) return fail("it closed the connection", waiting);
  has_everything_ = true;
  stream_.reset();
  owner_.target_is_over(*this);
}

void FanoutTarget::on_drained() {
  if (stream_->is_broken()) return fail("the connection broke", stream_->queued());
  is_full_ = false;
  owner_.target_has_room();
}

void FanoutTarget::resume_replies() {
  if (!stream_ || !stream_->is_paused()) return;
  stream_->resume();
  stream_->offer();
}

void FanoutTarget::fail(std::string why, std::size_t lost) {
  failure_ = std::move(why);
  lost_ = lost;
  is_full_ = false;
  stream_.reset();
  owner_.target_is_over(*this);
}

}  // namespace perilune::proto::raw
