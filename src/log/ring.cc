#include "log/ring.hh"

#include <cstring>

namespace perilune::log {

namespace {

constexpr std::size_t kAlignment = 8;
// The rest of the memory is left out: what follows is at the front.
constexpr std::uint32_t kSkip = UINT32_MAX;

std::size_t aligned(std::size_t size) noexcept {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

// Uninitialised: the kernel gives memory that is not used yet only once it is.
Ring::Ring(std::size_t capacity) : capacity_(aligned(capacity)), bytes_(new char[capacity_]) {}

std::size_t Ring::needed(std::size_t size) noexcept { return aligned(sizeof(Header) + size); }

void Ring::put_header(std::size_t at, Header header) noexcept {
  std::memcpy(bytes_.get() + at, &header, sizeof header);
}

Ring::Header Ring::header_at(std::size_t at) const noexcept {
  Header header;
  std::memcpy(&header, bytes_.get() + at, sizeof header);
  return header;
}

bool Ring::push(std::string_view bytes, std::uint32_t session) noexcept {
  const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  const std::size_t need = needed(bytes.size());
  const std::size_t at = tail % capacity_;
  const std::size_t skipped = capacity_ - at < need ? capacity_ - at : 0;
  const std::uint64_t used = tail - head_.load(std::memory_order_seq_cst);
  if (bytes.size() >= kSkip || skipped + need > capacity_ - used) return false;
  if (skipped > 0) put_header(at, {kSkip, 0});
  const std::size_t begin = skipped > 0 ? 0 : at;
  put_header(begin, {static_cast<std::uint32_t>(bytes.size()), session});
  std::memcpy(bytes_.get() + begin + sizeof(Header), bytes.data(), bytes.size());
  tail_.store(tail + skipped + need, std::memory_order_seq_cst);
  return true;
}

void Ring::peek(std::vector<Item>& items, const Part& part) const {
  items.clear();
  const std::uint64_t tail = tail_.load(std::memory_order_seq_cst);
  std::uint64_t head = head_.load(std::memory_order_relaxed);
  std::size_t total = 0;
  while (head != tail && head < part.before && items.size() < part.items) {
    const std::size_t at = head % capacity_;
    const Header header = header_at(at);
    if (header.size == kSkip) {
      head += capacity_ - at;
      continue;
    }
    const std::size_t size = header.size;
    total += size;
    if (!items.empty() && total > part.bytes) break;
    head += needed(size);
    items.push_back({{bytes_.get() + at + sizeof(Header), size}, header.session, head});
  }
}

}  // namespace perilune::log
