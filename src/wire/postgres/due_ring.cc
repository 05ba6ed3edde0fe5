#include "wire/postgres/due_ring.hh"

namespace perilune::wire::postgres {

void DueRing::grow() {
  auto bigger = std::make_unique<Due[]>(std::size_t{capacity_} * 2);
  for (std::size_t i = 0; i < size_; ++i) bigger[i] = at(i);
  heap_ = std::move(bigger);
  first_ = 0;
  capacity_ = static_cast<std::uint16_t>(capacity_ * 2);
}

void DueRing::shrink() noexcept {
  heap_.reset();
  first_ = 0;
  capacity_ = kInline;
}

}  // namespace perilune::wire::postgres
