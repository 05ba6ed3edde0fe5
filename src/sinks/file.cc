#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "sinks/sinks.hh"
#include "util/error.hh"
#include "util/fd.hh"

namespace perilune::sinks {

namespace {

constexpr mode_t kUsualMode = 0640;

UniqueFd open_file(const log::QueryLogOptions& options) {
  const mode_t mode = options.mode.value_or(kUsualMode);
  // Who opens a pipe is not to wait for its reader.
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  UniqueFd file{::open(options.target.c_str(), kFlags, mode)};
  if (file && options.mode && ::fchmod(file.value(), mode) != 0) return UniqueFd{};
  return file;
}

class File final : public log::Sink {
 public:
  File(const log::QueryLogOptions& options, UniqueFd file)
      : options_(options), file_(std::move(file)) {}

  Outcome write(std::span<const log::Ring::Item> items) override;
  void wait_for(std::vector<pollfd>& polled) const override {
    polled.push_back({file_.value(), POLLOUT, 0});
  }
  int reopen() override;

 private:
  void gather(std::span<const log::Ring::Item> items);

  log::QueryLogOptions options_;
  UniqueFd file_;
  std::size_t begun_ = 0;  // bytes of the first item that are there already
  std::vector<iovec> pieces_;
};

void File::gather(std::span<const log::Ring::Item> items) {
  pieces_.clear();
  for (const auto& item : items) {
    pieces_.push_back({const_cast<char*>(item.bytes.data()), item.bytes.size()});
  }
  pieces_.front().iov_base = static_cast<char*>(pieces_.front().iov_base) + begun_;
  pieces_.front().iov_len -= begun_;
}

// A disk that is full takes a part, and the rest of the line once it has room again.
log::Sink::Outcome File::write(std::span<const log::Ring::Item> items) {
  Outcome outcome;
  while (outcome.done < items.size()) {
    gather(items.subspan(outcome.done));
    const ssize_t written =
        ::writev(file_.value(), pieces_.data(), static_cast<int>(pieces_.size()));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      outcome.error = errno == EAGAIN ? 0 : errno;
      return outcome;
    }
    outcome.bytes += static_cast<std::uint64_t>(written);
    begun_ += static_cast<std::size_t>(written);
    while (outcome.done < items.size() && begun_ >= items[outcome.done].bytes.size()) {
      begun_ -= items[outcome.done].bytes.size();
      ++outcome.done;
    }
  }
  return outcome;
}

// The rest of a line would be without its beginning in another file.
int File::reopen() {
  UniqueFd again = open_file(options_);
  if (!again) return errno;
  struct stat before {};
  struct stat now {};
  const bool same = ::fstat(file_.value(), &before) == 0 && ::fstat(again.value(), &now) == 0 &&
                    before.st_dev == now.st_dev && before.st_ino == now.st_ino;
  if (!same) begun_ = 0;
  file_ = std::move(again);
  return 0;
}

}  // namespace

std::unique_ptr<log::Sink> make_file(const log::QueryLogOptions& options) {
  UniqueFd file = open_file(options);
  if (!file) {
    throw ConfigError("log_file: cannot open " + options.target + ": " + std::strerror(errno));
  }
  return std::make_unique<File>(options, std::move(file));
}

}  // namespace perilune::sinks
