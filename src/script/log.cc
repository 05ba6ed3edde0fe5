#include "script/log.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lua/class.hh"
#include "lua/options.hh"
#include "script/file_rights.hh"
#include "script/globals.hh"
#include "script/host.hh"

namespace perilune::script {

namespace {

using Logs = lua::Class<LogObject>;
using Options = log::QueryLogOptions;

constexpr std::array<std::string_view, 8> kFileOptions{
    "block_timeout", "buffer", "format", "mask", "max_statement", "mode", "on_full", "parameters"};
constexpr std::array<std::string_view, 8> kSocketOptions{
    "block_timeout", "buffer", "format", "mask", "max_statement", "on_full", "parameters", "type"};
constexpr std::array<std::string_view, 9> kSyslogOptions{
    "address",       "block_timeout", "buffer",     "format", "mask",
    "max_statement", "on_full",       "parameters", "type"};
constexpr std::array<std::string_view, 7> kJournalOptions{
    "address", "block_timeout", "buffer", "mask", "max_statement", "on_full", "parameters"};

constexpr const char* kSyslogSocket = "/dev/log";
constexpr const char* kJournalSocket = "/run/systemd/journal/socket";
constexpr std::uint64_t kMostStatement = 1 << 20;
constexpr std::uint64_t kLeastBuffer = 4 << 10;
constexpr std::uint64_t kMostBuffer = 1 << 30;
// A text, what it was before, its parameters, and escapes that take up to six bytes for one.
constexpr std::uint64_t kBufferPerStatement = 16;

template <typename T>
struct Word {
  std::string_view word;
  T value;
};

template <typename T, std::size_t Count>
void read_word(const lua::Options& options, std::string_view name,
               const std::array<Word<T>, Count>& words, T& value) {
  const auto text = options.text(name);
  if (!text) return;
  const auto found = std::ranges::find(words, *text, &Word<T>::word);
  if (found == words.end()) {
    std::string known;
    for (const auto& word : words)
      known += fmt::format("{}'{}'", known.empty() ? "" : ", ", word.word);
    options.fail(name, known + " expected");
  }
  value = found->value;
}

void read_words(const lua::Options& options, Options& read) {
  constexpr std::array<Word<Options::Format>, 3> kFormats{{{"text", Options::Format::Text},
                                                           {"json", Options::Format::Json},
                                                           {"raw", Options::Format::Raw}}};
  constexpr std::array<Word<Options::OnFull>, 2> kOnFull{
      {{"drop", Options::OnFull::Drop}, {"block", Options::OnFull::Block}}};
  constexpr std::array<Word<Options::Type>, 2> kTypes{
      {{"stream", Options::Type::Stream}, {"dgram", Options::Type::Datagram}}};
  if (read.where != Options::Where::Journal) read_word(options, "format", kFormats, read.format);
  read_word(options, "on_full", kOnFull, read.on_full);
  const bool has_type =
      read.where == Options::Where::Socket || read.where == Options::Where::Syslog;
  if (has_type) read_word(options, "type", kTypes, read.type);
}

void check(const lua::Options& options, const Options& read) {
  const bool is_stream = read.where == Options::Where::Socket && read.type == Options::Type::Stream;
  if (read.format == Options::Format::Raw && !is_stream) {
    throw lua::Error("the format 'raw' is only for log_socket with a stream");
  }
  if (read.max_statement == 0 || read.max_statement > kMostStatement) {
    options.fail("max_statement", "1 to '1M' expected");
  }
  const std::uint64_t least = std::max(kLeastBuffer, read.max_statement * kBufferPerStatement);
  if (read.buffer < least || read.buffer > kMostBuffer) {
    options.fail("buffer", fmt::format("{} to '1G' expected: 4096, and {} times max_statement",
                                       least, kBufferPerStatement));
  }
}

void read_options(lua_State* L, int index, std::span<const std::string_view> names, Options& read) {
  if (lua_isnoneornil(L, index)) return;
  lua::check_table(L, index);
  const lua::Options options{L, index, "option", names};
  read_words(options, read);
  if (names.front() == "address") read.target = options.text("address").value_or(read.target);
  if (read.where == Options::Where::File) {
    if (const auto mode = options.text("mode")) read.mode = parse_mode(*mode);
  }
  read.block_timeout = options.duration("block_timeout").value_or(read.block_timeout);
  read.parameters = options.boolean("parameters").value_or(read.parameters);
  read.mask = options.boolean("mask").value_or(read.mask);
  read.max_statement = options.size("max_statement").value_or(read.max_statement);
  read.buffer = options.size("buffer").value_or(read.buffer);
  check(options, read);
}

int push_log(lua_State* L, Options options) {
  Logs::push(L, LogObject{Host::of(L).add_log(std::move(options))});
  return 1;
}

std::string check_target(lua_State* L) {
  const std::string_view target = lua::check_text(L, 1);
  if (target.empty()) throw lua::Error("Empty string not allowed");
  return std::string(target);
}

// --- the object

struct Counter {
  std::string_view name;
  std::atomic<std::uint64_t> log::QueryLogCounters::*counter;
};

constexpr Counter kCounters[] = {
    {"bytes", &log::QueryLogCounters::bytes},
    {"dropped", &log::QueryLogCounters::dropped},
    {"errors", &log::QueryLogCounters::errors},
    {"high_water", &log::QueryLogCounters::high_water},
    {"written", &log::QueryLogCounters::written},
};

// The counters: of the log, not of this script or worker.
int index(lua_State* L) {
  const auto& declared = *Logs::check(L, 1).log;
  const std::string_view name = lua::check_text(L, 2);
  const auto* const row = std::ranges::find(kCounters, name, &Counter::name);
  if (row == std::end(kCounters)) throw lua::Error("Unknown attribute '" + std::string(name) + "'");
  const std::uint64_t value = declared.log ? (declared.log->counters().*row->counter).load() : 0;
  lua_pushnumber(L, static_cast<lua_Number>(value));
  return 1;
}

int equals(lua_State* L) {
  lua_pushboolean(L, Logs::check(L, 1).log == Logs::check(L, 2).log);
  return 1;
}

constexpr lua::Function kMetamethods[] = {
    {"__eq", lua::guarded<equals>},
    {"__index", lua::guarded<index>},
};

}  // namespace

void define_logs(lua_State* L) {
  Logs::define(L, [](lua_State* l) { lua::set_functions(l, kMetamethods); });
}

int log_file(lua_State* L) {
  check_is_loading(L, "log_file");
  Options options;
  options.target = check_target(L);
  read_options(L, 2, kFileOptions, options);
  return push_log(L, std::move(options));
}

int log_socket(lua_State* L) {
  check_is_loading(L, "log_socket");
  Options options;
  options.where = Options::Where::Socket;
  options.target = check_target(L);
  read_options(L, 2, kSocketOptions, options);
  return push_log(L, std::move(options));
}

int log_syslog(lua_State* L) {
  check_is_loading(L, "log_syslog");
  Options options;
  options.where = Options::Where::Syslog;
  options.target = kSyslogSocket;
  options.type = Options::Type::Datagram;
  read_options(L, 1, kSyslogOptions, options);
  return push_log(L, std::move(options));
}

int log_journal(lua_State* L) {
  check_is_loading(L, "log_journal");
  Options options;
  options.where = Options::Where::Journal;
  options.target = kJournalSocket;
  read_options(L, 1, kJournalOptions, options);
  return push_log(L, std::move(options));
}

std::optional<session::LogList> test_logs(lua_State* L, int index) {
  using List = std::vector<std::shared_ptr<const session::DeclaredLog>>;
  if (lua_isnoneornil(L, index)) return session::LogList{};
  if (const LogObject* const one = Logs::test(L, index)) {
    return std::make_shared<const List>(List{one->log});
  }
  if (!lua_istable(L, index)) return std::nullopt;
  List list;
  const auto count = static_cast<int>(lua_objlen(L, index));
  for (int i = 1; i <= count; ++i) {
    lua_rawgeti(L, index, i);
    const LogObject* const log = Logs::test(L, lua_gettop(L));
    if (log != nullptr) list.push_back(log->log);
    lua_pop(L, 1);
    if (log == nullptr) return std::nullopt;
  }
  if (list.empty()) return session::LogList{};
  return std::make_shared<const List>(std::move(list));
}

session::LogList read_logs(lua_State* L, int index) {
  auto logs = test_logs(L, index);
  if (!logs) throw lua::Error("bad 'log' value (a log, a list of logs or nil expected)");
  return *std::move(logs);
}

void push_logs(lua_State* L, const session::LogList& logs) {
  if (!logs) return lua_pushnil(L);
  if (logs->size() == 1) {
    Logs::push(L, LogObject{logs->front()});
    return;
  }
  lua_newtable(L);
  for (std::size_t i = 0; i < logs->size(); ++i) {
    Logs::push(L, LogObject{(*logs)[i]});
    lua_rawseti(L, -2, static_cast<int>(i + 1));
  }
}

}  // namespace perilune::script
