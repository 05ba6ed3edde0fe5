#include "session/selection.hh"

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <utility>

#include "session/session.hh"

namespace perilune::session {

namespace {

struct Field {
  std::string_view name;
  std::string (*value)(const Session& session);
};

std::string text_of(const SharedText& text) { return text.text(); }

constexpr Field kFields[] = {
    {"account", [](const Session& session) { return session.account; }},
    {"address", [](const Session& session) { return session.peer().host(); }},
    {"database", [](const Session& session) { return text_of(session.database); }},
    {"listener", [](const Session& session) { return session.listener().declaration.label; }},
    {"server", [](const Session& session) { return session.server.expand().text(); }},
    {"user", [](const Session& session) { return text_of(session.user); }},
    {"waits_for", [](const Session& session) { return std::string(session.waits_for()); }},
};

constexpr std::array<std::pair<std::string_view, Selection::Order>, 5> kOrders{{
    {"id", Selection::Order::Id},
    {"age", Selection::Order::Age},
    {"bytes", Selection::Order::Bytes},
    {"statements", Selection::Order::Statements},
    {"busy", Selection::Order::Busy},
}};

// What may be a password is not shown.
constexpr std::array<std::string_view, 2> kTelling{"password", "identified"};
constexpr std::string_view kHidden = "(hidden: it may hold a password)";

bool contains_word(std::string_view text, std::string_view word) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  };
  return std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
}

bool is_telling(std::string_view text) {
  return std::ranges::any_of(kTelling, [text](auto word) { return contains_word(text, word); });
}

bool fits(const Session& session, const Selection& selection) {
  if (!session.is_introduced() || session.id() <= selection.after) return false;
  return std::ranges::all_of(selection.fields, [&session](const auto& wanted) {
    const auto* const field = std::ranges::find(kFields, wanted.first, &Field::name);
    return field != std::end(kFields) && field->value(session) == wanted.second;
  });
}

bool is_running(const Session& session) {
  return session.statement && std::string_view(session.waits_for()) != "client";
}

Millis statement_age(const Session& session) {
  return session.services().loop.now() - session.statement->since();
}

// The greater, the sooner it is shown.
std::uint64_t rank_of(const Session& session, Selection::Order order) {
  using Order = Selection::Order;
  switch (order) {
    case Order::Id:
      return ~std::uint64_t{session.id()};
    case Order::Age:
      return ~static_cast<std::uint64_t>(session.connected_at().time_since_epoch().count());
    case Order::Bytes:
      return session.traffic.from_client + session.traffic.from_server;
    case Order::Statements:
      return session.traffic.statements;
    case Order::Busy:
      break;
  }
  return is_running(session) ? static_cast<std::uint64_t>(statement_age(session).count()) + 1 : 0;
}

SessionView view_of(const Session& session, unsigned worker, std::uint64_t rank) {
  SessionView view;
  view.row = row_of(session, worker);
  view.listener = session.listener().declaration.label;
  view.generation = session.listener().generation;
  view.waits_for = session.waits_for();
  view.rank = rank;
  if (!session.statement) return view;
  const StatementNote& note = *session.statement;
  view.statement_kind = note.kind();
  view.statement = is_telling(note.text()) ? kHidden : note.text();
  view.is_cut = note.is_cut();
  view.is_running = is_running(session);
  view.statement_age = statement_age(session);
  return view;
}

// The best at the front, in order; the others are cut off.
template <typename Items, typename Before>
void keep_best(Items& items, std::size_t limit, Before before) {
  const std::size_t count = std::min(limit, items.size());
  const auto middle = items.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(items.begin(), middle, items.end(), before);
  items.erase(middle, items.end());
}

}  // namespace

std::optional<Selection::Order> order_of(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(kOrders, name, &decltype(kOrders)::value_type::first);
  if (found == kOrders.end()) return std::nullopt;
  return found->second;
}

bool is_field(std::string_view name) noexcept {
  return std::ranges::find(kFields, name, &Field::name) != std::end(kFields);
}

SessionPage select(SessionList& sessions, unsigned worker, const Selection& selection) {
  using Ranked = std::pair<std::uint64_t, const Session*>;
  std::vector<Ranked> ranked;
  sessions.for_each([&ranked, &selection](const Session& session) {
    if (fits(session, selection)) ranked.emplace_back(rank_of(session, selection.order), &session);
  });
  SessionPage page;
  page.total = ranked.size();
  keep_best(ranked, selection.limit, [](const Ranked& a, const Ranked& b) {
    return std::pair(b.first, a.second->id()) < std::pair(a.first, b.second->id());
  });
  for (const auto& [rank, session] : ranked) page.rows.push_back(view_of(*session, worker, rank));
  return page;
}

void merge(SessionPage& page, SessionPage more, const Selection& selection) {
  page.total += more.total;
  std::ranges::move(more.rows, std::back_inserter(page.rows));
  keep_best(page.rows, selection.limit, [](const SessionView& a, const SessionView& b) {
    return std::pair(b.rank, a.row.id) < std::pair(a.rank, b.row.id);
  });
}

}  // namespace perilune::session
