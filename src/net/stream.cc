#include "net/stream.hh"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace perilune::net {

namespace {

uv_buf_t uv_buffer(Bytes data) noexcept {
  // libuv's buffers are not const, but writing does not change them.
  return uv_buf_init(const_cast<char*>(as_text(data).data()), static_cast<unsigned>(data.size()));
}

event::Handle<uv_tcp_t> open_socket(event::Loop& loop, UniqueFd socket) {
  auto handle = event::make_handle<uv_tcp_t>(
      [&loop](uv_tcp_t* tcp) { return uv_tcp_init(loop.uv(), tcp); }, "uv_tcp_init");
  // libuv asks nothing of the address family here: unix sockets work as well.
  event::check(uv_tcp_open(handle.get(), socket.value()), "uv_tcp_open");
  socket.release();
  return handle;
}

// libuv takes a hang-up behind the last data for an end, whatever its reason.
int pending_error(int fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? -error : 0;
}

void wipe(MutableBytes bytes) noexcept {
  if (!bytes.empty()) ::explicit_bzero(bytes.data(), bytes.size());
}

#ifdef PERILUNE_POISON
// Whoever keeps a view into the shared buffer longer than a callback shall see it in tests.
void poison(MutableBytes buffer) noexcept { std::memset(buffer.data(), 0xDD, buffer.size()); }
#else
void poison(MutableBytes) noexcept {}
#endif

}  // namespace

struct Stream::WriteRequest {
  WriteRequest() = default;
  WriteRequest(const WriteRequest&) = delete;
  WriteRequest& operator=(const WriteRequest&) = delete;
  ~WriteRequest() {
    if (sensitive) wipe(data);
  }

  uv_write_t request{};
  Buffer data;
  bool sensitive = false;
};

Stream::Stream(event::Loop& loop, UniqueFd socket)
    : Stream(loop, open_socket(loop, std::move(socket))) {}

Stream::Stream(event::Loop& loop, event::Handle<uv_tcp_t> socket)
    : loop_(loop), socket_(std::move(socket)) {
  socket_->data = this;
}

Stream::~Stream() {
  if (!tls_ || broken_ || queued() > 0) return;
  tls_->close(loop_.cipher_buffer());
  flush_cipher();
}

int Stream::fd() const noexcept {
  uv_os_fd_t fd = -1;
  uv_fileno(reinterpret_cast<const uv_handle_t*>(socket_.get()), &fd);
  return fd;
}

void Stream::set_sensitive(bool sensitive) noexcept {
  sensitive_ = sensitive;
  if (tls_) tls_->set_sensitive(sensitive);
}

void Stream::set_no_delay() noexcept { uv_tcp_nodelay(socket_.get(), 1); }

void Stream::consume(std::size_t count) noexcept {
  kept_begin_ += count;
  assert(kept_begin_ <= kept_.size());
  if (kept_begin_ < kept_.size()) return;
  if (sensitive_) wipe(kept_);
  kept_begin_ = 0;
  kept_ = Buffer{};  // an idle stream holds no memory
}

void Stream::keep(Bytes data) {
  if (kept_begin_ > 0) {
    kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(kept_begin_));
    kept_begin_ = 0;
  }
  if (sensitive_ && kept_.capacity() < kept_.size() + data.size()) {
    Buffer larger;
    larger.reserve(2 * (kept_.size() + data.size()));
    append(larger, kept_);
    wipe(kept_);
    kept_ = std::move(larger);
  }
  append(kept_, data);
}

// --- reading

void Stream::start_reading() {
  if (reading_ || ended_) return;
  const int code = uv_read_start(
      uv(),
      [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
        auto* stream = static_cast<Stream*>(handle->data);
        *buffer = stream != nullptr ? uv_buffer(stream->loop_.read_buffer()) : uv_buf_t{};
      },
      [](uv_stream_t* handle, ssize_t count, const uv_buf_t*) {
        if (handle->data != nullptr) static_cast<Stream*>(handle->data)->received(count);
      });
  event::check(code, "uv_read_start");
  reading_ = true;
}

void Stream::stop_reading() noexcept {
  if (std::exchange(reading_, false)) uv_read_stop(uv());
}

void Stream::discard(MutableBytes used) const noexcept {
  if (sensitive_) wipe(used);
  poison(used);
}

void Stream::received(ssize_t count) {
  if (count == 0) return;  // libuv: would block
  if (count < 0) {
    mark_end(count == UV_EOF ? pending_error(fd()) : static_cast<int>(count));
    tell_end();
    return;
  }
  const MutableBytes data = loop_.read_buffer().first(static_cast<std::size_t>(count));
  if (tls_) {
    received_cipher(data);
  } else {
    deliver(data);
  }
}

void Stream::start_tls(std::unique_ptr<Tls> tls) {
  tls_ = std::move(tls);
  tls_->set_sensitive(sensitive_);
  const Buffer early(input().begin(), input().end());
  consume(early.size());
  Bytes rest = early;
  do {
    const Bytes next = rest.first(std::min(rest.size(), event::Loop::kReadBuffer));
    rest = rest.subspan(next.size());
    const MutableBytes plain = decrypt(next);
    keep(plain);
    discard(plain);
  } while (!rest.empty());
}

void Stream::received_cipher(Bytes cipher) {
  const bool was_open = tls_->is_open();
  const MutableBytes plain = decrypt(cipher);
  if (!plain.empty()) {
    deliver(plain);
  } else if (tls_->has_ended()) {
    tell_end();
  } else if (!was_open && tls_->is_open() && reader_ != nullptr) {
    wake_reader();
  }
}

// In the loop's second buffer. What TLS has to say by itself is sent.
MutableBytes Stream::decrypt(Bytes cipher) {
  Buffer& out = loop_.cipher_buffer();
  const MutableBytes room = loop_.plain_buffer();
  const std::size_t size = tls_->receive(cipher, room, out);
  flush_cipher();
  if (tls_->has_ended()) mark_end(tls_->state() == Tls::State::Failed ? UV_EPROTO : 0);
  return room.first(size);
}

void Stream::flush_cipher() {
  write_raw(loop_.cipher_buffer());
  loop_.cipher_buffer().clear();
}

// Nothing of the stream is touched after a waiter was resumed: it may have destroyed it.
void Stream::deliver(MutableBytes data) {
  if (receiver_ != nullptr && !paused_) {
    Receiver& receiver = *receiver_;
    if (input().empty()) {
      const std::size_t taken = receiver.on_data(data);
      if (taken < data.size()) keep(data.subspan(taken));
    } else {
      keep(data);
      consume(receiver.on_data(input()));
    }
    discard(data);
    receiver.after_data();
    return;
  }
  keep(data);
  discard(data);
  if (reader_ != nullptr) {
    wake_reader();
    return;
  }
  stop_reading();  // nobody wants it now: the rest waits in the kernel
}

void Stream::wake_reader() { std::exchange(reader_, nullptr)->waiter_.resume(); }

void Stream::mark_end(int code) noexcept {
  stop_reading();
  ended_ = true;
  end_code_ = code;
}

void Stream::tell_end() {
  if (reader_ != nullptr) {
    reader_->at_end_ = true;
    wake_reader();
  } else if (receiver_ != nullptr) {
    receiver_->on_end(end_code_);
  } else if (hangup_listener_ != nullptr) {
    std::exchange(hangup_listener_, nullptr)->on_hangup(end_code_);
  }
}

void Stream::set_receiver(Receiver* receiver) noexcept {
  assert(reader_ == nullptr);
  receiver_ = receiver;
  paused_ = false;
  if (receiver_ != nullptr) start_reading();
}

void Stream::offer() {
  if (receiver_ == nullptr || paused_) return;
  Receiver& receiver = *receiver_;
  if (!input().empty()) {
    consume(receiver.on_data(input()));
    receiver.after_data();
  } else if (ended_) {
    receiver.on_end(end_code_);
  }
}

// Reading goes on until data does arrive: stopping and starting costs four system calls.
void Stream::pause() noexcept { paused_ = true; }

void Stream::resume() noexcept {
  if (!std::exchange(paused_, false)) return;
  if (!reading_) start_reading();
}

Stream::Fill::~Fill() {
  if (stream_.reader_ == this) stream_.reader_ = nullptr;
}

void Stream::Fill::await_suspend(std::coroutine_handle<> waiter) {
  assert(stream_.reader_ == nullptr && stream_.receiver_ == nullptr);
  waiter_ = waiter;
  stream_.reader_ = this;
  stream_.start_reading();
}

event::Task<> finish_handshake(Stream& stream) {
  bool more = true;
  while (more && !stream.tls()->is_open()) {
    more = co_await stream.fill();
  }
}

// --- writing

void Stream::write(Bytes data) {
  if (!tls_) {
    write_raw(data);
    return;
  }
  tls_->send(data, loop_.cipher_buffer());
  flush_cipher();
}

void Stream::write_raw(Bytes data) {
  if (broken_ || data.empty()) return;
  if (queued() == 0) {
    const uv_buf_t buffer = uv_buffer(data);
    const int written_now = uv_try_write(uv(), &buffer, 1);
    if (written_now < 0 && written_now != UV_EAGAIN) {
      broken_ = true;
      return;
    }
    if (written_now > 0) data = data.subspan(static_cast<std::size_t>(written_now));
  }
  if (!data.empty()) queue(data);
}

void Stream::queue(Bytes data) {
  auto request = std::make_unique<WriteRequest>();
  request->data.assign(data.begin(), data.end());
  request->sensitive = sensitive_;
  request->request.data = request.get();
  const uv_buf_t buffer = uv_buffer(request->data);
  const int code = uv_write(&request->request, uv(), &buffer, 1, [](uv_write_t* done, int status) {
    const std::unique_ptr<WriteRequest> owner{static_cast<WriteRequest*>(done->data)};
    auto* stream = static_cast<Stream*>(done->handle->data);
    if (stream != nullptr) stream->written(status);
  });
  if (code < 0) {
    broken_ = true;
    return;
  }
  static_cast<void>(request.release());
  if (queued() > kHighWater) above_high_water_ = true;
}

std::size_t Stream::queued() const noexcept { return uv_stream_get_write_queue_size(uv()); }

void Stream::written(int status) {
  if (status < 0) broken_ = true;
  if (writer_ != nullptr && (broken_ || queued() == 0)) {
    std::exchange(writer_, nullptr)->waiter_.resume();
    return;
  }
  if (!broken_ && (!above_high_water_ || queued() > kHighWater / 2)) return;
  above_high_water_ = false;
  if (receiver_ != nullptr) receiver_->on_drained();
}

void Stream::Flushed::await_suspend(std::coroutine_handle<> waiter) noexcept {
  assert(stream_.writer_ == nullptr);
  waiter_ = waiter;
  stream_.writer_ = this;
}

Stream::Flushed::~Flushed() {
  if (stream_.writer_ == this) stream_.writer_ = nullptr;
}

void Stream::shut_down() noexcept {
  if (broken_) return;
  if (tls_) {
    tls_->close(loop_.cipher_buffer());
    flush_cipher();
  }
  auto request = std::make_unique<uv_shutdown_t>();
  const int code = uv_shutdown(request.get(), uv(), [](uv_shutdown_t* done, int) { delete done; });
  if (code >= 0) static_cast<void>(request.release());
}

// Connecting a TCP socket to nowhere resets it at once, as closing it with a linger time of zero
// would, and leaves the descriptor to its owner.
void Stream::reset() noexcept {
  stop_reading();
  broken_ = true;
  sockaddr nowhere{};
  nowhere.sa_family = AF_UNSPEC;
  if (::connect(fd(), &nowhere, sizeof nowhere) != 0) ::shutdown(fd(), SHUT_RDWR);
}

}  // namespace perilune::net
