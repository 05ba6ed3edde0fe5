#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "session/directory.hh"

namespace perilune::session {

// Which sessions somebody wants to see, and which of them first.
struct Selection {
  enum class Order : std::uint8_t { Id, Age, Bytes, Statements, Busy };
  static constexpr std::size_t kMost = 10'000;

  std::map<std::string, std::string> fields;  // "account" and what it must be
  Order order = Order::Id;
  std::size_t limit = 1000;
  std::uint32_t after = 0;  // only those with greater ids
};

// "id", "age", …; nothing for what is none.
std::optional<Selection::Order> order_of(std::string_view name) noexcept;
// Whether a selection may name it.
bool is_field(std::string_view name) noexcept;

// A session as those see it who look on.
struct SessionView {
  SessionRow row;
  std::string listener;
  std::uint64_t generation = 0;
  std::string waits_for;
  std::string statement_kind;  // of the latest statement; empty: nothing is known of it
  std::string statement;       // its beginning
  bool is_cut = false;
  bool is_running = false;    // the statement is not answered yet
  Millis statement_age{};     // since it came
  std::uint64_t rank = 0;     // in the order that was asked for
};

struct SessionPage {
  std::vector<SessionView> rows;
  std::size_t total = 0;  // that fit, shown or not
};

// Of one worker's sessions, on its thread. Memory for no more than `limit` rows.
SessionPage select(SessionList& sessions, unsigned worker, const Selection& selection);
// Puts two pages of one selection together.
void merge(SessionPage& page, SessionPage more, const Selection& selection);

}  // namespace perilune::session
