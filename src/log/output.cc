#include "log/output.hh"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>

namespace perilune::log {

namespace {

struct FileId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const FileId&) const = default;
};

template <typename T>
bool read_whole(std::string_view text, T& number) noexcept {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

// systemd.exec(5): JOURNAL_STREAM is "device:inode", both decimal.
bool parse_journal_stream(std::string_view text, FileId& id) noexcept {
  const std::size_t colon = text.find(':');
  return colon != text.npos && read_whole(text.substr(0, colon), id.device) &&
         read_whole(text.substr(colon + 1), id.inode);
}

Output::Sink sink_of_mode(mode_t mode) noexcept {
  if (S_ISSOCK(mode)) return Output::Sink::Socket;
  return S_ISREG(mode) ? Output::Sink::File : Output::Sink::Pipe;
}

Output::Sink sink_of(int fd) noexcept {
  struct stat status {};
  return fstat(fd, &status) == 0 ? sink_of_mode(status.st_mode) : Output::Sink::File;
}

}  // namespace

Output::Output(int fd, LineFormat format, Level threshold) noexcept
    : fd_(fd), format_(format), sink_(sink_of(fd)), threshold_(threshold) {}

// A reader that is slow is waited for once; one that has stopped reading must not stop the proxy.
bool Output::has_room() noexcept {
  pollfd ready{.fd = fd_, .events = POLLOUT, .revents = 0};
  const bool stalled = stalled_.load(std::memory_order_relaxed);
  const bool room = ::poll(&ready, 1, stalled ? 0 : kPatienceMillis) == 1;
  if (room == stalled) stalled_.store(!room, std::memory_order_relaxed);
  return room;
}

ssize_t Output::write_some(std::string_view text) noexcept {
  if (sink_ == Sink::File) return ::write(fd_, text.data(), text.size());
  if (!has_room()) return 0;
  if (sink_ == Sink::Socket) {
    const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0 || errno != ENOTSOCK) return sent;
  }
  return ::write(fd_, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
}

void Output::write(std::string_view record) noexcept {
  while (!record.empty()) {
    const ssize_t written = write_some(record);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      count_lost();
      return;
    }
    record.remove_prefix(static_cast<std::size_t>(written));
  }
}

LineFormat detect_format(int fd) noexcept {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  FileId journal;
  if (stream == nullptr || !parse_journal_stream(stream, journal)) return LineFormat::Timed;
  struct stat status {};
  if (fstat(fd, &status) != 0) return LineFormat::Timed;
  const FileId ours{status.st_dev, status.st_ino};
  return ours == journal ? LineFormat::Journal : LineFormat::Timed;
}

}  // namespace perilune::log
