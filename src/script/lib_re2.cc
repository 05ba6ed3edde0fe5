#include <re2/re2.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lua/class.hh"
#include "lua/options.hh"
#include "script/libs.hh"

namespace perilune::script {

namespace {

constexpr std::array<std::string_view, 4> kOptions{"bytes", "dot_all", "ignore_case", "multi_line"};

// Of one compiled pattern with what matching needs; beyond it matching is slower, not larger.
constexpr std::int64_t kMemory = 8 << 20;
constexpr std::size_t kMostReplaced = 64 << 20;  // bytes of a result

struct Pattern {
  static constexpr const char* kClassName = "re2";
  std::unique_ptr<const re2::RE2> compiled;
};

using Patterns = lua::Class<Pattern>;
using Groups = std::vector<re2::StringPiece>;

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

struct Wish {
  re2::RE2::Options options;
  std::string flags;
};

Wish read_options(lua_State* L, int index) {
  Wish wish;
  wish.options.set_log_errors(false);
  wish.options.set_max_mem(kMemory);
  if (lua_isnoneornil(L, index)) return wish;
  lua::check_table(L, index);
  const lua::Options given{L, index, "option", kOptions};
  wish.options.set_case_sensitive(!given.boolean("ignore_case").value_or(false));
  wish.options.set_dot_nl(given.boolean("dot_all").value_or(false));
  if (given.boolean("multi_line").value_or(false)) wish.flags = "(?m)";
  if (given.boolean("bytes").value_or(false)) {
    wish.options.set_encoding(re2::RE2::Options::EncodingLatin1);
  }
  return wish;
}

int compile(lua_State* L) {
  const std::string pattern{lua::check_text(L, 1)};
  const Wish wish = read_options(L, 2);
  auto compiled = std::make_unique<const re2::RE2>(wish.flags + pattern, wish.options);
  if (!compiled->ok()) {
    throw lua::ArgumentError(1, "pattern '" + pattern + "': " + compiled->error());
  }
  Patterns::push(L, Pattern{std::move(compiled)});
  return 1;
}

// The whole match and its groups; empty: no match.
Groups match_at(const re2::RE2& pattern, std::string_view text, std::size_t start) {
  Groups groups(static_cast<std::size_t>(pattern.NumberOfCapturingGroups()) + 1);
  const bool found = pattern.Match(piece(text), start, text.size(), re2::RE2::UNANCHORED,
                                   groups.data(), static_cast<int>(groups.size()));
  if (!found) groups.clear();
  return groups;
}

void push_group(lua_State* L, const re2::StringPiece& group) {
  if (group.data() == nullptr) return lua_pushnil(L);
  lua_pushlstring(L, group.data(), group.size());
}

int push_groups(lua_State* L, const Groups& groups, std::size_t first) {
  luaL_checkstack(L, static_cast<int>(groups.size()) + 2, "too many groups");
  for (std::size_t i = first; i < groups.size(); ++i) push_group(L, groups[i]);
  return static_cast<int>(groups.size() - first);
}

int push_nothing(lua_State* L) {
  lua_pushnil(L);
  return 1;
}

int match(lua_State* L) {
  const re2::RE2& pattern = *Patterns::check(L, 1).compiled;
  const Groups groups = match_at(pattern, lua::check_text(L, 2), 0);
  if (groups.empty()) return push_nothing(L);
  return push_groups(L, groups, groups.size() > 1 ? 1 : 0);
}

int find(lua_State* L) {
  const re2::RE2& pattern = *Patterns::check(L, 1).compiled;
  const std::string_view text = lua::check_text(L, 2);
  const Groups groups = match_at(pattern, text, 0);
  if (groups.empty()) return push_nothing(L);
  const auto start = groups[0].data() - text.data();
  lua_pushnumber(L, static_cast<double>(start + 1));
  lua_pushnumber(L, static_cast<double>(start) + static_cast<double>(groups[0].size()));
  return 2 + push_groups(L, groups, 1);
}

// Goes through the text once.
class Replacement {
 public:
  Replacement(const re2::RE2& pattern, std::string_view text, std::string_view by)
      : pattern_(pattern), text_(text), by_(by) {}

  const std::string& result() const noexcept { return result_; }
  int count() const noexcept { return count_; }

  void run() {
    while (at_ <= text_.size()) {
      const Groups groups = match_at(pattern_, text_, at_);
      if (groups.empty()) break;
      take(groups);
    }
    append(text_.substr(std::min(copied_, text_.size())));
  }

 private:
  void take(const Groups& groups) {
    const auto start = static_cast<std::size_t>(groups[0].data() - text_.data());
    const std::size_t end = start + groups[0].size();
    append(text_.substr(copied_, start - copied_));
    rewrite(groups);
    ++count_;
    copied_ = end;
    at_ = groups[0].empty() ? after_character(end) : end;
  }
  // Nothing matches twice at one place, nor inside a character.
  std::size_t after_character(std::size_t at) const noexcept {
    ++at;
    const bool is_utf8 = pattern_.options().encoding() == re2::RE2::Options::EncodingUTF8;
    while (is_utf8 && at < text_.size() && (text_[at] & 0xC0) == 0x80) ++at;
    return at;
  }
  void rewrite(const Groups& groups) {
    std::string_view left = by_;
    for (auto at = left.find('\\'); at != std::string_view::npos; at = left.find('\\')) {
      append(left.substr(0, at));
      const char what = left[at + 1];  // there is one: the text was checked
      left.remove_prefix(at + 2);
      if (what == '\\') {
        append("\\");
      } else {
        const re2::StringPiece& group = groups[static_cast<std::size_t>(what - '0')];
        append({group.data(), group.size()});
      }
    }
    append(left);
  }
  void append(std::string_view more) {
    if (result_.size() + more.size() > kMostReplaced) throw lua::Error("the result is too long");
    result_ += more;
  }

  const re2::RE2& pattern_;
  std::string_view text_;
  std::string_view by_;
  std::string result_;
  std::size_t copied_ = 0;
  std::size_t at_ = 0;
  int count_ = 0;
};

int replace(lua_State* L) {
  const re2::RE2& pattern = *Patterns::check(L, 1).compiled;
  const std::string_view text = lua::check_text(L, 2);
  const std::string_view by = lua::check_text(L, 3);
  std::string why;
  if (!pattern.CheckRewriteString(piece(by), &why)) throw lua::ArgumentError(3, why);
  Replacement replacement{pattern, text, by};
  replacement.run();
  lua::push_text(L, replacement.result());
  lua_pushnumber(L, replacement.count());
  return 2;
}

int pattern_text(lua_State* L) {
  lua::push_text(L, Patterns::check(L, 1).compiled->pattern());
  return 1;
}

constexpr lua::Function kMethods[] = {
    {"find", lua::guarded<find>},
    {"match", lua::guarded<match>},
    {"replace", lua::guarded<replace>},
};
constexpr lua::Function kText[] = {{"__tostring", lua::guarded<pattern_text>}};
constexpr lua::Function kFunctions[] = {{"compile", lua::guarded<compile>}};

}  // namespace

void push_re2(lua_State* L) {
  Patterns::define(L, [](lua_State* l) {
    set_methods(l, kMethods);
    lua::set_functions(l, kText);
  });
  push_library(L, kFunctions);
}

}  // namespace perilune::script
