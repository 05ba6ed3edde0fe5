#include "proto/postgres/named_texts.hh"

#include <algorithm>
#include <utility>

namespace perilune::proto::postgres {

namespace {

// What a name takes besides its texts.
constexpr std::size_t kOverhead = 256;

template <typename Map>
auto find_in(const Map& map, std::string_view name) -> decltype(map.begin()->second.value) {
  const auto found = map.find(name);
  if (found == map.end()) return nullptr;
  return found->second.value;
}

}  // namespace

NamedTexts::SharedStatement NamedTexts::statement(std::string_view name) const {
  return find_in(statements_, name);
}

NamedTexts::SharedPortal NamedTexts::portal(std::string_view name) const {
  return find_in(portals_, name);
}

std::size_t NamedTexts::claim(std::size_t bytes) noexcept {
  const std::size_t granted = std::min(bytes, kMostBytes - used_);
  used_ += granted;
  return granted;
}

template <typename Shared>
void NamedTexts::erase(ByName<Shared>& map, std::string_view name) {
  const auto found = map.find(name);
  if (found == map.end()) return;
  used_ -= found->second.claimed;
  map.erase(found);
}

void NamedTexts::put(std::string_view name, SharedStatement statement) {
  erase(statements_, name);
  if (!statement) return;
  const std::size_t fixed =
      kOverhead + name.size() + statement->types.size() * sizeof(std::uint32_t);
  if (fixed > kMostBytes - used_) return;
  const std::size_t granted = claim(fixed + statement->text.size());
  statement->text.resize(granted - fixed);
  statements_[std::string(name)] = {std::move(statement), granted};
}

// A portal keeps its statement's text alive, whatever becomes of that one's name.
void NamedTexts::put(std::string_view name, SharedPortal portal, std::uint64_t born) {
  erase(portals_, name);
  if (!portal) return;
  const std::size_t text = portal->statement ? portal->statement->text.size() : 0;
  const std::size_t fixed = kOverhead + name.size() + text;
  if (fixed > kMostBytes - used_) return;
  const std::size_t granted = claim(fixed + portal->values.size());
  portal->is_cut = portal->is_cut || granted - fixed < portal->values.size();
  portal->values.resize(granted - fixed);
  portals_[std::string(name)] = {std::move(portal), granted, born};
}

void NamedTexts::end_portals(std::uint64_t before) {
  std::erase_if(portals_, [&](const auto& entry) {
    const bool is_old = entry.second.born < before;
    if (is_old) used_ -= entry.second.claimed;
    return is_old;
  });
}

}  // namespace perilune::proto::postgres
