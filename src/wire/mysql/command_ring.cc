#include "wire/mysql/command_ring.hh"

namespace perilune::wire::mysql {

void CommandRing::grow() {
  auto bigger = std::make_unique<DueCommand[]>(std::size_t{capacity_} * 2);
  for (std::size_t i = 0; i < size_; ++i) bigger[i] = slots()[(first_ + i) & (capacity_ - 1U)];
  heap_ = std::move(bigger);
  first_ = 0;
  capacity_ = static_cast<std::uint16_t>(capacity_ * 2);
}

void CommandRing::shrink() noexcept {
  heap_.reset();
  first_ = 0;
  capacity_ = kInline;
}

}  // namespace perilune::wire::mysql
