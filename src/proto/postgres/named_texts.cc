#include "proto/postgres/named_texts.hh"

#include <algorithm>
#include <utility>

namespace perilune::proto::postgres {

namespace {

// What a name takes besides its texts.
constexpr std::size_t kOverhead = 256;

// Of memory that the next portal may have.
constexpr std::size_t kKeptBytes = 4096;

}  // namespace

template <typename Shared>
Shared NamedTexts::find(const Names<Shared>& names, std::string_view name) {
  if (name.empty()) return names.unnamed.value;
  const auto found = names.named.find(name);
  return found != names.named.end() ? found->second.value : nullptr;
}

NamedTexts::SharedStatement NamedTexts::statement(std::string_view name) const {
  return find(statements_, name);
}

NamedTexts::SharedPortal NamedTexts::portal(std::string_view name) const {
  return find(portals_, name);
}

NamedTexts::SharedPortal NamedTexts::make_portal() {
  clear_spare();
  if (!spare_ || spare_.use_count() > 1) spare_ = std::make_shared<Portal>();
  return spare_;
}

// Nobody has it: what it knows is of no use, and much memory would be too much.
void NamedTexts::clear_spare() noexcept {
  if (!spare_ || spare_.use_count() > 1) return;
  if (spare_->values.capacity() > kKeptBytes) return spare_.reset();
  spare_->statement.reset();
  spare_->values.clear();
  spare_->is_cut = false;
}

std::size_t NamedTexts::claim(std::size_t bytes) noexcept {
  const std::size_t granted = std::min(bytes, kMostBytes - used_);
  used_ += granted;
  return granted;
}

template <typename Shared>
void NamedTexts::erase(Names<Shared>& names, std::string_view name) {
  if (name.empty()) {
    used_ -= names.unnamed.claimed;
    names.unnamed = {};
    return;
  }
  const auto found = names.named.find(name);
  if (found == names.named.end()) return;
  used_ -= found->second.claimed;
  names.named.erase(found);
}

template <typename Shared>
void NamedTexts::enter(Names<Shared>& names, std::string_view name, Entry<Shared> entry) {
  if (name.empty()) {
    names.unnamed = std::move(entry);
  } else {
    names.named[std::string(name)] = std::move(entry);
  }
}

void NamedTexts::put(std::string_view name, SharedStatement statement) {
  erase(statements_, name);
  if (!statement) return;
  const std::size_t fixed =
      kOverhead + name.size() + statement->types.size() * sizeof(std::uint32_t);
  if (fixed > kMostBytes - used_) return;
  const std::size_t granted = claim(fixed + statement->text.size());
  statement->text.resize(granted - fixed);
  enter(statements_, name, {std::move(statement), granted, 0});
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
  enter(portals_, name, {std::move(portal), granted, born});
}

void NamedTexts::end_portals(std::uint64_t before) {
  if (portals_.unnamed.born < before) erase(portals_, {});
  std::erase_if(portals_.named, [&](const auto& entry) {
    const bool is_old = entry.second.born < before;
    if (is_old) used_ -= entry.second.claimed;
    return is_old;
  });
  clear_spare();
}

}  // namespace perilune::proto::postgres
