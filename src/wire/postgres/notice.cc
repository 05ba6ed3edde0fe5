#include "wire/postgres/notice.hh"

#include <algorithm>

#include "wire/builder.hh"
#include "wire/cursor.hh"
#include "wire/postgres/framing.hh"

namespace perilune::wire::postgres {

namespace {

void keep(NoticeView& notice, NoticeField field, std::string_view value) noexcept {
  switch (field) {
    case NoticeField::Severity:
      if (notice.severity.empty()) notice.severity = value;
      break;
    case NoticeField::SeverityInEnglish:
      notice.severity = value;
      break;
    case NoticeField::SqlState:
      notice.sql_state = value;
      break;
    case NoticeField::Message:
      notice.message = value;
      break;
    case NoticeField::Detail:
      notice.detail = value;
      break;
    case NoticeField::Hint:
      notice.hint = value;
      break;
  }
}

void append_field(Builder& to, NoticeField field, std::string_view value) {
  if (!value.empty()) to.u8(static_cast<std::uint8_t>(field)).text_with_nul(value);
}

}  // namespace

Result<NoticeView> decode_notice(Bytes body) noexcept {
  Cursor in{body};
  NoticeView notice;
  while (const std::uint8_t field = in.u8()) {
    keep(notice, static_cast<NoticeField>(field), in.text_until_nul());
  }
  return in.finish(notice);
}

void append_error(Buffer& out, const Error& error) {
  MessageWriter message{out, BackendTag::ErrorResponse};
  Builder to{out};
  const std::string_view severity = error.severity == Severity::Fatal ? "FATAL" : "ERROR";
  append_field(to, NoticeField::Severity, severity);
  append_field(to, NoticeField::SeverityInEnglish, severity);
  append_field(to, NoticeField::SqlState,
               is_sql_state(error.sql_state) ? error.sql_state : sqlstate::kInternalError);
  to.u8(static_cast<std::uint8_t>(NoticeField::Message)).text_with_nul(error.message);
  append_field(to, NoticeField::Detail, error.detail);
  append_field(to, NoticeField::Hint, error.hint);
  to.u8(0);
  message.end();
}

bool is_sql_state(std::string_view text) noexcept {
  return text.size() == 5 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

}  // namespace perilune::wire::postgres
