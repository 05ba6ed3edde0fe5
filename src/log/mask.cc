#include "log/mask.hh"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "util/eight_bytes.hh"

namespace perilune::log {

namespace {

constexpr std::string_view kMask = "'***'";

char upper(char c) noexcept { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

bool is_of_word(char c) noexcept {
  const char letter = upper(c);
  return (letter >= 'A' && letter <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool is_blank(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool same_letters(std::string_view word, std::string_view keyword) noexcept {
  return std::ranges::equal(word, keyword, {}, upper);
}

bool contains_letters(std::string_view text, std::string_view letters) noexcept {
  const auto same = [](char one, char other) { return upper(one) == other; };
  return std::search(text.begin(), text.end(), letters.begin(), letters.end(), same) != text.end();
}

// A word that has its letter `at` there in the text.
bool stands_around(std::string_view text, std::size_t there, std::string_view word,
                   std::size_t at) noexcept {
  return there >= at && same_letters(text.substr(there - at, word.size()), word);
}

// Every secret that is looked for stands behind one of these, whose rarest letters are F and W.
bool stands_before_secret(std::string_view text, std::size_t i) noexcept {
  const int letter = text[i] | 0x20;
  return (letter == 'f' && stands_around(text, i, "IDENTIFIED", 6)) ||
         (letter == 'w' && stands_around(text, i, "PASSW", 4));
}

bool has_rare_letter(std::string_view eight) noexcept {
  const EightBytes letters = EightBytes::at(eight.data()).with_small_letters();
  return letters.any_is('f') || letters.any_is('w');
}

bool may_hold_secret(std::string_view text) noexcept {
  for (std::size_t begin = 0; begin < text.size(); begin += EightBytes::kSize) {
    const std::string_view part = text.substr(begin, EightBytes::kSize);
    if (part.size() == EightBytes::kSize && !has_rare_letter(part)) continue;
    for (std::size_t i = begin; i < begin + part.size(); ++i) {
      if (stands_before_secret(text, i)) return true;
    }
  }
  return false;
}

struct Token {
  enum class Kind : std::uint8_t { End, Word, Name, String, Parameter, Symbol };
  Kind kind = Kind::End;
  std::string_view text;
  std::size_t offset = 0;
};

// Tokens as the dialects of SQL have them. Comments that are code are read as code.
class Scanner {
 public:
  Scanner(std::string_view sql, Lexis lexis) noexcept : sql_(sql), lexis_(lexis) {}

  Token next() noexcept {
    while (skip_blank() || skip_comment()) {
    }
    Token token;
    token.offset = at_;
    token.kind = scan();
    token.text = sql_.substr(token.offset, at_ - token.offset);
    return token;
  }

 private:
  char peek(std::size_t ahead = 0) const noexcept {
    return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0';
  }
  bool is_at(std::string_view text) const noexcept { return sql_.substr(at_).starts_with(text); }
  void move_behind(std::string_view end) noexcept {
    const std::size_t found = sql_.find(end, at_);
    at_ = found == std::string_view::npos ? sql_.size() : found + end.size();
  }

  bool skip_blank() noexcept {
    const std::size_t before = at_;
    while (at_ < sql_.size() && is_blank(sql_[at_])) ++at_;
    return at_ > before;
  }

  bool skip_comment() noexcept {
    if (lexis_.is_postgres) return skip_postgres_comment();
    const char third = peek(2);
    const bool dashes = is_at("--") && (third == '\0' || is_blank(third));
    if (dashes || is_at("#")) {
      move_behind("\n");
    } else if (is_at("/*!") || is_at("/*M!")) {
      at_ += is_at("/*!") ? 3 : 4;
      while (peek() >= '0' && peek() <= '9') ++at_;
    } else if (is_at("*/")) {
      at_ += 2;
    } else if (is_at("/*")) {
      at_ += 2;
      move_behind("*/");
    } else {
      return false;
    }
    return true;
  }

  // They nest ("Comments").
  bool skip_postgres_comment() noexcept {
    if (is_at("--")) {
      move_behind("\n");
      return true;
    }
    if (!is_at("/*")) return false;
    std::size_t depth = 0;
    do {
      const bool begins = is_at("/*");
      const bool ends = is_at("*/");
      if (begins) ++depth;
      if (ends) --depth;
      at_ += begins || ends ? 2 : 1;
    } while (depth > 0 && at_ < sql_.size());
    return true;
  }

  Token::Kind scan() noexcept {
    if (at_ == sql_.size()) return Token::Kind::End;
    const char first = sql_[at_];
    if (lexis_.is_postgres && first != '\'') return scan_postgres(first);
    if (first == '\'' || first == '"') return scan_quoted(first, Token::Kind::String);
    if (first == '`') return scan_quoted(first, Token::Kind::Name);
    if (first == '$' && dollar_tag() > 0) return scan_dollar_quoted();
    if (is_of_word(first)) return scan_word();
    ++at_;
    return first == '?' ? Token::Kind::Parameter : Token::Kind::Symbol;
  }

  Token::Kind scan_word() noexcept {
    while (at_ < sql_.size() && is_of_word(sql_[at_])) ++at_;
    return Token::Kind::Word;
  }

  // Anything but a plain string.
  Token::Kind scan_postgres(char first) noexcept {
    if (first == '"') return scan_quoted(first, Token::Kind::Name);
    if (first == '$' && dollar_tag() > 0) return scan_dollar_quoted();
    if (upper(first) == 'E' && peek(1) == '\'') {
      ++at_;
      return scan_quoted('\'', Token::Kind::String, /*escapes=*/true);
    }
    if (first == '$') {
      scan_word();
      return Token::Kind::Parameter;
    }
    if (is_of_word(first)) return scan_word();
    ++at_;
    return Token::Kind::Symbol;
  }

  // PostgreSQL's $$…$$ and $tag$…$tag$: the size of what stands at both ends; 0: there is none.
  std::size_t dollar_tag() const noexcept {
    std::size_t size = 1;
    while (is_of_word(peek(size)) && peek(size) != '$') ++size;
    return peek(size) == '$' ? size + 1 : 0;
  }

  Token::Kind scan_dollar_quoted() noexcept {
    const std::string_view tag = sql_.substr(at_, dollar_tag());
    at_ += tag.size();
    move_behind(tag);
    return Token::Kind::String;
  }

  Token::Kind scan_quoted(char quote, Token::Kind kind) noexcept {
    return scan_quoted(quote, kind, lexis_.backslash_escapes && kind == Token::Kind::String);
  }

  Token::Kind scan_quoted(char quote, Token::Kind kind, bool escapes) noexcept {
    for (++at_; at_ < sql_.size(); ++at_) {
      if (escapes && sql_[at_] == '\\') {
        ++at_;
      } else if (sql_[at_] == quote) {
        if (peek(1) != quote) break;
        ++at_;
      }
    }
    at_ = std::min(at_ + 1, sql_.size());
    return kind;
  }

  std::string_view sql_;
  std::size_t at_ = 0;
  Lexis lexis_;
};

// Where a token stands, as far as secrets are concerned.
class Context {
 public:
  // Moves on over a token that is no string and no parameter.
  void pass(const Token& token) noexcept {
    if (token.kind == Token::Kind::Symbol) {
      pass_symbol(token.text.front());
    } else {
      pass_word(token);
    }
    previous_ = token.kind == Token::Kind::Word ? token.text : std::string_view{};
  }

  // Whether a string or a parameter here may be a secret.
  bool is_secret() const noexcept {
    const bool names_plugin = same_letters(previous_, "WITH") || same_letters(previous_, "VIA");
    if (state_ == State::Identified) return !names_plugin;
    return state_ == State::Password || state_ == State::Rest;
  }

 private:
  enum class State : std::uint8_t {
    Open,
    Identified,   // behind IDENTIFIED: up to the next account
    Password,     // behind PASSWORD: as long as nothing but a value follows
    PasswordFor,  // SET PASSWORD FOR: the account
    Rest,         // of SET PASSWORD
  };

  void pass_symbol(char symbol) noexcept {
    if (symbol == ';') {
      state_ = State::Open;
      depth_ = 0;
    } else if (symbol == '(') {
      ++depth_;
    } else if (symbol == ')') {
      if (state_ == State::Password && depth_ <= base_) state_ = State::Open;
      --depth_;
    } else if (symbol == ',' && depth_ <= base_ && state_ != State::Rest) {
      state_ = State::Open;
    } else if (symbol == '=' && (state_ == State::PasswordFor || sets_)) {
      state_ = State::Rest;
      sets_ = false;
    }
  }

  void pass_word(const Token& token) noexcept {
    if (token.kind == Token::Kind::Word && same_letters(token.text, "IDENTIFIED")) {
      enter(State::Identified);
    } else if (token.kind == Token::Kind::Word && is_password(token.text)) {
      pass_password();
    } else if (state_ == State::Password && same_letters(token.text, "FOR")) {
      state_ = State::PasswordFor;
    } else if (state_ == State::PasswordFor && same_letters(token.text, "TO")) {
      state_ = State::Rest;
    } else if (state_ == State::Password && !leads_to_value(token.text)) {
      state_ = State::Open;
    }
  }

  // SET PASSWORD is one to its end; the word may be met again in it, as in IDENTIFIED BY PASSWORD.
  void pass_password() noexcept {
    if (state_ == State::Identified) return;
    enter(State::Password);
    sets_ = same_letters(previous_, "SET");
  }

  void enter(State state) noexcept {
    if (state_ == State::Rest) return;
    state_ = state;
    base_ = depth_;
  }

  static bool is_password(std::string_view word) noexcept {
    return word.size() >= 6 && (contains_letters(word, "PASSWORD") || same_letters(word, "PASSWD"));
  }

  // Character sets, prefixes of strings and functions around a password.
  static bool leads_to_value(std::string_view word) noexcept {
    constexpr std::string_view kWords[] = {"AS", "BY", "CONCAT", "E", "N",  "REPLACE",
                                           "TO", "U",  "USING",  "X", "IS", "LIKE"};
    return word.starts_with('_') || std::ranges::any_of(kWords, [word](std::string_view known) {
             return same_letters(word, known);
           });
  }

  State state_ = State::Open;
  int depth_ = 0;
  int base_ = 0;       // the depth at which the state began
  bool sets_ = false;  // directly behind SET PASSWORD
  std::string_view previous_;
};

// 0x24412430…: a hash in another form.
bool is_hex_literal(const Token& token) noexcept {
  return token.kind == Token::Kind::Word && token.text.size() > 2 && token.text[0] == '0' &&
         upper(token.text[1]) == 'X';
}

class Masker {
 public:
  Masker(std::string_view sql, Lexis lexis) noexcept : sql_(sql), scanner_(sql, lexis) {}

  Masked run() {
    for (Token token = scanner_.next(); token.kind != Token::Kind::End; token = scanner_.next()) {
      take(token);
    }
    if (masked_.changed) masked_.text.append(sql_.substr(copied_));
    return std::move(masked_);
  }

 private:
  void take(const Token& token) {
    const bool is_value = token.kind == Token::Kind::String || is_hex_literal(token);
    if (is_value) {
      const bool holds_statement = may_hold_secret(token.text) && token.text.size() > 2;
      if (context_.is_secret() || holds_statement) hide(token);
    } else if (token.kind == Token::Kind::Parameter) {
      masked_.hides_parameters = masked_.hides_parameters || context_.is_secret();
    } else {
      context_.pass(token);
    }
  }

  void hide(const Token& token) {
    masked_.text.append(sql_.substr(copied_, token.offset - copied_)).append(kMask);
    copied_ = token.offset + token.text.size();
    masked_.changed = true;
  }

  std::string_view sql_;
  Scanner scanner_;
  Context context_;
  Masked masked_;
  std::size_t copied_ = 0;
};

}  // namespace

Masked mask_passwords(std::string_view sql, Lexis lexis) {
  if (!may_hold_secret(sql)) return {};
  return Masker{sql, lexis}.run();
}

}  // namespace perilune::log
