#include "ctl/top.hh"

#include <curses.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <clocale>
#include <cstdint>
#include <cstdio>
#include <map>
#include <vector>

#include "ctl/table.hh"
#include "ctl/text.hh"

namespace perilune::ctl {

namespace {

constexpr unsigned kMostSessions = 10'000;
constexpr int kHeaderLines = 3;
constexpr const char* kKeys = "q quit   s statements   b bytes   t busy   a age";

// The terminal is ours until the end, whatever ends it.
class Screen {
 public:
  Screen() : screen_(newterm(nullptr, stdout, stdin)) {
    if (screen_ == nullptr) throw Failure("this is no terminal that top could use");
    set_term(screen_);
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  ~Screen() {
    endwin();
    delscreen(screen_);
  }

  void write(int row, const std::string& text, attr_t how = A_NORMAL) const {
    if (row >= LINES) return;
    attrset(how);
    mvaddstr(row, 0, cut(text, static_cast<std::size_t>(COLS)).c_str());
    clrtoeol();
    attrset(A_NORMAL);
  }

 private:
  SCREEN* screen_;
};

struct Counts {
  double statements = 0;
  double bytes = 0;
};

struct Row {
  const Json* session = nullptr;
  Counts rates;
  double rank = 0;
};

// What two looks one after the other have to say.
class Look {
 public:
  explicit Look(Client& client) : client_(client) {}

  // False: it failed; problem() says why.
  bool refresh() {
    const auto at = std::chrono::steady_clock::now();
    try {
      status_ = client_.get("/status");
      answer_ = client_.get("/sessions", {{"limit", std::to_string(kMostSessions)}});
      problem_.clear();
    } catch (const Failure& failure) {
      problem_ = printable(failure.what());
      return false;
    }
    seconds_ = std::chrono::duration<double>(at - at_).count();
    at_ = at;
    std::map<std::uint64_t, Counts> known;
    rows_.clear();
    for (const Json& session : answer_.at("sessions")) rows_.push_back(row_of(session, known));
    known_ = std::move(known);
    const Counts all{number_of(status_, "statements"),
                     number_of(status_, "bytes_in") + number_of(status_, "bytes_out")};
    rates_ = rate(total_, all, has_total_);
    total_ = all;
    has_total_ = true;
    return true;
  }

  const std::string& problem() const noexcept { return problem_; }
  std::vector<Row>& rows() noexcept { return rows_; }

  std::string summary() const {
    return fmt::format("perilune {}  up {}  generation {}  sessions {}  {}/s statements  {}B/s",
                       text_of(status_, "version"), short_time(number_of(status_, "uptime")),
                       text_of(status_, "generation"), text_of(status_, "sessions"),
                       short_count(rates_.statements), short_count(rates_.bytes));
  }

 private:
  Counts rate(const Counts& before, const Counts& after, bool has_before) const {
    if (!has_before || seconds_ <= 0) return {};
    return {std::max(after.statements - before.statements, 0.0) / seconds_,
            std::max(after.bytes - before.bytes, 0.0) / seconds_};
  }

  Row row_of(const Json& session, std::map<std::uint64_t, Counts>& known) {
    const auto id = session.at("id").get<std::uint64_t>();
    const Counts counts{number_of(session, "statements"),
                        number_of(session, "bytes_in") + number_of(session, "bytes_out")};
    const auto before = known_.find(id);
    Row row;
    row.session = &session;
    row.rates = rate(before != known_.end() ? before->second : Counts{}, counts,
                     before != known_.end());
    known.emplace(id, counts);
    return row;
  }

  Client& client_;
  Json status_;
  Json answer_;
  std::vector<Row> rows_;
  std::map<std::uint64_t, Counts> known_;
  std::chrono::steady_clock::time_point at_;
  double seconds_ = 0;
  Counts total_;
  Counts rates_;
  bool has_total_ = false;
  std::string problem_;
};

double busy_seconds(const Json& session) {
  const Json& statement = session.at("statement");
  const bool is_running = !statement.is_null() && statement.value("running", false);
  return is_running ? number_of(statement, "age") : -1;
}

double rank_of(const Row& row, int order) {
  switch (order) {
    case 'b':
      return row.rates.bytes;
    case 't':
      return busy_seconds(*row.session);
    case 'a':
      return -number_of(*row.session, "connected_at");
    default:
      return row.rates.statements;
  }
}

Table table_of(std::vector<Row>& rows, int order, std::size_t most) {
  for (Row& row : rows) row.rank = rank_of(row, order);
  std::ranges::stable_sort(rows, std::ranges::greater{}, &Row::rank);
  if (rows.size() > most) rows.resize(most);
  Table table{{{"ID", true},
               {"USER"},
               {"ACCOUNT"},
               {"DATABASE"},
               {"CLIENT"},
               {"SERVER"},
               {"STMT/S", true},
               {"B/S", true},
               {"WAITS FOR"},
               {"BUSY", true},
               {"STATEMENT"}}};
  for (const Row& row : rows) {
    const Json& session = *row.session;
    const Json& statement = session.at("statement");
    const double busy = busy_seconds(session);
    table.add({text_of(session, "id"), text_of(session, "user"), text_of(session, "account"),
               text_of(session, "database"), text_of(session, "address"),
               text_of(session, "server"), short_count(row.rates.statements),
               short_count(row.rates.bytes), text_of(session, "waits_for"),
               busy < 0 ? "-" : short_time(busy),
               statement.is_null() ? "-" : text_of(statement, "text")});
  }
  return table;
}

void draw(const Screen& screen, Look& look, int order) {
  if (!look.problem().empty()) {
    screen.write(0, look.problem(), A_BOLD);
    refresh();
    return;
  }
  screen.write(0, look.summary(), A_BOLD);
  screen.write(1, kKeys);
  const auto room = static_cast<std::size_t>(std::max(LINES - kHeaderLines, 0));
  const auto lines = table_of(look.rows(), order, room).lines(static_cast<std::size_t>(COLS));
  int row = kHeaderLines - 1;
  for (const std::string& line : lines) {
    screen.write(row, line, row == kHeaderLines - 1 ? A_REVERSE : A_NORMAL);
    ++row;
  }
  if (row < LINES) {
    move(row, 0);
    clrtobot();
  }
  refresh();
}

}  // namespace

int show_top(const Wish& wish) {
  std::setlocale(LC_ALL, "");
  Client client{wish.where};
  Look look{client};
  if (!look.refresh()) throw Failure(look.problem());
  const Screen screen;
  timeout(static_cast<int>(wish.interval * 1000));
  int order = 's';
  for (;;) {
    draw(screen, look, order);
    const int key = getch();
    if (key == 'q') return 0;
    const bool is_order = key == 's' || key == 'b' || key == 't' || key == 'a';
    if (is_order) order = key;
    if (key == ERR) look.refresh();
  }
}

}  // namespace perilune::ctl
