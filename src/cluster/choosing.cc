#include <algorithm>
#include <random>

#include "cluster/cluster.hh"

namespace perilune::cluster {

namespace {

std::uint64_t random_number() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return generator();
}

bool is_full(const Member& member) noexcept {
  const std::uint64_t limit = member.settings.max_connections;
  return limit > 0 && member.node->sessions() >= limit;
}

bool is_known_up(const Member& member) noexcept {
  return is_up(member.node->health()) && !member.node->is_draining();
}

Choice lacking(Choice::Lack lack) {
  Choice choice;
  choice.lack = lack;
  return choice;
}

}  // namespace

bool Tried::contains(const Node& node) const noexcept {
  return std::ranges::any_of(tried_, [&node](const auto& tried) {
    return tried.first == &node && tried.second == node.changes();
  });
}

Choice Cluster::choose(const Wish& wish, const Tried& tried) {
  const auto all = members();
  if (is_unsettled(*all)) return lacking(Choice::Lack::Unprobed);
  std::vector<Usable> usable = find_usable(*all, wish);
  if (usable.empty()) return lacking(Choice::Lack::Unusable);
  std::erase_if(usable, [&tried](const Usable& one) { return tried.contains(*one.member->node); });
  if (usable.empty()) return lacking(Choice::Lack::Tried);
  keep_best(usable, wish);
  const std::uint64_t turn = turn_.fetch_add(1, std::memory_order_relaxed);
  // Others may be faster to take a node's last place.
  for (;;) {
    std::erase_if(usable, [](const Usable& one) { return is_full(*one.member); });
    if (usable.empty()) return lacking(Choice::Lack::Full);
    const Member& member = *usable[pick(usable, wish, turn)].member;
    if (!member.node->enter(member.settings.max_connections)) continue;
    if (!is_monitored()) member.node->begin_trial(Clock::now());
    Choice choice;
    choice.lease = std::make_unique<Lease>(member.node, wish.read_only, settings_);
    return choice;
  }
}

bool Cluster::would_stay(const Node& node, const Wish& wish) const {
  const auto all = members();
  std::vector<Usable> usable = find_usable(*all, wish);
  keep_best(usable, wish);
  const auto present = std::ranges::find_if(
      usable, [&node](const Usable& one) { return one.member->node.get() == &node; });
  if (present == usable.end()) return false;
  if (!settings_->policy->is_sticky) return true;
  return pick(usable, wish, 0) == static_cast<std::size_t>(present - usable.begin());
}

bool Cluster::is_any_promising() const {
  const auto all = members();
  const auto now = Clock::now();
  return std::ranges::any_of(*all, [now](const Member& member) {
    return !member.node->is_draining() && !member.node->is_avoided(now);
  });
}

std::size_t Cluster::count_untried(const Tried& tried) const {
  const auto all = members();
  const auto usable = find_usable(*all, {});
  return static_cast<std::size_t>(std::ranges::count_if(
      usable, [&tried](const Usable& one) { return !tried.contains(*one.member->node); }));
}

Members Cluster::usable(const Wish& wish) const {
  const auto all = members();
  Members found;
  for (const Usable& one : find_usable(*all, wish)) {
    if (!is_full(*one.member)) found.push_back(*one.member);
  }
  return found;
}

// While something may still turn out to be available, nothing less will do.
bool Cluster::is_unsettled(const Members& members) const noexcept {
  if (!is_monitored() || std::ranges::any_of(members, is_known_up)) return false;
  return std::ranges::any_of(members, [](const Member& member) {
    return member.node->health() == NodeState::Unknown && !member.node->is_draining();
  });
}

// By state, then whether it is a backup. Zero: nobody is sent there.
int Cluster::worth_of(const Member& member, const Wish& wish) const noexcept {
  if (member.node->is_draining()) return 0;
  NodeState health = is_monitored() ? member.node->health() : NodeState::Available;
  if (wish.read_only && is_up(health)) {
    const bool is_read_only = health == NodeState::ReadOnly;
    health = is_read_only ? NodeState::Available : NodeState::ReadOnly;
  }
  if (health == NodeState::Down) return 0;
  return static_cast<int>(health) * 2 + (member.settings.backup ? 0 : 1);
}

// Without monitoring one that has failed is avoided unless all are: nobody would find out that it
// is back.
std::vector<Cluster::Usable> Cluster::find_usable(const Members& members, const Wish& wish) const {
  std::vector<Usable> usable;
  std::vector<Usable> avoided;
  const auto now = Clock::now();
  for (const Member& member : members) {
    const int worth = worth_of(member, wish);
    if (worth == 0) continue;
    const bool is_avoided = !is_monitored() && member.node->is_avoided(now);
    (is_avoided ? avoided : usable).push_back({&member, worth});
  }
  return usable.empty() ? avoided : usable;
}

// What the script has chosen is the best there is, if it is there and has a place.
void Cluster::keep_best(std::vector<Usable>& usable, const Wish& wish) {
  const auto chosen = std::ranges::find_if(usable, [&wish](const Usable& one) {
    return wish.preferred && one.member->settings.endpoint == *wish.preferred &&
           !is_full(*one.member);
  });
  if (chosen != usable.end()) {
    usable = {*chosen};
    return;
  }
  const auto best = std::ranges::max_element(usable, {}, &Usable::worth);
  if (best == usable.end()) return;
  std::erase_if(usable, [worth = best->worth](const Usable& one) { return one.worth < worth; });
}

std::size_t Cluster::pick(std::span<const Usable> best, const Wish& wish,
                          std::uint64_t turn) const {
  std::vector<Candidate> candidates;
  for (const Usable& one : best) {
    candidates.push_back(
        {one.member->hashed, one.member->settings.weight, one.member->node->sessions()});
  }
  Question question;
  question.key = as_bytes(wish.key);
  question.source = wish.source;
  question.turn = turn;
  question.random = random_number();
  return settings_->policy->choose(candidates, question);
}

}  // namespace perilune::cluster
