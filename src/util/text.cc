#include "util/text.hh"

#include <algorithm>

#include "util/eight_bytes.hh"

namespace perilune {

namespace {

// A character and how many bytes it takes; `valid` false: one byte that starts none.
struct Character {
  char32_t code = 0;
  std::size_t length = 1;
  bool valid = false;
};

unsigned char byte_at(std::string_view text, std::size_t i) noexcept {
  return static_cast<unsigned char>(text[i]);
}

// From the lead byte: length and the bits of the code; length 0 for what cannot lead.
Character lead(unsigned char first) noexcept {
  if (first < 0x80) return {first, 1, true};
  if (first >= 0xC2 && first <= 0xDF) return {first & 0x1Fu, 2, true};
  if (first >= 0xE0 && first <= 0xEF) return {first & 0x0Fu, 3, true};
  if (first >= 0xF0 && first <= 0xF4) return {first & 0x07u, 4, true};
  return {};
}

// RFC 3629: neither overlong forms nor surrogates nor what is beyond U+10FFFF.
bool is_canonical(const Character& c) noexcept {
  if (c.length == 3) return c.code >= 0x800 && (c.code < 0xD800 || c.code > 0xDFFF);
  if (c.length == 4) return c.code >= 0x10000 && c.code <= 0x10FFFF;
  return true;
}

// The character that starts at `text[0]`; text is not empty.
Character decode(std::string_view text) noexcept {
  Character c = lead(byte_at(text, 0));
  if (!c.valid || c.length > text.size()) return {};
  for (std::size_t i = 1; i < c.length; ++i) {
    const unsigned char next = byte_at(text, i);
    if ((next & 0xC0) != 0x80) return {};
    c.code = (c.code << 6) | (next & 0x3Fu);
  }
  return is_canonical(c) ? c : Character{};
}

// What breaks lines, rings bells or makes text read otherwise than it is.
bool is_harmful(char32_t code) noexcept {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) ||        // C0, DEL, C1
         code == 0x061C || code == 0x200E || code == 0x200F ||  // marks of direction
         (code >= 0x2028 && code <= 0x202E) ||  // line separators; embeddings, overrides
         (code >= 0x2066 && code <= 0x2069) ||  // isolates
         code == 0xFEFF;
}

void append_hex(std::string& out, std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto value = static_cast<unsigned char>(c);
    out.append("\\x");
    out.push_back(kDigits[value >> 4]);
    out.push_back(kDigits[value & 15]);
  }
}

// The two-letter escape of an ASCII character, or 0.
char short_escape(char32_t code, char quote) noexcept {
  if (code == '\n') return 'n';
  if (code == '\r') return 'r';
  if (code == '\t') return 't';
  if (code == '\\') return '\\';
  if (quote != 0 && code == static_cast<unsigned char>(quote)) return quote;
  return 0;
}

void append_character(std::string& out, const Character& c, std::string_view bytes, char quote) {
  const char letter = c.valid ? short_escape(c.code, quote) : char{0};
  if (letter != 0) {
    out.push_back('\\');
    out.push_back(letter);
  } else if (!c.valid || is_harmful(c.code)) {
    append_hex(out, bytes);
  } else {
    out.append(bytes);
  }
}

bool is_plain(char c, char quote) noexcept {
  return c >= 0x20 && c < 0x7F && c != '\\' && c != quote;
}

bool are_plain(EightBytes bytes, char quote) noexcept {
  return !bytes.any_beyond_ascii() && !bytes.any_below(0x20) && !bytes.any_is(0x7F) &&
         !bytes.any_is('\\') && !bytes.any_is(quote);
}

// Returns how many bytes of `text` were shown.
std::size_t append_start(std::string& out, std::string_view text, std::size_t max_bytes,
                         char quote) {
  std::size_t shown = 0;
  while (shown < text.size()) {
    const std::string_view plain = text.substr(shown, max_bytes - shown);
    const std::size_t count = plain_beginning(plain, quote);
    out.append(plain.substr(0, count));
    shown += count;
    if (shown == text.size() || shown == max_bytes) break;
    const Character c = decode(text.substr(shown));
    if (shown + c.length > max_bytes) break;
    append_character(out, c, text.substr(shown, c.length), quote);
    shown += c.length;
  }
  return shown;
}

void append_whole_length(std::string& out, std::size_t length) {
  out.append("...(").append(std::to_string(length)).append(" bytes)");
}

}  // namespace

std::size_t plain_beginning(std::string_view text, char quote) noexcept {
  std::size_t count = 0;
  while (text.size() - count >= EightBytes::kSize &&
         are_plain(EightBytes::at(text.data() + count), quote)) {
    count += EightBytes::kSize;
  }
  while (count < text.size() && is_plain(text[count], quote)) ++count;
  return count;
}

void append_escaped(std::string& out, std::string_view text, std::size_t max_bytes) {
  const std::size_t shown = append_start(out, text, max_bytes, 0);
  if (shown < text.size()) append_whole_length(out, text.size());
}

void append_quoted(std::string& out, std::string_view text, std::size_t max_bytes) {
  out.push_back('"');
  const std::size_t shown = append_start(out, text, max_bytes, '"');
  out.push_back('"');
  if (shown < text.size()) append_whole_length(out, text.size());
}

std::string quoted(std::string_view text, std::size_t max_bytes) {
  std::string out;
  out.reserve(std::min(text.size(), max_bytes) + 2);
  append_quoted(out, text, max_bytes);
  return out;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const Character c = decode(text);
    if (!c.valid) return false;
    text.remove_prefix(c.length);
  }
  return true;
}

}  // namespace perilune
